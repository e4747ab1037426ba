//! The base chains of the test: which hook of which namespace, and which
//! packets come by.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Network, Node, Path};
use nfscope_event::Family;

/// What is counted apart: a family, or one of its hooks that has its own code
/// in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// `ip`
    Ip,
    /// `ip6`
    Ip6,
    /// `inet` but for its ingress
    Inet,
    /// `arp`
    Arp,
    /// `bridge`
    Bridge,
    /// `netdev`, ingress
    NetdevIngress,
    /// `netdev`, egress
    NetdevEgress,
    /// `inet`, ingress
    InetIngress,
}

impl Column {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ip,
        Self::Ip6,
        Self::Inet,
        Self::Arp,
        Self::Bridge,
        Self::NetdevIngress,
        Self::NetdevEgress,
        Self::InetIngress,
    ];

    /// Name in the printed table.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetdevIngress => "netdev-ingress",
            Self::NetdevEgress => "netdev-egress",
            Self::InetIngress => "inet-ingress",
            _ => self.family().as_str(),
        }
    }

    /// The tables' family.
    pub fn family(self) -> Family {
        match self {
            Self::Ip => Family::Ip,
            Self::Ip6 => Family::Ip6,
            Self::Inet | Self::InetIngress => Family::Inet,
            Self::Arp => Family::Arp,
            Self::Bridge => Family::Bridge,
            Self::NetdevIngress | Self::NetdevEgress => Family::Netdev,
        }
    }

    /// A hook and a device clause to try the kernel's abilities with.
    pub fn trial(self) -> (&'static str, &'static str) {
        match self {
            Self::NetdevIngress | Self::InetIngress => ("ingress", "device \"lo\""),
            Self::NetdevEgress => ("egress", "device \"lo\""),
            _ => ("input", ""),
        }
    }

    /// The network protocols whose packets come by.
    pub fn networks(self) -> &'static [Network] {
        match self {
            Self::Ip => &[Network::V4],
            Self::Ip6 => &[Network::V6],
            Self::Inet | Self::InetIngress => &[Network::V4, Network::V6],
            Self::Arp => &[Network::Arp],
            Self::Bridge | Self::NetdevIngress | Self::NetdevEgress => {
                &[Network::V4, Network::V6, Network::Arp]
            }
        }
    }
}

/// What the running kernel takes in a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ability {
    /// A base chain at all.
    pub chain: bool,
    /// `reject`
    pub reject: bool,
    /// `queue`
    pub queue: bool,
}

/// The abilities of all columns.
pub type Abilities = BTreeMap<Column, Ability>;

/// What the kernel does not take: `netdev-egress`, `arp:reject`.
pub fn refused(abilities: &Abilities) -> BTreeSet<String> {
    let mut refused = BTreeSet::new();
    for (column, ability) in abilities {
        let name = column.name();
        if !ability.chain {
            refused.insert(name.to_owned());
            continue;
        }
        for (statement, taken) in [("reject", ability.reject), ("queue", ability.queue)] {
            if !taken {
                refused.insert(format!("{name}:{statement}"));
            }
        }
    }
    refused
}

/// A base chain's place, and the traffic that comes by.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// Namespace.
    pub node: Node,
    /// Family.
    pub column: Column,
    /// Hook as nft spells it.
    pub hook: &'static str,
    /// Device of an ingress or egress chain.
    pub device: Option<&'static str>,
    /// Packets that come by on their way out.
    pub paths: &'static [Path],
    /// Packets whose reply (from the address they were sent to) comes by.
    pub replies: &'static [Path],
}

impl Slot {
    /// Whether the hook takes `reject`, if the column does.
    pub fn may_reject(&self) -> bool {
        match self.column {
            Column::Bridge => matches!(self.hook, "prerouting" | "input"),
            _ => self.hook != "postrouting",
        }
    }
}

/// The base chains that the running kernel can have.
pub fn slots(abilities: &Abilities) -> Vec<Slot> {
    use Node::{Bridge as B, Destination as D, Router as R, Sender as S};
    use Path::{Bridged, FromBridge, FromRouter, FromSender, Through, ToBridge, ToRouter};

    let mut slots = Vec::new();
    let mut add = |columns: &[Column], node, hook, device, paths, replies| {
        slots.extend(columns.iter().map(|&column| Slot {
            node,
            column,
            hook,
            device,
            paths,
            replies,
        }));
    };
    let layer3 = &[Column::Ip, Column::Ip6, Column::Inet];
    add(layer3, R, "prerouting", None, &[ToRouter, Through], &[]);
    add(layer3, R, "input", None, &[ToRouter, FromSender], &[]);
    add(layer3, R, "forward", None, &[Through], &[]);
    add(layer3, R, "output", None, &[FromRouter], &[ToRouter]);
    add(layer3, R, "postrouting", None, &[Through], &[ToRouter]);
    add(layer3, S, "output", None, &[FromSender], &[]);
    add(layer3, S, "input", None, &[], &[ToRouter, Through, Bridged]);
    add(layer3, D, "input", None, &[Through, Bridged, FromRouter], &[]);
    add(&[Column::Inet], B, "input", None, &[ToBridge], &[]);
    let bridge = &[Column::Bridge];
    add(bridge, B, "prerouting", None, &[Bridged, ToBridge], &[]);
    add(bridge, B, "input", None, &[ToBridge], &[]);
    add(bridge, B, "forward", None, &[Bridged], &[Bridged]);
    add(bridge, B, "output", None, &[FromBridge], &[ToBridge]);
    add(bridge, B, "postrouting", None, &[Bridged, FromBridge], &[]);
    let arp = &[Column::Arp];
    add(arp, R, "input", None, &[ToRouter], &[]);
    add(arp, B, "input", None, &[ToBridge], &[]);
    add(arp, R, "output", None, &[], &[ToRouter]);
    let ingress = &[Column::NetdevIngress];
    add(ingress, R, "ingress", Some("r0"), &[ToRouter, Through], &[]);
    add(ingress, B, "ingress", Some("p0"), &[Bridged, ToBridge], &[]);
    add(ingress, S, "ingress", Some("s0"), &[], &[ToRouter, Through]);
    let egress = &[Column::NetdevEgress];
    add(egress, R, "egress", Some("r1"), &[Through, FromRouter], &[]);
    add(egress, S, "egress", Some("s1"), &[Bridged, ToBridge], &[]);
    let inet = &[Column::InetIngress];
    add(inet, R, "ingress", Some("r0"), &[ToRouter, Through], &[]);
    add(inet, D, "ingress", Some("d1"), &[Bridged], &[]);

    slots.retain(|slot| abilities.get(&slot.column).is_some_and(|a| a.chain));
    slots
}
