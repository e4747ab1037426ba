//! Sets and maps: `lookup`, `dynset`, and objects from a map.

use super::answer::Answer;
use super::rule::Rule;
use super::track::{Track, Value};
use super::unavailable;
use super::value::{self, Names, Order, Style, Type};
use super::view::{self, View};
use crate::netlink::expr::{Dynset, Kind, REGISTERS_SIZE, Register};
use crate::netlink::{SetContents, Verdict};

/// How many elements of a set that is written in a rule are shown.
const SHOWN: usize = 32;

/// What a set is called in a rule's text; the kernel names those that are
/// written in a rule `__set0` and the like.
pub(super) fn called(name: &str) -> String {
    if name.starts_with("__") { "{ … }".into() } else { format!("@{name}") }
}

/// The key of a set in the registers.
pub(super) struct Key<'a> {
    /// Its values, none if what is there is not known.
    values: Vec<&'a Value>,
    at: usize,
    length: usize,
}

impl<'a> Key<'a> {
    fn new(track: &'a Track, from: Register, set: Option<&SetContents>) -> Self {
        let at = from.offset();
        let known = set.map(|set| set.info.key_length as usize).filter(|length| *length > 0);
        let length = known.or_else(|| track.at(at).map(|value| value.length)).unwrap_or(4);
        let values = track.filling(from, length).unwrap_or_default();
        Self { values, at, length }
    }

    fn words(&self) -> String {
        if self.values.is_empty() {
            return format!("register at byte {}", self.at);
        }
        let words: Vec<String> = self.values.iter().map(|v| view::of(v).words()).collect();
        words.join(" . ")
    }

    /// A key as nft prints it, its fields one behind the other.
    fn print(&self, bytes: &[u8], names: &Names, wanted: bool) -> String {
        if self.values.is_empty() {
            return value::hex(bytes);
        }
        let mut at = 0;
        let fields = self.values.iter().map(|value| {
            let view = view::of(value);
            let end = (at + value.length).min(bytes.len());
            let field = bytes.get(at..end).unwrap_or_default();
            at += value.length.next_multiple_of(4);
            let text =
                if wanted { view.print_wanted(field, names) } else { view.print(field, names) };
            if text.is_empty() && self.values.len() > 1 { "none".into() } else { text }
        });
        fields.collect::<Vec<_>>().join(" . ")
    }

    /// The fields of a range, each with its own.
    fn print_range(&self, low: &[u8], high: &[u8], names: &Names) -> String {
        if self.values.is_empty() {
            return format!("{}-{}", value::hex(low), value::hex(high));
        }
        let mut at = 0;
        let fields = self.values.iter().map(|value| {
            let view = view::of(value);
            let part = |bytes: &[u8]| {
                bytes.get(at..(at + value.length).min(bytes.len())).unwrap_or_default().to_vec()
            };
            let (low, high) = (part(low), part(high));
            at += value.length.next_multiple_of(4);
            range(&view, &low, &high, names)
        });
        fields.collect::<Vec<_>>().join(" . ")
    }

    fn actual(&self, registers: &[u8; REGISTERS_SIZE], names: &Names) -> String {
        let end = (self.at + self.length).min(REGISTERS_SIZE);
        self.print(registers.get(self.at..end).unwrap_or_default(), names, false)
    }
}

/// One field of a range as nft prints it: one value, a prefix, or both ends.
fn range(view: &View, low: &[u8], high: &[u8], names: &Names) -> String {
    if low == high {
        return view.print_wanted(low, names);
    }
    if view.kind == Type::Ifname
        && let Some(length) = low.iter().position(|&byte| byte == 0)
        && low[..length] == high[..length.min(high.len())]
        && high[length..].iter().all(|&byte| byte == 0xff)
    {
        return view.print_wanted(&low[..length], names);
    }
    let numbers = value::number(low, Order::Big).zip(value::number(high, Order::Big));
    if let Some((first, last)) = numbers.filter(|_| view.kind.is_address()) {
        let differing = first ^ last;
        let bits = u128::BITS - differing.leading_zeros();
        let whole = bits < u128::BITS && differing == (1 << bits) - 1 && first & differing == 0;
        if whole {
            let length = low.len() * 8 - bits as usize;
            return format!("{}/{length}", view.print(low, names));
        }
    }
    format!("{}-{}", view.print(low, names), view.print(high, names))
}

