//! Which tools' rules a namespace has.

use std::collections::{BTreeMap, BTreeSet};

use nfscope_event::Family;
use nfscope_ruleset::netlink::{Expression, Socket, Verdict};
use nfscope_ruleset::{nf_tables_loaded, nft, xtables};

use super::{Finding, Level};

/// The forward hook's number (`NF_INET_FORWARD`).
const FORWARD: u32 = 2;
/// `NFT_META_NFTRACE`, which rules can only set.
const NFTRACE: u32 = 12;

/// Tables and numbers of rules, by the tool that they are made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// nft's.
    pub nft: BTreeMap<String, usize>,
    /// Those of iptables-nft and its siblings, as far as names tell.
    pub iptables_nft: BTreeMap<String, usize>,
    /// Those of iptables-legacy and its siblings.
    pub legacy: BTreeMap<String, usize>,
    /// There are rules that log into the kernel log.
    pub logs: bool,
    /// iptables-nft has rules that trace.
    pub nft_traces: bool,
    /// Families (`NFPROTO_*`) of which iptables-legacy has rules that trace.
    pub legacy_traces: BTreeSet<u32>,
    /// There are rules for packets that are forwarded.
    pub forwards: bool,
    /// Chains of nftables whose policy drops.
    pub nft_policies: usize,
    /// Chains of iptables-legacy and its siblings whose policy does not accept.
    pub legacy_policies: usize,
    /// What could not be read.
    pub unread: BTreeSet<String>,
}

impl Tables {
    /// Reads the calling thread's namespace. No module is loaded by it.
    pub fn read() -> Self {
        let mut all = Self::default();
        if nf_tables_loaded()
            && let Err(error) = all.add_nft()
        {
            all.unread.insert(format!("nftables: {error}"));
        }
        all.add_legacy();
        all
    }

    fn add_nft(&mut self) -> Result<(), nfscope_ruleset::netlink::Error> {
        let mut socket = Socket::open()?;
        let (tables, chains, rules) = (socket.tables()?, socket.chains()?, socket.rules()?);
        for table in tables {
            let mine = |family, name: &str| family == table.family && name == table.name;
            let rules = rules.iter().filter(|rule| mine(rule.family, &rule.table));
            let hooks = chains.iter().filter(|c| c.hook.is_some() && mine(c.family, &c.table));
            let hooks: Vec<_> = hooks.collect();
            let forward = |chain: &str| {
                let here = |c: &&&nfscope_ruleset::netlink::ChainInfo| c.name == chain;
                let hook = hooks.iter().find(here).and_then(|c| c.hook.as_ref());
                hook.is_some_and(|hook| hook.number == FORWARD)
            };
            self.nft_policies += hooks.iter().filter(|c| c.policy == Some(Verdict::Drop)).count();
            let (mut count, mut traces) = (0, false);
            for rule in rules {
                count += 1;
                self.logs |= rule.expressions.iter().any(logs);
                traces |= rule.expressions.iter().any(is_trace);
                let routed = matches!(table.family, Family::Ip | Family::Ip6 | Family::Inet);
                self.forwards |= routed && forward(&rule.chain);
            }
            // Its base chains are called as those of iptables have always been.
            let capitals = |name: &str| name.chars().all(|c| c.is_ascii_uppercase());
            let theirs = nft::is_table_of_iptables(table.family, &table.name)
                && hooks.iter().all(|chain| capitals(&chain.name));
            self.nft_traces |= theirs && traces;
            let tables = if theirs { &mut self.iptables_nft } else { &mut self.nft };
            tables.insert(format!("{} {}", table.family, table.name), count);
        }
        Ok(())
    }

