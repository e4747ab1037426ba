//! The condition that an expression stands for in the rule's text.

use super::compare::{self, Test};
use super::headers::{ETH_P_IP, ETH_P_IPV6, base};
use super::rule::Rule;
use super::sets;
use super::track::{self, Layer, Track};
use super::unavailable;
use crate::netlink::expr::{Comparison, ExthdrKind, Kind, Payload};

/// The key of `meta l4proto`.
const L4PROTO: u32 = 16;
/// The key of `meta iiftype`, and of `meta oiftype`.
const IFTYPES: [u32; 2] = [8, 9];
/// Transport protocols that are of one network protocol, so that nft tests
/// for that by itself.
const OF_IPV4: [u16; 2] = [1, 2];
const OF_IPV6: [u16; 1] = [58];

/// The condition of a comparison, a lookup, or what stands for itself.
pub(super) fn of(rule: &Rule, index: usize) -> Option<String> {
    let kind = &rule.expressions.get(index)?.kind;
    let track = Track::after(rule.family, &rule.expressions[..index]);
    if let Some((register, test)) = Test::of(rule, index) {
        return compare::condition_of(rule, track.at(register.offset())?, &test);
    }
    sets::condition(rule, &track, kind).or_else(|| unavailable::words(kind, rule.names.style))
}

/// The condition for which an expression loads something: that of the next
/// comparison or lookup, if nothing else takes it before.
pub(super) fn fed_by(rule: &Rule, index: usize) -> Option<String> {
    let rest = rule.expressions.get(index + 1..)?;
    let taken = |kind: &Kind| decides(kind) || takes(kind);
    let next = index + 1 + rest.iter().position(|expr| taken(&expr.kind))?;
    if takes(&rule.expressions.get(next)?.kind) {
        return None;
    }
    implied(rule, next).or_else(|| of(rule, next))
}

/// If a comparison is not in the rule's text, but was put there by nft for the
/// sake of the condition behind it: that condition. `tcp dport 80` first tests
/// for tcp.
pub(super) fn implied(rule: &Rule, index: usize) -> Option<String> {
    let Kind::Cmp(register, Comparison::Equal, wanted) = &rule.expressions.get(index)?.kind else {
        return None;
    };
    let track = Track::after(rule.family, &rule.expressions[..index]);
    let value = track.at(register.offset()).filter(|value| value.steps.is_empty())?;
    let layer = track::protocol(value, wanted);
    let needed = match layer {
        Some((Layer::Transport, _)) => loaded_next(rule, index + 1).any(|kind| {
            matches!(
                kind,
                Kind::Payload(Payload { base: base::TRANSPORT, .. }, _)
                    | Kind::Exthdr { what: ExthdrKind::Tcp, .. }
            )
        }),
        Some((Layer::Network, number)) => {
            // A test of the transport protocol may stand between.
            let transport = matches!(
                rule.expressions.get(index + 1).map(|expr| &expr.kind),
                Some(Kind::Meta(L4PROTO, _))
            );
            let next = if transport { index + 3 } else { index + 1 };
            (transport && of_network(rule, index + 2, number))
                || loaded_next(rule, next).any(|kind| match kind {
                    Kind::Payload(Payload { base: base::NETWORK, .. }, _) => true,
                    // Behind a VLAN's tag.
                    Kind::Payload(Payload { base: base::LINK, offset, .. }, _) => *offset >= 14,
                    Kind::Exthdr { what: ExthdrKind::Ipv6, .. } => number == ETH_P_IPV6,
                    Kind::Exthdr { what: ExthdrKind::Ipv4, .. } => number == ETH_P_IP,
                    _ => false,
                })
        }
        None => {
            let loaded = index.checked_sub(1).and_then(|at| rule.expressions.get(at));
            matches!(loaded.map(|expr| &expr.kind), Some(Kind::Meta(key, _)) if IFTYPES.contains(key))
                && loaded_next(rule, index + 1)
                    .any(|kind| matches!(kind, Kind::Payload(Payload { base: base::LINK, .. }, _)))
        }
    };
    needed.then(|| fed_by(rule, index)).flatten()
}

/// What the expressions from there on load, up to the next that decides.
fn loaded_next(rule: &Rule, from: usize) -> impl Iterator<Item = &Kind> {
    let rest = rule.expressions.get(from..).unwrap_or_default();
    rest.iter().map(|expr| &expr.kind).take_while(|kind| !decides(kind))
}

/// Whether an expression compares, or looks something up.
fn decides(kind: &Kind) -> bool {
    matches!(kind, Kind::Cmp(..) | Kind::Range { .. }) || kind.set().is_some()
}

/// Whether an expression takes registers to do something with them.
fn takes(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::MetaSet(..)
            | Kind::CtSet { .. }
            | Kind::PayloadSet(..)
            | Kind::ExthdrSet { .. }
            | Kind::Nat { .. }
            | Kind::Masq(_)
            | Kind::Redir(_)
            | Kind::Queue(_)
            | Kind::Tproxy { .. }
            | Kind::Dup { .. }
            | Kind::Fwd { .. }
    )
}

/// Whether a comparison is with a transport protocol that only that network
/// protocol has.
fn of_network(rule: &Rule, index: usize, network: u16) -> bool {
    let Some(Kind::Cmp(_, Comparison::Equal, wanted)) =
        rule.expressions.get(index).map(|expr| &expr.kind)
    else {
        return false;
    };
    let [transport] = wanted.as_slice() else { return false };
    let only = match network {
        ETH_P_IP => OF_IPV4.as_slice(),
        ETH_P_IPV6 => OF_IPV6.as_slice(),
        _ => return false,
    };
    only.contains(&u16::from(*transport))
}
