//! Builds small tables without the nft program.
//!
//! For nfscope's own use: the scratch rule that turns the kernel's trace key
//! on, the rules of the self-test, and the marking rule of the netlink trace
//! backend.

mod rule;

use nfscope_event::Family;

pub use rule::{Base, Relation, RuleSpec};

use super::attr::{Attribute, AttributeWriter};
use super::constants as c;
use super::error::Error;
use super::message::{ACK, APPEND, CREATE, EXCLUSIVE, REQUEST, Request};
use super::socket::Socket;
use super::verdict::Verdict;

/// Where a base chain is called from.
#[derive(Debug, Clone)]
pub struct HookSpec {
    /// Hook number: for `ip`, `ip6`, `inet` and `bridge` prerouting 0, input
    /// 1, forward 2, output 3, postrouting 4; for `netdev` ingress 0, egress 1.
    pub number: u32,
    /// Priority.
    pub priority: i32,
    /// [`Verdict::Accept`] or [`Verdict::Drop`].
    pub policy: Verdict,
    /// The device, for `netdev` only.
    pub device: Option<String>,
}

/// A chain under construction.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    /// Name, unique in the table.
    pub name: String,
    /// None for a chain that is only jumped to.
    pub hook: Option<HookSpec>,
    /// Its rules in order.
    pub rules: Vec<RuleSpec>,
}

/// A verdict map under construction.
#[derive(Debug, Clone)]
pub struct VerdictMapSpec {
    /// Name, unique in the table.
    pub name: String,
    /// Keys, all of one length, with their verdicts.
    pub elements: Vec<(Vec<u8>, Verdict)>,
}

/// A table under construction.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Family.
    pub family: Family,
    /// Name; creating fails with `EEXIST` if there is such a table.
    pub name: String,
    /// The kernel removes the table when the [`Table`] is dropped or its
    /// process dies, and lets nobody else change it (`NFT_TABLE_F_OWNER`,
    /// kernel 5.12; refused before).
    pub owned: bool,
    /// Its chains. A chain must stand before the rules that jump to it.
    pub chains: Vec<ChainSpec>,
    /// Verdict maps that its rules look up.
    pub maps: Vec<VerdictMapSpec>,
}

/// A table that was created here.
///
/// An owned table goes away with this value; another one stays until
/// [`Table::delete`] or the end of its network namespace.
#[derive(Debug)]
pub struct Table {
    socket: Socket,
    family: Family,
    name: String,
    handles: Vec<(String, Vec<u64>)>,
}

impl Table {
    /// Creates the table in the calling thread's network namespace, all of it
    /// or nothing, and asks the kernel for the handles of its rules.
    pub fn create(spec: &TableSpec) -> Result<Self, Error> {
        let mut socket = Socket::open()?;
        let what = format!("create table {} {}", spec.family, spec.name);
        let first = socket.next_sequence();
        let mut request = Request::new();
        request.begin_batch(first);
        let mut messages = Vec::new();
        messages.push((c::NFT_MSG_NEWTABLE, EXCLUSIVE, Part::Table));
        messages
            .extend(spec.chains.iter().map(|c| (c::NFT_MSG_NEWCHAIN, EXCLUSIVE, Part::Chain(c))));
        for map in &spec.maps {
            messages.push((c::NFT_MSG_NEWSET, EXCLUSIVE, Part::Map(map)));
            messages.push((c::NFT_MSG_NEWSETELEM, 0, Part::Elements(map)));
        }
        for chain in &spec.chains {
            let rules = chain.rules.iter().map(|rule| Part::Rule(chain, rule));
            messages.extend(rules.map(|rule| (c::NFT_MSG_NEWRULE, APPEND, rule)));
        }
        let mut last = first;
        let count = messages.len();
        for (index, (number, flags, part)) in messages.into_iter().enumerate() {
            last = socket.next_sequence();
            let ack = if index + 1 == count { ACK } else { 0 };
            let flags = REQUEST | CREATE | flags | ack;
            request.push(number, flags, spec.family.nfproto(), last, |w| part.write(spec, w));
        }
        request.end_batch(socket.next_sequence());
        socket.transact(&request.finish()?, (first, last), &what)?;
        let mut table =
            Self { socket, family: spec.family, name: spec.name.clone(), handles: Vec::new() };
        for chain in &spec.chains {
            let handles = table.ask_handles(&chain.name)?;
            table.handles.push((chain.name.clone(), handles));
        }
        Ok(table)
    }

