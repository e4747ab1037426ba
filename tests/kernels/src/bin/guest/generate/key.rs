//! What a rule looks at: one address or port number that nothing else has.

use super::place::{Network, Path, Transport};

/// The field of the packet that holds the selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The address of the destination (of the request).
    Address,
    /// The destination port (of the request).
    Port(Transport),
}

/// A field of the packets of one path, and the numbers that select in it.
#[derive(Debug, Clone)]
pub struct Key {
    /// How the packets are sent.
    pub path: Path,
    /// Their network protocol.
    pub network: Network,
    /// Whether the rule is for the replies: then source and destination are
    /// swapped.
    pub reply: bool,
    /// The field.
    pub field: Field,
    /// The selectors: consecutive numbers, so that they also make a range.
    pub selectors: Vec<u16>,
}

impl Key {
    /// The expression in nft's language: `ip daddr`.
    pub fn expression(&self) -> String {
        let (address, port) = if self.reply { ("saddr", "sport") } else { ("daddr", "dport") };
        match (self.field, self.network) {
            (Field::Port(transport), _) => {
                format!("{} {port}", transport.word().unwrap_or("th"))
            }
            (Field::Address, Network::V4) => format!("ip {address}"),
            (Field::Address, Network::V6) => format!("ip6 {address}"),
            (Field::Address, Network::Arp) => format!("arp {address} ip"),
        }
    }

    /// The type of a set of such values.
    pub fn set_type(&self) -> &'static str {
        match (self.field, self.network) {
            (Field::Port(_), _) => "inet_service",
            (Field::Address, Network::V6) => "ipv6_addr",
            (Field::Address, _) => "ipv4_addr",
        }
    }

    /// The value of one selector.
    pub fn value(&self, selector: u16) -> String {
        match self.field {
            Field::Port(_) => selector.to_string(),
            Field::Address => self.path.destination(self.network, selector).to_string(),
        }
    }

    /// `VALUE-VALUE` from the first to the last of `selectors`.
    pub fn range(&self, selectors: &[u16]) -> String {
        let ends = [selectors.first(), selectors.last()];
        ends.map(|end| end.map(|s| self.value(*s)).unwrap_or_default()).join("-")
    }

    /// All values as the elements of a set: `{ a, b }`.
    pub fn set(&self) -> String {
        let values: Vec<String> = self.selectors.iter().map(|s| self.value(*s)).collect();
        format!("{{ {} }}", values.join(", "))
    }

    /// The match of a packet with any of the selectors.
    pub fn matches(&self) -> String {
        match self.selectors.as_slice() {
            [only] => format!("{} {}", self.expression(), self.value(*only)),
            _ => format!("{} {}", self.expression(), self.set()),
        }
    }
}
