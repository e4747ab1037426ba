//! What can be known of a rule and a chain.

use nfscope_event::Family;

use crate::netlink::{ChainInfo, Ending, SetInfo, Verdict, VerdictMap};

/// A rule of a ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Chain that holds it.
    pub chain: String,
    /// The rule as `nft list ruleset` prints it, on one line; none if it
    /// could not be had. Comments may hold anything, also line ends.
    pub text: Option<String>,
    /// The comment that the nft program stored.
    pub comment: Option<String>,
    /// The `-A CHAIN …` line, if iptables-nft made the rule.
    pub iptables: Option<String>,
    /// The expressions that can end a packet, in order.
    pub endings: Vec<Ending>,
    /// It is no longer in the ruleset.
    pub deleted: bool,
    /// The maps of the rule's [`Ending::VerdictMap`]s, in the same order.
    pub(super) maps: Vec<Option<SetInfo>>,
}

impl Rule {
    /// The verdict maps of the rule with their sets, as far as known: how
    /// long the key is, whether it is written out in the rule.
    pub fn verdict_maps(&self) -> impl Iterator<Item = (&VerdictMap, Option<&SetInfo>)> {
        let maps = self.endings.iter().filter_map(|ending| match ending {
            Ending::VerdictMap(map) => Some(map),
            _ => None,
        });
        maps.zip(self.maps.iter().map(Option::as_ref))
    }
}

/// A chain of a ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name.
    pub name: String,
    /// For a base chain: what calls it.
    pub base: Option<BaseChain>,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// Name of the hook, as nft spells it; a number if it has none.
    pub hook: String,
    /// Number of the hook.
    pub hook_number: u32,
    /// Priority.
    pub priority: i32,
    /// [`Verdict::Accept`] or [`Verdict::Drop`].
    pub policy: Option<Verdict>,
    /// Devices, for families that bind to them.
    pub devices: Vec<String>,
}

impl From<&ChainInfo> for Chain {
    fn from(info: &ChainInfo) -> Self {
        let base = info.hook.as_ref().map(|hook| BaseChain {
            hook: hook_name(info.family, hook.number)
                .map_or_else(|| hook.number.to_string(), str::to_owned),
            hook_number: hook.number,
            priority: hook.priority,
            policy: info.policy.clone(),
            devices: hook.devices.clone(),
        });
        Self { name: info.name.clone(), base }
    }
}

/// Name of a hook as nft spells it: `enum nf_inet_hooks`,
/// `enum nf_dev_hooks` (`include/uapi/linux/netfilter.h`), `NF_ARP_*`
/// (`netfilter_arp.h`), `NF_BR_*` (`netfilter_bridge.h`).
pub fn hook_name(family: Family, number: u32) -> Option<&'static str> {
    let names: &[&'static str] = match family {
        Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge => {
            &["prerouting", "input", "forward", "output", "postrouting", "ingress"]
        }
        Family::Arp => &["input", "output", "forward"],
        Family::Netdev => &["ingress", "egress"],
    };
    names.get(number as usize).copied()
}