    fn add_legacy(&mut self) {
        for (family, name, table) in xtables::loaded() {
            let program = match family {
                xtables::Family::Ipv4 => "iptables",
                xtables::Family::Ipv6 => "ip6tables",
                xtables::Family::Arp => "arptables",
                xtables::Family::Bridge => "ebtables",
            };
            let name = format!("{program} {name}");
            match table {
                Ok(table) => {
                    let rules = || table.chains.iter().flat_map(|chain| &chain.rules);
                    let has = |target: &str| {
                        let is = |rule: &xtables::Rule| matches!(&rule.target, xtables::Target::Extension(e) if e.name == target);
                        rules().any(is)
                    };
                    self.logs |= has("LOG");
                    if has("TRACE") {
                        self.legacy_traces.insert(nfproto(family));
                    }
                    let forward = |chain: &&xtables::Chain| chain.name == "FORWARD";
                    self.forwards |=
                        table.chains.iter().filter(forward).any(|chain| !chain.rules.is_empty());
                    let policy = |chain: &xtables::Chain| {
                        let accepts = |end: &xtables::Rule| end.target == xtables::Target::Accept;
                        chain.built_in && !chain.end.as_ref().is_none_or(accepts)
                    };
                    self.legacy_policies += table.chains.iter().filter(|c| policy(c)).count();
                    self.legacy.insert(name, rules().count());
                }
                Err(error) => _ = self.unread.insert(format!("{name}: {error}")),
            }
        }
    }

    /// What is to be said of them.
    pub fn findings(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        for (tool, tables) in [
            ("nft", &self.nft),
            ("iptables-nft", &self.iptables_nft),
            ("iptables-legacy", &self.legacy),
        ] {
            let list: Vec<String> =
                tables.iter().map(|(name, rules)| format!("{name}: {rules}")).collect();
            if !list.is_empty() {
                let text = format!("{tool}: rules in tables {}", list.join(", "));
                all.push(Finding::new("rules", Level::Ok, text));
            }
        }
        let rules = |tables: &BTreeMap<String, usize>| tables.values().sum::<usize>();
        let legacy = rules(&self.legacy) + self.legacy_policies;
        let nft = rules(&self.nft) + rules(&self.iptables_nft) + self.nft_policies;
        if legacy > 0 && nft > 0 {
            let text = "rules, or policies that drop, of iptables-legacy and of nftables (iptables-nft) at once: packets \
                        pass both, and what one accepts the other may drop; each tool lists its \
                        own only (iptables-legacy-save, nft list ruleset): keep one";
            all.push(Finding::new("both at once", Level::Note, text));
        } else if legacy == 0 && !self.legacy.is_empty() {
            let text = "iptables-legacy's tables are loaded, and have no rules here: packets pass \
                        them for nothing, and `iptables` warns of them; they go with their modules \
                        (iptable_filter and such), and so do other namespaces' rules in them";
            all.push(Finding::new("empty legacy", Level::Note, text));
        }
        for what in &self.unread {
            all.push(Finding::new("rules", Level::Note, format!("not read: {what}")));
        }
        all
    }
}

fn logs(expression: &Expression) -> bool {
    match expression {
        Expression::Log(group) => group.is_none(),
        Expression::Target(name) => name == "LOG",
        _ => false,
    }
}

fn is_trace(expression: &Expression) -> bool {
    match expression {
        Expression::Meta(key) => *key == NFTRACE,
        Expression::Target(name) => name == "TRACE",
        _ => false,
    }
}

fn nfproto(family: xtables::Family) -> u32 {
    match family {
        xtables::Family::Ipv4 => 2,
        xtables::Family::Ipv6 => 10,
        xtables::Family::Arp => 3,
        xtables::Family::Bridge => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(nft: usize, legacy: Option<usize>) -> Tables {
        let table = |name: &str, rules| BTreeMap::from([(name.to_owned(), rules)]);
        Tables {
            nft: table("inet filter", nft),
            legacy: legacy.map(|rules| table("iptables filter", rules)).unwrap_or_default(),
            ..Tables::default()
        }
    }

    #[test]
    fn two_tools() {
        let topics = |tables: Tables| {
            let notes = tables.findings().into_iter().filter(|f| f.level == Level::Note);
            notes.map(|finding| finding.topic).collect::<Vec<_>>()
        };
        assert_eq!(topics(tables(1, Some(1))), ["both at once"]);
        assert_eq!(topics(tables(1, Some(0))), ["empty legacy"]);
        let dropping = Tables { legacy_policies: 1, ..tables(1, Some(0)) };
        assert_eq!(topics(dropping), ["both at once"]);
        assert!(topics(tables(1, None)).is_empty() && topics(tables(0, Some(1))).is_empty());
    }
}