    fn ask_handles(&mut self, chain: &str) -> Result<Vec<u64>, Error> {
        let name = &self.name;
        let rules = self.socket.dump(
            (c::NFT_MSG_GETRULE, self.family.nfproto()),
            "list the rules just created",
            |w| {
                w.string(c::NFTA_RULE_TABLE, name);
                w.string(c::NFTA_RULE_CHAIN, chain);
            },
            |message| {
                let all = message.attributes();
                // Kernels that know no filter by chain send all rules.
                let same = |kind, value: &str| all.get(kind).is_some_and(|a| a.string() == value);
                let ours = same(c::NFTA_RULE_TABLE, name) && same(c::NFTA_RULE_CHAIN, chain);
                let handle = all.get(c::NFTA_RULE_HANDLE).and_then(Attribute::u64);
                handle.filter(|_| ours)
            },
        )?;
        Ok(rules)
    }

    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The handles of a chain's rules, in their order.
    pub fn handles(&self, chain: &str) -> &[u64] {
        self.handles.iter().find(|(name, _)| name == chain).map_or(&[], |(_, handles)| handles)
    }

    /// Removes the table.
    pub fn delete(mut self) -> Result<(), Error> {
        let what = format!("delete table {} {}", self.family, self.name);
        let first = self.socket.next_sequence();
        let last = self.socket.next_sequence();
        let mut request = Request::new();
        request.begin_batch(first);
        request.push(c::NFT_MSG_DELTABLE, REQUEST | ACK, self.family.nfproto(), last, |w| {
            w.string(c::NFTA_TABLE_NAME, &self.name);
        });
        request.end_batch(self.socket.next_sequence());
        self.socket.transact(&request.finish()?, (first, last), &what)
    }
}

enum Part<'a> {
    Table,
    Chain(&'a ChainSpec),
    Map(&'a VerdictMapSpec),
    Elements(&'a VerdictMapSpec),
    Rule(&'a ChainSpec, &'a RuleSpec),
}

impl Part<'_> {
    fn write(&self, spec: &TableSpec, w: &mut AttributeWriter<'_>) {
        match self {
            Self::Table => {
                w.string(c::NFTA_TABLE_NAME, &spec.name);
                let flags = if spec.owned { c::NFT_TABLE_F_OWNER } else { 0 };
                w.u32(c::NFTA_TABLE_FLAGS, flags);
            }
            Self::Chain(chain) => {
                w.string(c::NFTA_CHAIN_TABLE, &spec.name);
                w.string(c::NFTA_CHAIN_NAME, &chain.name);
                let Some(hook) = &chain.hook else { return };
                w.nest(c::NFTA_CHAIN_HOOK, |w| {
                    w.u32(c::NFTA_HOOK_HOOKNUM, hook.number);
                    w.u32(c::NFTA_HOOK_PRIORITY, hook.priority as u32);
                    if let Some(device) = &hook.device {
                        w.string(c::NFTA_HOOK_DEV, device);
                    }
                });
                w.u32(c::NFTA_CHAIN_POLICY, hook.policy.code() as u32);
                w.string(c::NFTA_CHAIN_TYPE, "filter");
            }
            Self::Map(map) => {
                let key_length = map.elements.first().map_or(0, |(key, _)| key.len());
                w.string(c::NFTA_SET_TABLE, &spec.name);
                w.string(c::NFTA_SET_NAME, &map.name);
                w.u32(c::NFTA_SET_FLAGS, c::NFT_SET_MAP);
                // of use to the nft program alone
                w.u32(c::NFTA_SET_KEY_TYPE, 0);
                w.u32(c::NFTA_SET_KEY_LEN, key_length as u32);
                w.u32(c::NFTA_SET_DATA_TYPE, c::NFT_DATA_VERDICT);
                // the kernel wants a number that tells the batch's sets apart
                w.u32(c::NFTA_SET_ID, 1);
            }
            Self::Elements(map) => {
                w.string(c::NFTA_SET_ELEM_LIST_TABLE, &spec.name);
                w.string(c::NFTA_SET_ELEM_LIST_SET, &map.name);
                w.nest(c::NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                    for (key, verdict) in &map.elements {
                        w.nest(c::NFTA_LIST_ELEM, |w| {
                            w.nest(c::NFTA_SET_ELEM_KEY, |w| w.bytes(c::NFTA_DATA_VALUE, key));
                            w.nest(c::NFTA_SET_ELEM_DATA, |w| {
                                w.nest(c::NFTA_DATA_VERDICT, |w| verdict.write(w));
                            });
                        });
                    }
                });
            }
            Self::Rule(chain, rule) => {
                w.string(c::NFTA_RULE_TABLE, &spec.name);
                w.string(c::NFTA_RULE_CHAIN, &chain.name);
                w.nest(c::NFTA_RULE_EXPRESSIONS, |w| rule.write(w));
            }
        }
    }
}
