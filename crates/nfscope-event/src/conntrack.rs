//! Connections, as conntrack has them.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A packet's connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conntrack {
    /// What the packet is to it: `new`, `established`, `related`, `untracked`;
    /// a number that has no name here as it is.
    pub state: String,
    /// Whether the packet goes against the direction in which it began.
    pub is_reply: bool,
    /// The entry's id, as `conntrack -L -o id` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Address of the `struct nf_conn`: the same for all packets of a
    /// connection while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
    /// Zone.
    pub zone: u16,
    /// The connection's mark.
    pub mark: u32,
    /// What NAT makes of this packet's source, or has made of it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_nat: Option<Mapping>,
    /// The same of its destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_nat: Option<Mapping>,
    /// The direction in which it began, before any mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Tuple>,
    /// What is expected in answer: the mapping is the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Tuple>,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuple {
    /// Transport protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: IpAddr,
    /// Source port; the identifier of ICMP.
    pub source_port: u16,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port; type and code of ICMP.
    pub destination_port: u16,
}

/// An address and port before and behind a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Address before.
    pub from: IpAddr,
    /// Port before.
    pub from_port: u16,
    /// Address behind.
    pub to: IpAddr,
    /// Port behind.
    pub to_port: u16,
}

/// What NAT makes of a packet: the mapping of its source, that of its
/// destination.
pub type Mappings = (Option<Mapping>, Option<Mapping>);

impl Conntrack {
    /// How the connection's packets of a direction are mapped, by its tuples.
    pub fn mappings(&self, of_reply: bool) -> Mappings {
        let (Some(o), Some(r)) = (self.original.as_ref(), self.reply.as_ref()) else {
            return (None, None);
        };
        // packets go from one of these to what answers the other
        let (from, to) = if of_reply { (r, o) } else { (o, r) };
        // ICMP has an identifier, and type and code, where others have ports
        let icmp = matches!(o.protocol, 1 | 58);
        let ports = if icmp {
            (to.source_port, from.destination_port)
        } else {
            (to.destination_port, to.source_port)
        };
        (
            mapping((from.source, from.source_port), (to.destination, ports.0)),
            mapping((from.destination, from.destination_port), (to.source, ports.1)),
        )
    }
}

fn mapping(from: (IpAddr, u16), to: (IpAddr, u16)) -> Option<Mapping> {
    (from != to).then_some(Mapping { from: from.0, from_port: from.1, to: to.0, to_port: to.1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(protocol: u8, source: (u8, u16), destination: (u8, u16)) -> Option<Tuple> {
        let address = |last: u8| [10, 0, 0, last].into();
        Some(Tuple {
            protocol,
            source: address(source.0),
            source_port: source.1,
            destination: address(destination.0),
            destination_port: destination.1,
        })
    }

    fn connection(original: Option<Tuple>, reply: Option<Tuple>) -> Conntrack {
        Conntrack {
            state: "established".into(),
            is_reply: false,
            id: None,
            address: None,
            zone: 0,
            mark: 0,
            source_nat: None,
            destination_nat: None,
            original,
            reply,
        }
    }

    fn ends(mapping: Option<Mapping>) -> Option<[String; 2]> {
        let m = mapping?;
        let end = |address: IpAddr, port| format!("{address}.{port}");
        Some([end(m.from, m.from_port), end(m.to, m.to_port)])
    }

    #[test]
    fn replies_are_mapped_back() {
        // 1.4000 > 254.80 becomes 253.4001 > 2.8080
        let both = connection(tuple(6, (1, 4000), (254, 80)), tuple(6, (2, 8080), (253, 4001)));
        let (source, destination) = both.mappings(false);
        assert_eq!(ends(source).unwrap(), ["10.0.0.1.4000", "10.0.0.253.4001"]);
        assert_eq!(ends(destination).unwrap(), ["10.0.0.254.80", "10.0.0.2.8080"]);
        let (source, destination) = both.mappings(true);
        assert_eq!(ends(source).unwrap(), ["10.0.0.2.8080", "10.0.0.254.80"]);
        assert_eq!(ends(destination).unwrap(), ["10.0.0.253.4001", "10.0.0.1.4000"]);
    }

    #[test]
    fn identifiers_are_no_destination_ports() {
        // an echo request from 1 to 2, masqueraded as 254 with another identifier
        let echo = connection(tuple(1, (1, 7), (2, 0x0800)), tuple(1, (2, 9), (254, 0)));
        let (source, destination) = echo.mappings(false);
        assert_eq!(ends(source).unwrap(), ["10.0.0.1.7", "10.0.0.254.9"]);
        assert_eq!(destination, None);
        let (source, destination) = echo.mappings(true);
        assert_eq!(ends(destination).unwrap(), ["10.0.0.254.0", "10.0.0.1.0"]);
        assert_eq!(ends(source).unwrap(), ["10.0.0.2.9", "10.0.0.2.7"], "the identifier goes back");
    }
}
