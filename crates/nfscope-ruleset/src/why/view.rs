//! A register's value with its words and its type.

use std::ops::Range;

use super::extensions::{extension, tunnel};
use super::field::{Field, Says};
use super::headers::{Entry, base};
use super::track::{Source, Step, Value};
use super::value::{self, Names, Order, Type};
use crate::netlink::expr::Payload;

/// How a value is called and printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    words: String,
    pub(super) kind: Type,
    pub(super) order: Order,
    pub(super) says: Says,
    /// The value proper begins that many bits from the register's right.
    shift: usize,
    /// Only the bits under this mask are there.
    pub(super) mask: Option<Vec<u8>>,
    /// It is an address's first bits only: how many.
    prefix: Option<usize>,
    /// What nft writes behind the words: ` & 0x000000ff`.
    suffix: String,
}

/// The view of a value.
pub(super) fn of(value: &Value) -> View {
    let (mask, suffix) = changes(&value.steps);
    let mut view = match &value.source {
        Source::Field(field) => whole(field.clone(), mask),
        Source::Payload(payload, protocols) => {
            let header = value.tunnel.filter(|_| payload.base == base::TUNNEL).map(tunnel);
            let fields = header.map_or(protocols.fields(payload.base), |(_, fields)| fields);
            packet(*payload, fields, mask)
        }
        Source::Extension { what, number, offset, length } => {
            let (name, fields) = extension(*what, *number);
            let (start, bits) = (*offset as usize * 8, *length as usize * 8);
            let mut view = bits_of(fields, start, bits, mask);
            let at = match &view {
                Some(_) => String::new(),
                None => format!("@{start},{bits}"),
            };
            let raw = Field::new(at, Type::Part, *length as usize, Says::Has);
            let mut view = view.take().unwrap_or_else(|| whole(raw, None));
            view.words = format!("{name} {}", view.words);
            view
        }
    };
    if let Some(kind) = value.tunnel {
        view.words = format!("{} {}", tunnel(kind).0, view.words);
    }
    if value.swapped {
        view.order = view.order.swapped();
    }
    view.suffix.push_str(&suffix);
    view
}

/// The mask of a value that was masked and nothing else; what nft writes
/// behind one to which other things were done.
fn changes(steps: &[Step]) -> (Option<Vec<u8>>, String) {
    match steps {
        [] => (None, String::new()),
        [Step::Mask { mask, xor }] if xor.iter().all(|&byte| byte == 0) => {
            (Some(mask.clone()), String::new())
        }
        _ => {
            let words = steps.iter().map(|step| match step {
                Step::Mask { mask, xor } => {
                    format!(" & {} ^ {}", value::hex(mask), value::hex(xor))
                }
                Step::Words(words) => format!(" {words}"),
            });
            (None, words.collect())
        }
    }
}

fn whole(field: Field, mask: Option<Vec<u8>>) -> View {
    let Field { words, kind, order, says, .. } = field;
    View { words, kind, order, says, shift: 0, mask, prefix: None, suffix: String::new() }
}

fn packet(payload: Payload, fields: &[Entry], mask: Option<Vec<u8>>) -> View {
    let (start, bits) = (payload.offset as usize * 8, payload.length as usize * 8);
    if let Some(view) = bits_of(fields, start, bits, mask.clone()) {
        return view;
    }
    let base = match payload.base {
        base::LINK => "ll".into(),
        base::NETWORK => "nh".into(),
        base::TRANSPORT => "th".into(),
        base::INNER => "ih".into(),
        base::TUNNEL => "tunnel".into(),
        other => format!("base {other}"),
    };
    let words = format!("@{base},{start},{bits}");
    whole(Field::new(words, Type::Part, payload.length as usize, Says::Has), mask)
}

/// The field that these bits of a header are, with a mask or without.
fn bits_of(fields: &[Entry], start: usize, bits: usize, mask: Option<Vec<u8>>) -> Option<View> {
    let exactly = |start, bits| fields.iter().find(|f| f.start == start && f.bits == bits);
    let seen = |field: &Entry, mask| {
        let says = match field.kind {
            Type::Protocol | Type::Ethertype => Says::PacketIs,
            _ => Says::Has,
        };
        whole(Field::big(field.words, field.kind, field.bits.div_ceil(8), says), mask)
    };
    let part = mask.as_deref().and_then(contiguous);
    if let Some((first, length)) = part
        && let Some(field) = exactly(start + first, length)
        && length < bits
    {
        return Some(View { shift: bits - first - length, ..seen(field, None) });
    }
    if let Some(field) = exactly(start, bits) {
        let prefix = part.filter(|(first, _)| *first == 0 && field.kind.is_address());
        return Some(match prefix {
            Some((_, length)) => View { prefix: Some(length), ..seen(field, None) },
            None => seen(field, mask),
        });
    }
    let longer = fields.iter().find(|f| f.start == start && f.bits > bits && f.kind.is_address());
    let field = longer.filter(|_| mask.is_none())?;
    Some(View { prefix: Some(bits), ..seen(field, None) })
}

