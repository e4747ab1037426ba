//! Rules under construction.

use crate::netlink::attr::AttributeWriter;
use crate::netlink::constants as c;
use crate::netlink::verdict::Verdict;

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
    VerdictMap(String),
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

    /// Ends the rule with what the map says of the loaded bytes; goes on with
    /// the next rule if it has no such element.
    pub fn verdict_map(mut self, name: &str) -> Self {
        self.0.push(Expression::VerdictMap(name.to_owned()));
        self
    }

    /// The inside of the attribute that lists a rule's expressions.
    pub(super) fn write(&self, w: &mut AttributeWriter<'_>) {
        for expression in &self.0 {
            w.nest(c::NFTA_LIST_ELEM, |w| expression.write(w));
        }
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
            Self::VerdictMap(_) => "lookup",
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
            Self::VerdictMap(name) => {
                w.string(c::NFTA_LOOKUP_SET, name);
                w.u32(c::NFTA_LOOKUP_SREG, c::REG_1);
                w.u32(c::NFTA_LOOKUP_DREG, c::REG_VERDICT);
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