/// The set as a rule has it: its name, or its elements.
fn set_text(set: Option<&SetContents>, name: &str, key: &Key<'_>, names: &Names) -> String {
    let Some(set) = set.filter(|set| set.info.anonymous) else { return called(name) };
    let mut shown: Vec<String> = set
        .ranges()
        .take(SHOWN)
        .map(|(element, high)| {
            let text = match high {
                _ if element.catchall => "*".into(),
                Some(high) => key.print_range(&element.key, &high, names),
                None => key.print(&element.key, names, true),
            };
            match &element.verdict {
                Some(verdict) => format!("{text} : {}", verdict_text(verdict)),
                None => text,
            }
        })
        .collect();
    if set.count > shown.len() {
        shown.push("…".into());
    }
    format!("{{ {} }}", shown.join(", "))
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop => "drop".into(),
        Verdict::Accept => "accept".into(),
        Verdict::Continue => "continue".into(),
        Verdict::Return => "return".into(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Queue(number) => format!("queue to {number}"),
        other => format!("{other:?}"),
    }
}

/// How many elements a set has, in brackets.
fn count(set: Option<&SetContents>) -> String {
    match set {
        None => String::new(),
        Some(SetContents { count: 1, more: false, .. }) => " (1 element)".into(),
        Some(SetContents { count, more: false, .. }) => format!(" ({count} elements)"),
        Some(SetContents { count, .. }) => format!(" (more than {count} elements)"),
    }
}

/// The condition that an expression with a set is.
pub(super) fn condition(rule: &Rule, track: &Track, kind: &Kind) -> Option<String> {
    let set = kind.set().and_then(|name| rule.set(name));
    Some(match kind {
        Kind::Lookup { set: name, from, to, inverted } => {
            let key = Key::new(track, *from, set);
            let text = set_text(set, name, &key, &rule.names);
            let how = match to {
                Some(to) if *to == Register::VERDICT => "vmap ",
                Some(_) => "map ",
                None if *inverted => "!= ",
                None => "",
            };
            format!("{} {how}{text}", key.words())
        }
        Kind::ObjrefMap { set: name, from } => {
            let key = Key::new(track, *from, set);
            format!("{} map {}", key.words(), set_text(set, name, &key, &rule.names))
        }
        Kind::Dynset(dynset) => change(track, dynset, set, rule.names.style),
        _ => return None,
    })
}

/// A change of a set as nft writes it.
fn change(track: &Track, dynset: &Dynset, set: Option<&SetContents>, style: Style) -> String {
    let operation = match dynset.operation {
        0 => "add",
        1 => "update",
        _ => "delete",
    };
    let key = Key::new(track, dynset.key, set);
    let timeout = dynset.timeout.map(|ms| {
        format!(" timeout {}", Type::Milliseconds.print_number(ms.into(), &Names::default()))
    });
    let mut inside = format!("{}{}", key.words(), timeout.unwrap_or_default());
    for expr in &dynset.expressions {
        inside.push(' ');
        inside
            .push_str(&unavailable::words(&expr.kind, style).unwrap_or_else(|| expr.name.clone()));
    }
    format!("{operation} {} {{ {inside} }}", called(&dynset.set))
}

/// Why an expression with a set did not let the rule go on.
pub(super) fn explain(
    rule: &Rule,
    track: &Track,
    kind: &Kind,
    registers: &[u8; REGISTERS_SIZE],
) -> Option<Answer> {
    let condition = condition(rule, track, kind)?;
    let name = kind.set()?;
    let set = rule.set(name);
    let (from, what) = match kind {
        Kind::Lookup { from, to: Some(_), .. } | Kind::ObjrefMap { from, .. } => (*from, "map"),
        Kind::Lookup { from, .. } => (*from, "set"),
        Kind::Dynset(dynset) => (dynset.key, "set"),
        _ => return None,
    };
    let key = Key::new(track, from, set);
    let actual = key.actual(registers, &rule.names);
    let reason = match kind {
        Kind::Dynset(dynset) if dynset.inverted => format!("{actual} could be added"),
        Kind::Dynset(dynset) if dynset.expressions.is_empty() => {
            format!("{actual} could not be added: the set is full{}", count(set))
        }
        Kind::Dynset(_) => {
            format!("{actual} is beyond its limit, or could not be added: the set is full")
        }
        Kind::ObjrefMap { .. } => {
            format!("{actual} is not in the map{}, or its object did not let it pass", count(set))
        }
        Kind::Lookup { inverted: true, .. } => {
            format!("{actual} is in the {what}{}", count(set.filter(|set| !set.info.anonymous)))
        }
        _ if set.is_some_and(|set| set.stateful) => format!(
            "{actual} is not in the {what}{}, or its element's limit is exceeded",
            count(set)
        ),
        _ if set.is_some_and(|set| set.info.anonymous) => match key.values.as_slice() {
            [one] => super::compare::sentence(&view::of(one), &actual),
            _ => format!("packet has {actual}"),
        },
        _ => format!("{actual} is not in the {what}{}", count(set)),
    };
    let wanted = set_text(set, name, &key, &rule.names);
    let selector = Some(key.words());
    Some(Answer { condition, reason, selector, wanted: Some(wanted), actual: Some(actual) })
}
