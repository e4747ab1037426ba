//! Comparisons of one value: `cmp` and `range`.

use super::answer::Answer;
use super::rule::{PacketFacts, Rule};
use super::track::{Source, Step, Track, Value};
use super::value::{self, Style, Type};
use super::view::{self, View};
use crate::netlink::expr::{Comparison, Kind, Payload, REGISTERS_SIZE, Register};

/// What is compared with what.
pub(super) enum Test<'a> {
    One(Comparison, &'a [u8]),
    Range { inverted: bool, low: &'a [u8], high: &'a [u8] },
}

impl<'a> Test<'a> {
    /// The comparison that an expression is (part of), and its register.
    pub(super) fn of(rule: &'a Rule, index: usize) -> Option<(Register, Self)> {
        let kind = |at: usize| rule.expressions.get(at).map(|expr| &expr.kind);
        match kind(index)? {
            Kind::Range { from, inverted, low, high } => {
                Some((*from, Self::Range { inverted: *inverted, low, high }))
            }
            Kind::Cmp(register, operation, value) => {
                // nft makes two comparisons of a range.
                let (low, high) = match operation {
                    Comparison::GreaterEqual => (Some(index), index.checked_add(1)),
                    Comparison::LessEqual => (index.checked_sub(1), Some(index)),
                    _ => (None, None),
                };
                match (low.and_then(kind), high.and_then(kind)) {
                    (
                        Some(Kind::Cmp(a, Comparison::GreaterEqual, low)),
                        Some(Kind::Cmp(b, Comparison::LessEqual, high)),
                    ) if a == b => Some((*register, Self::Range { inverted: false, low, high })),
                    _ => Some((*register, Self::One(*operation, value))),
                }
            }
            _ => None,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::One(_, value) => value.len(),
            Self::Range { low, .. } => low.len(),
        }
    }
}

/// The condition that a comparison is, and what it wants.
pub(super) fn condition(rule: &Rule, view: &View, test: &Test<'_>) -> (String, String) {
    let words = view.words();
    let wanted = |bytes: &[u8]| view.print_wanted(bytes, &rule.names);
    match *test {
        Test::Range { inverted, low, high } => {
            let (low, high) = (view.print(low, &rule.names), view.print(high, &rule.names));
            let wanted = format!("{low}-{high}");
            (format!("{words} {}{wanted}", if inverted { "!= " } else { "" }), wanted)
        }
        Test::One(operation, bytes) => {
            if let Some(mask) = view.masked_flags() {
                return flags(rule, view, mask, operation, bytes);
            }
            let wanted = wanted(bytes);
            match &view.mask {
                Some(mask) => {
                    let (mask, wanted) = (masked(rule, view, mask), masked(rule, view, bytes));
                    let sign = match operation {
                        Comparison::Equal => "== ",
                        other => other.sign(),
                    };
                    (format!("{words} & {mask} {sign}{wanted}"), wanted)
                }
                None if view.is_computed() && operation == Comparison::Equal => {
                    (format!("{words} == {wanted}"), wanted)
                }
                None => (format!("{words} {}{wanted}", operation.sign()), wanted),
            }
        }
    }
}

