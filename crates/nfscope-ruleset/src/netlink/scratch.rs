//! Builds small tables without the nft program.
//!
//! For nfscope's own use: the scratch rule that turns the kernel's trace key
//! on, the rules of the self-test, and the marking rule of the netlink trace
//! backend.

use nfscope_event::Family;

use super::attr::{Attribute, AttributeWriter};
use super::constants as c;
use super::error::Error;
use super::message::{ACK, APPEND, CREATE, EXCLUSIVE, REQUEST, Request};
use super::socket::Socket;
use super::verdict::Verdict;

/// `IPPROTO_UDP`
const UDP: u8 = 17;

/// Where in the packet a comparison starts (`enum nft_payload_bases`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Link header.
    Link = 0,
    /// Network header.
    Network = 1,
    /// Transport header.
    Transport = 2,
}

/// How loaded bytes are compared (`enum nft_cmp_ops`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `==`
    Equal = 0,
    /// `!=`
    NotEqual = 1,
    /// `>`, as numbers in network order
    Greater = 4,
    /// `>=`, likewise
    GreaterOrEqual = 5,
}

/// A rule under construction: expressions in order.
#[derive(Debug, Clone, Default)]
pub struct RuleSpec(Vec<Expression>);

#[derive(Debug, Clone)]
enum Expression {
    Payload { base: Base, offset: u32, length: u32 },
    MetaLoad(u32),
    MetaStore(u32),
    Mask(Vec<u8>),
    Compare(Relation, Vec<u8>),
    Load(Vec<u8>),
    Verdict(Verdict),
}

impl RuleSpec {
    /// A rule that matches everything and does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on only if the packet's bytes there are `value` (1 to 16 bytes).
    pub fn payload(mut self, base: Base, offset: u32, value: &[u8]) -> Self {
        self.0.push(Expression::Payload { base, offset, length: value.len() as u32 });
        self.compare(Relation::Equal, value)
    }

    /// Loads bytes of the packet, for [`Self::mask`] and [`Self::compare`].
    pub fn load_payload(mut self, base: Base, offset: u32, length: u32) -> Self {
        self.0.push(Expression::Payload { base, offset, length });
        self
    }

    /// Loads the Ethernet type, likewise: two bytes.
    pub fn load_protocol(mut self) -> Self {
        self.0.push(Expression::MetaLoad(c::NFT_META_PROTOCOL));
        self
    }

    /// Keeps these bits of what was loaded.
    pub fn mask(mut self, mask: &[u8]) -> Self {
        self.0.push(Expression::Mask(mask.to_vec()));
        self
    }

    /// Goes on only if what was loaded compares so.
    pub fn compare(mut self, relation: Relation, value: &[u8]) -> Self {
        self.0.push(Expression::Compare(relation, value.to_vec()));
        self
    }

    /// As [`Self::payload`], compared under a mask of the same length.
    pub fn payload_masked(mut self, base: Base, offset: u32, value: &[u8], mask: &[u8]) -> Self {
        self.0.push(Expression::Payload { base, offset, length: value.len() as u32 });
        self.0.push(Expression::Mask(mask.to_vec()));
        self.0.push(Expression::Compare(
            Relation::Equal,
            value.iter().zip(mask).map(|(v, m)| v & m).collect(),
        ));
        self
    }

    /// Goes on only for that transport protocol (`IPPROTO_*`).
    pub fn transport(mut self, protocol: u8) -> Self {
        self.0.push(Expression::MetaLoad(c::NFT_META_L4PROTO));
        self.0.push(Expression::Compare(Relation::Equal, vec![protocol]));
        self
    }

    /// Goes on only for UDP to that port.
    pub fn udp_to(self, port: u16) -> Self {
        self.transport(UDP).payload(Base::Transport, 2, &port.to_be_bytes())
    }

    /// Goes on only if the packet's mark is that.
    pub fn mark(mut self, mark: u32) -> Self {
        self.0.push(Expression::MetaLoad(c::NFT_META_MARK));
        self.0.push(Expression::Compare(Relation::Equal, mark.to_ne_bytes().to_vec()));
        self
    }

