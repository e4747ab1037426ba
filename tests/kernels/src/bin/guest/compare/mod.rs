//! Who dropped which packet, as two witnesses tell it, and where they differ.

mod report;

pub use report::{compare_counters, count, print_difference};

use crate::generate::place::{Node, tag_of};
use nfscope_event::{Family, NftVerdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// A packet: which one, and in which namespace it was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketKey {
    /// Number of the planned packet; 0 for traffic that nobody planned.
    pub tag: u16,
    /// Whether it is not the packet itself but a reply to it.
    pub reply: bool,
    /// Namespace.
    pub node: Node,
}

impl PacketKey {
    /// From the source and destination address (ARP: sender and target).
    pub fn new(node: Node, addresses: Option<(IpAddr, IpAddr)>) -> Self {
        let (tag, reply) = match addresses.map(|(s, d)| (tag_of(s), tag_of(d))) {
            Some((Some(tag), _)) => (tag, false),
            Some((None, Some(tag))) => (tag, true),
            _ => (0, false),
        };
        Self { tag, reply, node }
    }
}

impl fmt::Display for PacketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.reply { "reply to packet" } else { "packet" };
        write!(f, "{what} {} in the {}", self.tag, self.node.name())
    }
}

/// What ended a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A rule, by handle.
    Rule(u64, NftVerdict),
    /// The chain's policy.
    Policy,
    /// No rule is named, though netfilter dropped it.
    Unattributed(String),
}

/// A decision, and where it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Family, table and chain; none if unattributed.
    pub place: Option<(Family, String, String)>,
    /// What ended the packet.
    pub outcome: Outcome,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((family, table, chain)) = &self.place {
            write!(f, "{family} {table} {chain} ")?;
        }
        match &self.outcome {
            Outcome::Rule(handle, verdict) => write!(f, "handle {handle} {verdict:?}"),
            Outcome::Policy => write!(f, "policy"),
            Outcome::Unattributed(what) => write!(f, "no rule ({what})"),
        }
    }
}

/// All drops that a witness saw. A packet may be dropped more than once: its
/// kernel replies have no number of their own.
pub type Drops = BTreeMap<PacketKey, Vec<Decision>>;

/// A packet about which the witnesses differ.
pub struct Difference {
    /// The packet.
    pub packet: PacketKey,
    /// What only the first witness said.
    pub missing: Vec<Decision>,
    /// What only the second witness said.
    pub extra: Vec<Decision>,
}

impl Difference {
    /// What differs, in a few words, to tell many differences by few causes.
    pub fn class(&self) -> String {
        let (Some(missing), Some(extra)) = (self.missing.first(), self.extra.first()) else {
            let (word, list) = if self.extra.is_empty() {
                ("missing", &self.missing)
            } else {
                ("extra", &self.extra)
            };
            return format!("{word} {}", list.first().map(Decision::kind).unwrap_or_default());
        };
        let mut fields = Vec::new();
        if let (Some(expected), Some(seen)) = (&missing.place, &extra.place) {
            let differ = [expected.0 != seen.0, expected.1 != seen.1, expected.2 != seen.2];
            let names = ["family", "table", "chain"];
            fields.extend(names.into_iter().zip(differ).filter(|(_, d)| *d).map(|(name, _)| name));
        }
        if let (Outcome::Rule(expected, _), Outcome::Rule(seen, _)) =
            (&missing.outcome, &extra.outcome)
        {
            fields.extend((expected != seen).then_some("handle"));
        }
        format!("{} for {} {}", extra.kind(), missing.kind(), fields.join(", "))
    }
}

impl Decision {
    /// Family and kind.
    fn kind(&self) -> String {
        let family = self.place.as_ref().map_or("", |(family, ..)| family.as_str());
        match &self.outcome {
            Outcome::Rule(_, verdict) => format!("{family} {verdict:?}"),
            Outcome::Policy => format!("{family} Policy"),
            Outcome::Unattributed(_) => "no rule".to_owned(),
        }
    }
}

/// Compares packet by packet, whatever the order.
pub fn differences(expected: &Drops, seen: &Drops) -> Vec<Difference> {
    let packets: BTreeSet<PacketKey> = expected.keys().chain(seen.keys()).copied().collect();
    let compare = |packet| {
        let mut missing = expected.get(&packet).cloned().unwrap_or_default();
        let mut extra = Vec::new();
        for decision in seen.get(&packet).into_iter().flatten() {
            match missing.iter().position(|m| m == decision) {
                Some(index) => drop(missing.swap_remove(index)),
                None => extra.push(decision.clone()),
            }
        }
        let differs = !missing.is_empty() || !extra.is_empty();
        differs.then_some(Difference { packet, missing, extra })
    };
    packets.into_iter().filter_map(compare).collect()
}

/// A way to spoil what the second witness said.
#[derive(Debug, Clone, Copy)]
pub enum Falsification {
    /// One handle is greater by one.
    Handle,
    /// One drop is left out.
    Missing,
    /// One drop is there twice.
    Extra,
}

impl Falsification {
    /// Spoils one drop in the middle. Says whether there was one to spoil.
    pub fn apply(self, drops: &mut Drops) -> bool {
        let by_rule =
            |list: &&mut Vec<Decision>| list.iter().any(|d| matches!(d.outcome, Outcome::Rule(..)));
        let middle = drops.len() / 2;
        let Some(list) = drops.values_mut().skip(middle).find(by_rule) else { return false };
        let Some(index) = list.iter().position(|d| matches!(d.outcome, Outcome::Rule(..))) else {
            return false;
        };
        match self {
            Self::Handle => {
                if let Outcome::Rule(handle, _) = &mut list[index].outcome {
                    *handle += 1;
                }
            }
            Self::Missing => drop(list.remove(index)),
            Self::Extra => list.push(list[index].clone()),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops() -> Drops {
        let decision = |handle| Decision {
            place: Some((Family::Ip, "filter".into(), "input".into())),
            outcome: Outcome::Rule(handle, NftVerdict::Drop),
        };
        let packet = |tag| PacketKey { tag, reply: false, node: Node::Router };
        [(packet(1), vec![decision(4)]), (packet(2), vec![decision(5), decision(6)])].into()
    }

    #[test]
    fn the_same_in_another_order_is_the_same() {
        let mut other = drops();
        other.values_mut().for_each(|list| list.reverse());
        assert!(differences(&drops(), &other).is_empty());
    }

    #[test]
    fn every_falsification_is_found() {
        for falsification in [Falsification::Handle, Falsification::Missing, Falsification::Extra] {
            let mut other = drops();
            assert!(falsification.apply(&mut other));
            assert_eq!(differences(&drops(), &other).len(), 1, "{falsification:?}");
        }
    }
}