/// The condition that a comparison of a value is, or the conditions, if nft
/// made one comparison of several.
pub(super) fn condition_of(rule: &Rule, value: &Value, test: &Test<'_>) -> Option<String> {
    let (Test::One(Comparison::Equal, wanted), Some(fields)) = (test, view::neighbours(value))
    else {
        return Some(condition(rule, &view::of(value), test).0);
    };
    let parts = fields.into_iter().map(|(range, view)| {
        Some(condition(rule, &view, &Test::One(Comparison::Equal, wanted.get(range)?)).0)
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join(" "))
}

/// A value under a mask, or the mask.
fn masked(rule: &Rule, view: &View, bytes: &[u8]) -> String {
    match view.number(bytes) {
        Some(number) if view.kind == Type::Number && rule.names.style == Style::Now => {
            format!("{number:#x}")
        }
        _ => view.print_wanted(bytes, &rule.names),
    }
}

/// Flags under a mask, as nft writes them: any of them, none of them, or these
/// of those.
fn flags(
    rule: &Rule,
    view: &View,
    mask: &[u8],
    operation: Comparison,
    value: &[u8],
) -> (String, String) {
    let words = view.words();
    let under = view.print(mask, &rule.names);
    let zero = value.iter().all(|&byte| byte == 0);
    match operation {
        Comparison::NotEqual if zero => (format!("{words} {under}"), under),
        Comparison::Equal if zero => (format!("{words} ! {under}"), format!("! {under}")),
        other if rule.names.style == Style::Before => {
            let wanted = format!("{} / {under}", view.print(value, &rule.names));
            (format!("{words} {}{wanted}", other.sign()), wanted)
        }
        other => {
            let bits = |flags: String| match flags.contains(',') {
                true => format!("({})", flags.replace(',', " | ")),
                false => flags,
            };
            let wanted = bits(view.print(value, &rule.names));
            let sign = if other == Comparison::Equal { "== " } else { other.sign() };
            (format!("{words} & {} {sign}{wanted}", bits(under)), wanted)
        }
    }
}

/// Why a comparison failed.
pub(super) fn explain(
    rule: &Rule,
    track: &Track,
    index: usize,
    registers: &[u8; REGISTERS_SIZE],
    packet: &PacketFacts<'_>,
) -> Option<Answer> {
    let (register, test) = Test::of(rule, index)?;
    let Some(value) = track.at(register.offset()) else {
        return Some(unknown(register, &test, registers));
    };
    if let Some(answer) = adjacent(rule, value, &test, registers) {
        return Some(answer);
    }
    let view = view::of(value);
    let (condition, wanted) = condition(rule, &view, &test);
    let length = view.length(value, test.length());
    let bytes = registers.get(value.at..value.at + length)?;
    let actual = actual(rule, value, &view, bytes, packet);
    Some(Answer {
        reason: sentence(&view, &actual),
        condition,
        selector: Some(view.words()),
        wanted: Some(wanted),
        actual: Some(actual),
    })
}

/// A sentence about the packet's value.
pub(super) fn sentence(view: &View, actual: &str) -> String {
    match (view.kind, actual) {
        (Type::Existence, "exists") => "it exists".into(),
        (Type::Existence, "missing") => "it is missing".into(),
        _ => view.says.sentence(actual),
    }
}

/// The packet's value as nft prints it: all of it if that is known.
pub(super) fn actual(
    rule: &Rule,
    value: &Value,
    view: &View,
    bytes: &[u8],
    packet: &PacketFacts<'_>,
) -> String {
    if view.is_part()
        && let Some(whole) = whole(value, view, bytes, packet)
    {
        return view.print_whole(&whole, &rule.names);
    }
    let text = || view.print(bytes, &rule.names);
    let Some(mask) = &view.mask else { return text() };
    if view.masked_flags().is_none() {
        let (held, under) = (masked(rule, view, bytes), masked(rule, view, mask));
        return format!("{held} under the mask {under}");
    }
    let under = view.print(mask, &rule.names);
    if bytes.iter().all(|&byte| byte == 0) {
        return format!("none of {under}");
    }
    format!("{} of {under}", text())
}

/// The whole value of which the register holds a part, if the packet is at
/// hand and the part agrees.
fn whole(value: &Value, view: &View, bytes: &[u8], packet: &PacketFacts<'_>) -> Option<Vec<u8>> {
    if value.tunnel.is_some() || value.swapped {
        return None;
    }
    let whole = match &value.source {
        Source::Payload(Payload { base, offset, length }, _) => {
            let length = match view.kind {
                Type::Ipv4 => 4,
                Type::Ipv6 => 16,
                _ => *length as usize,
            };
            let start = *offset as usize;
            packet.header(*base)?.get(start..start.checked_add(length)?)?.to_vec()
        }
        Source::Field(_) if view.kind == Type::CtState => packet.ct_state?.to_ne_bytes().to_vec(),
        _ => return None,
    };
    let part: Vec<u8> = match value.steps.as_slice() {
        [] => whole.clone(),
        [Step::Mask { mask, .. }] => whole.iter().zip(mask).map(|(w, m)| w & m).collect(),
        _ => return None,
    };
    (part.get(..bytes.len()) == Some(bytes)).then_some(whole)
}

/// A comparison of several fields at once, which nft makes of neighbours: the
/// first that differs.
fn adjacent(
    rule: &Rule,
    value: &Value,
    test: &Test<'_>,
    registers: &[u8; REGISTERS_SIZE],
) -> Option<Answer> {
    let Test::One(Comparison::Equal, wanted) = *test else { return None };
    for (range, view) in view::neighbours(value)? {
        let wanted = wanted.get(range.clone())?;
        let bytes = registers.get(value.at + range.start..value.at + range.end)?;
        if wanted != bytes {
            let (condition, wanted) = condition(rule, &view, &Test::One(Comparison::Equal, wanted));
            let actual = view.print(bytes, &rule.names);
            return Some(Answer {
                reason: sentence(&view, &actual),
                condition,
                selector: Some(view.words()),
                wanted: Some(wanted),
                actual: Some(actual),
            });
        }
    }
    None
}

/// A comparison with something that is not known.
fn unknown(register: Register, test: &Test<'_>, registers: &[u8; REGISTERS_SIZE]) -> Answer {
    let (at, length) = (register.offset(), test.length());
    let wanted = match *test {
        Test::One(operation, value) => format!("{}{}", operation.sign(), value::hex(value)),
        Test::Range { inverted, low, high } => {
            let sign = if inverted { "!= " } else { "" };
            format!("{sign}{}-{}", value::hex(low), value::hex(high))
        }
    };
    let actual = registers.get(at..(at + length).min(REGISTERS_SIZE)).map(value::hex);
    let held = actual.clone().unwrap_or_default();
    Answer {
        condition: format!("register at byte {at} {wanted}"),
        reason: format!("it holds {held}, and what that is is not known"),
        selector: None,
        wanted: Some(wanted),
        actual,
    }
}
