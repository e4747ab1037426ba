//! The part of a rule that x_tables compares itself: `ip_packet_match` of
//! `net/ipv4/netfilter/ip_tables.c`, `ip6_packet_match` of
//! `net/ipv6/netfilter/ip6_tables.c`.

use super::super::header::{Condition, Part, protocol_name};
use super::super::print::show_address;
use super::super::table::Rule;
use super::super::uapi::{Family, INTERFACE, u16_at};
use super::changes::Changes;
use super::outcome::{Compared, Failure, Outcome};
use super::packet::Packet;

/// `IP6T_F_PROTO`
const ASKS_PROTOCOL: u8 = 1;

/// Whether a comparison holds.
pub(super) fn evaluate(
    family: Family,
    rule: &Rule,
    condition: &Condition,
    packet: &Packet,
    changed: Changes,
) -> Outcome {
    let holds = match condition.part {
        Part::Input => device(family, rule, 0, packet.input.as_deref()),
        Part::Output => device(family, rule, 1, packet.output.as_deref()),
        // a number without the flag is not looked at
        Part::Protocol if family == Family::Ipv6 && !asks_protocol(family, rule) => {
            return Outcome::Matches;
        }
        _ if changed.contains(Changes::ADDRESSES) => None,
        Part::Source => address(family, rule, 0, packet),
        Part::Destination => address(family, rule, 1, packet),
        Part::Protocol => packet.transport(family).and_then(|transport| {
            let wanted = u16_at(&rule.header, family.layout().protocol)?;
            let actual = u16::from(transport.protocol);
            Some((wanted == actual, protocol_name(actual)))
        }),
        Part::Fragment => return fragment(condition, packet),
    };
    let Some((equal, actual)) = holds else { return Outcome::Unknown };
    let Condition { inverted, value, .. } = condition;
    let none = actual.is_empty();
    let outcome = Compared {
        option: condition.part.option().into(),
        inverted: *inverted,
        wanted: value.clone(),
        actual,
    };
    match outcome.outcome(equal) {
        Outcome::Fails(failure) if none => Outcome::Fails(Failure {
            actual: None,
            reason: "the hook has no such device".into(),
            ..failure
        }),
        outcome => outcome,
    }
}

/// Whether a rule asks for the protocol without a value: the kernel then only
/// finds out whether there is one.
pub(super) fn asks_for_any_protocol(family: Family, rule: &Rule) -> bool {
    family == Family::Ipv6
        && asks_protocol(family, rule)
        && u16_at(&rule.header, family.layout().protocol) == Some(0)
}

fn asks_protocol(family: Family, rule: &Rule) -> bool {
    let flags = rule.header.get(family.layout().flags).copied().unwrap_or(0);
    flags & ASKS_PROTOCOL != 0
}

/// Number 0 is the source.
fn address(family: Family, rule: &Rule, n: usize, packet: &Packet) -> Option<(bool, String)> {
    let len = family.layout().address;
    let wanted = rule.header.get(n * len..(n + 1) * len)?;
    let mask = rule.header.get((n + 2) * len..(n + 3) * len)?;
    let actual = packet.addresses(family)?[n];
    let equal = actual.iter().zip(mask).zip(wanted).all(|((a, m), w)| a & m == *w);
    Some((equal, show_address(actual)))
}

/// Number 0 is the input; without a device the kernel compares with an empty name.
fn device(family: Family, rule: &Rule, n: usize, name: Option<&str>) -> Option<(bool, String)> {
    let name = name.unwrap_or_default();
    let mut padded = [0; INTERFACE];
    // a name that is no text was not recorded as it is
    if name.contains(char::REPLACEMENT_CHARACTER) || name.len() >= INTERFACE {
        return None;
    }
    padded[..name.len()].copy_from_slice(name.as_bytes());
    let at = family.layout().input + n * INTERFACE;
    let wanted = rule.header.get(at..at + INTERFACE)?;
    let mask = rule.header.get(at + 2 * INTERFACE..at + 3 * INTERFACE)?;
    let equal = padded.iter().zip(wanted).zip(mask).all(|((a, w), m)| (a ^ w) & m == 0);
    Some((equal, name.to_owned()))
}

/// IPv4 alone has it.
fn fragment(condition: &Condition, packet: &Packet) -> Outcome {
    let Some(word) = packet.word(6) else { return Outcome::Unknown };
    let is_rest = word & 0x1fff != 0;
    if is_rest != condition.inverted {
        return Outcome::Matches;
    }
    let is = if is_rest { "is one behind the first" } else { "is no fragment, or the first" };
    Outcome::Fails(Failure {
        condition: condition.text(),
        wanted: None,
        actual: None,
        reason: format!("packet {is}"),
    })
}
