//! What lies in which register, by the expressions that were evaluated.

use nfscope_event::Family;

use super::extensions::extension;
use super::field::{Field, Says};
use super::headers::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, Protocols};
use super::loads;
use super::value::{self, Order, Type};
use super::view;
use crate::netlink::expr::{
    Bitwise, Comparison, Data, Expr, ExthdrKind, Kind, Payload, REGISTERS_SIZE, Register,
};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The packet, as its protocols were known then.
    Payload(Payload, Protocols),
    /// An extension header or option: from its first byte, so many.
    Extension { what: ExthdrKind, number: u8, offset: u32, length: u32 },
    /// Something that nft has words for.
    Field(Field),
}

/// What was done to a value since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `(value & mask) ^ xor`
    Mask { mask: Vec<u8>, xor: Vec<u8> },
    /// Something else, as nft writes it behind the value.
    Words(String),
}

/// A value in the registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) source: Source,
    /// Where it begins in `struct nft_regs`, and its length.
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) steps: Vec<Step>,
    /// Its numbers are in the other order than they were loaded in.
    pub(super) swapped: bool,
    /// It is of the packet within this kind of tunnel (`enum nft_inner_type`).
    pub(super) tunnel: Option<u32>,
}

/// The registers and what is known of the packet, while a rule is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Track {
    family: Family,
    values: Vec<Value>,
    /// Of the packet, and of the packet within its tunnel.
    pub(super) protocols: Protocols,
    inner: Protocols,
}

impl Track {
    /// Before a rule's first expression.
    pub(super) fn new(family: Family) -> Self {
        let network = match family {
            Family::Ip => Some(ETH_P_IP),
            Family::Ip6 => Some(ETH_P_IPV6),
            Family::Arp => Some(ETH_P_ARP),
            Family::Inet | Family::Bridge | Family::Netdev => None,
        };
        let protocols = Protocols { network, ..Protocols::default() };
        Self { family, values: Vec::new(), protocols, inner: Protocols::default() }
    }

    /// After these expressions, all of which let the rule go on.
    pub(super) fn after(family: Family, passed: &[Expr]) -> Self {
        let mut track = Self::new(family);
        passed.iter().for_each(|expr| track.pass(&expr.kind));
        track
    }

    /// Takes an expression that let the rule go on.
    pub(super) fn pass(&mut self, kind: &Kind) {
        self.load(kind, None);
        if let Kind::Cmp(register, Comparison::Equal, wanted) = kind {
            self.learn(*register, wanted);
        }
    }

    fn load(&mut self, kind: &Kind, tunnel: Option<u32>) {
        match kind {
            Kind::Inner { tunnel, inner, .. } => self.load(&inner.kind, Some(*tunnel)),
            Kind::Payload(payload, to) => {
                let protocols = if tunnel.is_some() { self.inner } else { self.protocols };
                let source = Source::Payload(*payload, protocols);
                self.put(source, *to, payload.length as usize, tunnel);
            }
            Kind::Exthdr { what, number, present: true, to, .. } => {
                let (words, _) = extension(*what, *number);
                let words = match what {
                    ExthdrKind::Ipv6 => format!("exthdr {words}"),
                    _ => words,
                };
                let field = Field::new(words, Type::Existence, 1, Says::Is);
                self.put(Source::Field(field), *to, 1, tunnel);
            }
            Kind::Exthdr { what, number, offset, length, to, .. } => {
                let (what, number, offset, length) = (*what, *number, *offset, *length);
                let source = Source::Extension { what, number, offset, length };
                self.put(source, *to, length as usize, tunnel);
            }
            Kind::Immediate(to, Data::Value(bytes)) => {
                let field = Field::new(value::hex(bytes), Type::Raw, bytes.len(), Says::Is);
                self.put(Source::Field(field), *to, bytes.len(), tunnel);
            }
            Kind::Bitwise { from, to, length, operation } => {
                let step = match operation {
                    Bitwise::Mask { mask, xor } => {
                        Step::Mask { mask: mask.clone(), xor: xor.clone() }
                    }
                    Bitwise::Left(bits) => Step::Words(format!("<< {bits}")),
                    Bitwise::Right(bits) => Step::Words(format!(">> {bits}")),
                    Bitwise::And(other) => Step::Words(format!("& {}", self.words_at(*other))),
                    Bitwise::Or(other) => Step::Words(format!("| {}", self.words_at(*other))),
                    Bitwise::Xor(other) => Step::Words(format!("^ {}", self.words_at(*other))),
                };
                self.change(*from, *to, *length, |value| value.steps.push(step));
            }
            Kind::Byteorder { from, to, length, .. } => {
                self.change(*from, *to, *length, |value| value.swapped = !value.swapped);
            }
            Kind::Hash { from: Some((from, length)), modulus, seed, offset, to } => {
                let key = self.words_of(*from, *length as usize);
                let seed = seed.map(|seed| format!(" seed {seed:#x}")).unwrap_or_default();
                let words = format!("jhash {key} mod {modulus}{seed}{}", loads::plus(*offset));
                let field = Field::new(words, Type::Number, 4, Says::Was);
                self.put(Source::Field(field), *to, 4, tunnel);
            }
            Kind::Lookup { set, from, to: Some(to), .. } if *to != Register::VERDICT => {
                let words = format!("{} map {}", self.words_at(*from), super::sets::called(set));
                // The length of a map's values is not known here.
                let length = REGISTERS_SIZE - to.offset();
                let field = Field::new(words, Type::Raw, length, Says::Is);
                self.put(Source::Field(field), *to, length, tunnel);
            }
            other => {
                if let Some((field, to)) = loads::field(other, self.family) {
                    let length = field.length;
                    self.put(Source::Field(field), to, length, tunnel);
                } else if let Some(to) = target(other) {
                    self.remove(to.offset(), REGISTERS_SIZE);
                }
            }
        }
    }

