//! The part of an entry that x_tables itself compares with a packet
//! (`ip_packet_match`, `ip6_packet_match`), in iptables' words.

use super::print::{show_address, show_mask};
use super::table::Rule;
use super::uapi::{Family, INTERFACE, inverted, name_at, u16_at};

/// Names of protocols that iptables prints (`/etc/protocols`).
const PROTOCOLS: [(u16, &str); 10] = [
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (132, "sctp"),
    (136, "udplite"),
];

/// What is compared, in the kernel's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Source,
    Destination,
    Input,
    Output,
    Protocol,
    Fragment,
}

/// A comparison that a rule has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub part: Part,
    pub inverted: bool,
    /// What is wanted, as it stands behind the option; empty for `-f`.
    pub value: String,
}

impl Part {
    pub fn option(self) -> &'static str {
        match self {
            Self::Source => "-s",
            Self::Destination => "-d",
            Self::Input => "-i",
            Self::Output => "-o",
            Self::Protocol => "-p",
            Self::Fragment => "-f",
        }
    }

    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Input => "in_interface",
            Self::Output => "out_interface",
            Self::Protocol => "protocol",
            Self::Fragment => "fragment",
        }
    }
}

impl Condition {
    /// `! -s 10.0.0.0/8`
    pub fn text(&self) -> String {
        let not = if self.inverted { "! " } else { "" };
        let space = if self.value.is_empty() { "" } else { " " };
        format!("{not}{}{space}{}", self.part.option(), self.value)
    }
}

/// A protocol as iptables calls it.
pub(super) fn protocol_name(number: u16) -> String {
    let known = PROTOCOLS.iter().find(|(n, _)| *n == number);
    known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The comparisons of a rule of IPv4 or IPv6.
pub(super) fn conditions(family: Family, rule: &Rule) -> Vec<Condition> {
    let layout = family.layout();
    let bytes = &rule.header;
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let is = |bit: u8| byte(layout.inverted) & bit != 0;
    let len = layout.address;
    let field = |at: usize, len: usize| bytes.get(at..at + len).unwrap_or_default();
    let mut all = Vec::new();
    for (n, part, bit) in
        [(0, Part::Source, inverted::SOURCE), (1, Part::Destination, inverted::DESTINATION)]
    {
        let (address, mask) = (field(n * len, len), field((n + 2) * len, len));
        if mask.iter().any(|b| *b != 0) || is(bit) {
            let value = format!("{}/{}", show_address(address), show_mask(mask));
            all.push(Condition { part, inverted: is(bit), value });
        }
    }
    for (n, part, bit) in [(0, Part::Input, inverted::INPUT), (1, Part::Output, inverted::OUTPUT)] {
        let mask = field(layout.input + (n + 2) * INTERFACE, INTERFACE);
        let covered = mask.iter().take_while(|b| **b != 0).count();
        if covered == 0 && !is(bit) {
            continue;
        }
        let name = name_at(bytes, layout.input + n * INTERFACE, INTERFACE).unwrap_or_default();
        // a mask that ends before the name's end mark: any name that begins so;
        // iptables keeps the sign in the name
        let any = if covered <= name.len() && !name.ends_with('+') { "+" } else { "" };
        all.push(Condition { part, inverted: is(bit), value: format!("{name}{any}") });
    }
    let protocol = u16_at(bytes, layout.protocol).unwrap_or(0);
    if protocol != 0 {
        let inverted = is(inverted::PROTOCOL);
        all.push(Condition { part: Part::Protocol, inverted, value: protocol_name(protocol) });
    }
    if layout.fragment.is_some_and(|bit| byte(layout.flags) & bit != 0) {
        let inverted = is(inverted::FRAGMENT);
        all.push(Condition { part: Part::Fragment, inverted, value: String::new() });
    }
    all
}