/// The first bit and the number of bits of a mask without gaps.
fn contiguous(mask: &[u8]) -> Option<(usize, usize)> {
    let bit = |at: &usize| mask[at / 8] & (0x80 >> (at % 8)) != 0;
    let first = (0..mask.len() * 8).find(bit)?;
    let last = (0..mask.len() * 8).rev().find(bit)?;
    (first..=last).all(|at| bit(&at)).then_some((first, last + 1 - first))
}

impl View {
    /// What nft calls it.
    pub(super) fn words(&self) -> String {
        format!("{}{}", self.words, self.suffix)
    }

    /// Whether the words end in a computation.
    pub(super) fn is_computed(&self) -> bool {
        !self.suffix.is_empty()
    }

    /// Whether nothing but flags under a mask is there.
    pub(super) fn masked_flags(&self) -> Option<&[u8]> {
        let flags = self.kind.flag_words().is_some() || self.kind == Type::CtLabel;
        self.mask.as_deref().filter(|_| flags)
    }

    /// Whether all of the value is there.
    pub(super) fn is_part(&self) -> bool {
        self.mask.is_some() || self.prefix.is_some()
    }

    /// A value as nft prints it.
    pub(super) fn print(&self, bytes: &[u8], names: &Names) -> String {
        if let Some(prefix) = self.prefix {
            let mut address = bytes.to_vec();
            address.resize(if self.kind == Type::Ipv4 { 4 } else { 16 }, 0);
            return format!("{}/{prefix}", self.kind.print(&address, Order::Big, names));
        }
        if self.shift > 0 {
            return match self.number(bytes) {
                Some(number) => self.kind.print_number(number, names),
                None => value::hex(bytes),
            };
        }
        self.kind.print(bytes, self.order, names)
    }

    /// A value as a number.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<u128> {
        Some(value::number(bytes, self.order)? >> self.shift)
    }

    /// A value as a rule has it: names in quotes.
    pub(super) fn print_wanted(&self, bytes: &[u8], names: &Names) -> String {
        let text = self.print(bytes, names);
        match self.kind {
            // A name without its end is what names begin with.
            Type::Ifname if !bytes.contains(&0) && bytes.len() < 16 => format!("\"{text}*\""),
            Type::Ifname => format!("\"{text}\""),
            Type::Ifindex if text.parse::<u32>().is_err() => format!("\"{text}\""),
            _ => text,
        }
    }

    /// All of a value, of which the register holds a part.
    pub(super) fn print_whole(&self, bytes: &[u8], names: &Names) -> String {
        self.kind.print(bytes, self.order, names)
    }

    /// Bytes of the value in the register, if a comparison of `length` bytes
    /// is about less of it.
    pub(super) fn length(&self, value: &Value, length: usize) -> usize {
        if self.kind == Type::Ifname { value.length } else { length }
    }
}

/// The fields that a load of several neighbours is made of; none if it is one
/// field or not made of whole fields. Ranges are in bytes from the value's
/// start.
pub(super) fn neighbours(value: &Value) -> Option<Vec<(Range<usize>, View)>> {
    let Source::Payload(payload, protocols) = &value.source else { return None };
    if !value.steps.is_empty() || value.swapped {
        return None;
    }
    let (start, bits) = (payload.offset as usize * 8, payload.length as usize * 8);
    if payload.base == base::TRANSPORT && protocols.transport.is_none() {
        return None;
    }
    let fields = protocols.fields(payload.base);
    let mut all = Vec::new();
    let mut at = start;
    while at < start + bits {
        let whole = |f: &&Entry| f.start == at && f.bits.is_multiple_of(8);
        let field = fields.iter().find(whole).filter(|f| at + f.bits <= start + bits)?;
        let part = Payload {
            base: payload.base,
            offset: (at / 8) as u32,
            length: (field.bits / 8) as u32,
        };
        let source = Source::Payload(part, *protocols);
        let view = of(&Value { source, length: field.bits / 8, ..value.clone() });
        all.push(((at - start) / 8..(at - start + field.bits) / 8, view));
        at += field.bits;
    }
    (all.len() > 1).then_some(all)
}