    fn put(&mut self, source: Source, to: Register, length: usize, tunnel: Option<u32>) {
        let at = to.offset();
        let value = Value { source, at, length, steps: Vec::new(), swapped: false, tunnel };
        self.insert(value);
    }

    fn insert(&mut self, value: Value) {
        self.remove(value.at, value.length);
        self.values.push(value);
    }

    /// Forgets what is overwritten, to whole registers.
    fn remove(&mut self, at: usize, length: usize) {
        let end = at.saturating_add(length.max(1).next_multiple_of(4));
        self.values.retain(|value| value.at + value.length <= at || value.at >= end);
    }

    fn change(
        &mut self,
        from: Register,
        to: Register,
        length: u32,
        change: impl FnOnce(&mut Value),
    ) {
        let Some(mut value) = self.at(from.offset()).cloned() else {
            self.remove(to.offset(), length as usize);
            return;
        };
        value.at = to.offset();
        change(&mut value);
        self.insert(value);
    }

    /// The value that begins there.
    pub(super) fn at(&self, at: usize) -> Option<&Value> {
        self.values.iter().find(|value| value.at == at)
    }

    /// The values that fill a register's first `length` bytes, each padded to
    /// a whole register; none if they do not.
    pub(super) fn filling(&self, register: Register, length: usize) -> Option<Vec<&Value>> {
        let (mut at, end) = (register.offset(), register.offset() + length);
        let mut all = Vec::new();
        while at < end {
            let value = self.at(at).filter(|value| value.length > 0)?;
            at += value.length.next_multiple_of(4);
            all.push(value);
        }
        (!all.is_empty()).then_some(all)
    }

    /// What nft calls what an expression loads.
    pub(super) fn words_of_load(&self, kind: &Kind) -> Option<String> {
        let mut empty = Self { values: Vec::new(), ..*self };
        empty.load(kind, None);
        empty.values.last().map(|value| view::of(value).words())
    }

    /// What nft calls the value at a register.
    fn words_at(&self, register: Register) -> String {
        match self.at(register.offset()) {
            Some(value) => view::of(value).words(),
            None => format!("register {}", register.offset()),
        }
    }

    /// As [`Track::words_at`], for values one behind the other.
    fn words_of(&self, register: Register, length: usize) -> String {
        let Some(values) = self.filling(register, length) else { return self.words_at(register) };
        let words: Vec<String> = values.iter().map(|value| view::of(value).words()).collect();
        words.join(" . ")
    }

    /// Takes that a register is known to hold a value.
    fn learn(&mut self, register: Register, wanted: &[u8]) {
        let Some(value) = self.at(register.offset()).filter(|v| v.steps.is_empty()) else {
            return;
        };
        let tunnel = value.tunnel.is_some();
        let Some((layer, number)) = protocol(value, wanted) else { return };
        let protocols = if tunnel { &mut self.inner } else { &mut self.protocols };
        match layer {
            Layer::Network => protocols.ethertype(number),
            Layer::Transport => protocols.transport = Some(number as u8),
        }
    }
}

/// Which protocol a comparison with a value is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Network,
    Transport,
}

/// Which protocol a value tells if it is `wanted`.
pub(super) fn protocol(value: &Value, wanted: &[u8]) -> Option<(Layer, u16)> {
    let view = view::of(&Value { tunnel: None, ..value.clone() });
    let number = value::number(wanted, view.order)?;
    let number = u16::try_from(number).ok()?;
    Some(match view.words().as_str() {
        "meta nfproto" => match number {
            2 => (Layer::Network, ETH_P_IP),
            10 => (Layer::Network, ETH_P_IPV6),
            3 => (Layer::Network, ETH_P_ARP),
            _ => return None,
        },
        "meta protocol" | "ether type" | "vlan type" if view.order == Order::Big => {
            (Layer::Network, number)
        }
        "meta l4proto" | "ip protocol" | "ip6 nexthdr" => (Layer::Transport, number),
        _ => return None,
    })
}

/// The register that an expression writes, for those that are not known in
/// detail.
fn target(kind: &Kind) -> Option<Register> {
    match *kind {
        Kind::Meta(_, to)
        | Kind::Ct { to, .. }
        | Kind::Rt(_, to)
        | Kind::Socket { to, .. }
        | Kind::Fib { to, .. }
        | Kind::Tunnel { to, .. }
        | Kind::Xfrm { to, .. } => Some(to),
        // It may write anywhere.
        Kind::Other => Some(Register::VERDICT),
        _ => None,
    }
}