    /// `meta mark set`.
    pub fn set_mark(mut self, mark: u32) -> Self {
        self.0.push(Expression::Load(mark.to_ne_bytes().to_vec()));
        self.0.push(Expression::MetaStore(c::NFT_META_MARK));
        self
    }

    /// `meta nftrace set 0` or `1`. The kernel's trace key counts such rules
    /// from their creation on, whatever they set and wherever they stand
    /// (`nft_meta_set_init`, `net/netfilter/nft_meta.c`).
    pub fn set_nftrace(mut self, on: bool) -> Self {
        self.0.push(Expression::Load(vec![u8::from(on)]));
        self.0.push(Expression::MetaStore(c::NFT_META_NFTRACE));
        self
    }

    /// Ends the rule with a verdict.
    pub fn verdict(mut self, verdict: Verdict) -> Self {
        self.0.push(Expression::Verdict(verdict));
        self
    }
}

impl Expression {
    fn write(&self, w: &mut AttributeWriter<'_>) {
        let name = match self {
            Self::Payload { .. } => "payload",
            Self::MetaLoad(_) | Self::MetaStore(_) => "meta",
            Self::Mask(_) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::Load(_) | Self::Verdict(_) => "immediate",
        };
        w.string(c::NFTA_EXPR_NAME, name);
        w.nest(c::NFTA_EXPR_DATA, |w| match self {
            Self::Payload { base, offset, length } => {
                w.u32(c::NFTA_PAYLOAD_DREG, c::REG_1);
                w.u32(c::NFTA_PAYLOAD_BASE, *base as u32);
                w.u32(c::NFTA_PAYLOAD_OFFSET, *offset);
                w.u32(c::NFTA_PAYLOAD_LEN, *length);
            }
            Self::MetaLoad(key) => {
                w.u32(c::NFTA_META_DREG, c::REG_1);
                w.u32(c::NFTA_META_KEY, *key);
            }
            Self::MetaStore(key) => {
                w.u32(c::NFTA_META_SREG, c::REG_1);
                w.u32(c::NFTA_META_KEY, *key);
            }
            Self::Mask(mask) => {
                w.u32(c::NFTA_BITWISE_SREG, c::REG_1);
                w.u32(c::NFTA_BITWISE_DREG, c::REG_1);
                w.u32(c::NFTA_BITWISE_LEN, mask.len() as u32);
                w.nest(c::NFTA_BITWISE_MASK, |w| w.bytes(c::NFTA_DATA_VALUE, mask));
                let zeros = vec![0; mask.len()];
                w.nest(c::NFTA_BITWISE_XOR, |w| w.bytes(c::NFTA_DATA_VALUE, &zeros));
            }
            Self::Compare(relation, value) => {
                w.u32(c::NFTA_CMP_SREG, c::REG_1);
                w.u32(c::NFTA_CMP_OP, *relation as u32);
                w.nest(c::NFTA_CMP_DATA, |w| w.bytes(c::NFTA_DATA_VALUE, value));
            }
            Self::Load(value) => {
                w.u32(c::NFTA_IMMEDIATE_DREG, c::REG_1);
                w.nest(c::NFTA_IMMEDIATE_DATA, |w| w.bytes(c::NFTA_DATA_VALUE, value));
            }
            Self::Verdict(verdict) => {
                w.u32(c::NFTA_IMMEDIATE_DREG, c::REG_VERDICT);
                w.nest(c::NFTA_IMMEDIATE_DATA, |w| {
                    w.nest(c::NFTA_DATA_VERDICT, |w| verdict.write(w));
                });
            }
        });
    }
}

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
            Self::Rule(chain, rule) => {
                w.string(c::NFTA_RULE_TABLE, &spec.name);
                w.string(c::NFTA_RULE_CHAIN, &chain.name);
                w.nest(c::NFTA_RULE_EXPRESSIONS, |w| {
                    for expression in &rule.0 {
                        w.nest(c::NFTA_LIST_ELEM, |w| expression.write(w));
                    }
                });
            }
        }
    }
}
