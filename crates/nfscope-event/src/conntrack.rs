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
    /// Address of the `struct nf_conn`: the same for all packets of a
    /// connection while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
    /// Zone.
    pub zone: u16,
    /// The connection's mark.
    pub mark: u32,
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

impl Conntrack {
    /// How the destination of the original direction is mapped, if it is.
    pub fn destination_mapping(&self) -> Option<Mapping> {
        let (o, r) = (self.original.as_ref()?, self.reply.as_ref()?);
        // ICMP has an identifier and a type where others have ports
        let icmp = matches!(o.protocol, 1 | 58);
        let port = if icmp { o.destination_port } else { r.source_port };
        mapping((o.destination, o.destination_port), (r.source, port))
    }

    /// How the source of the original direction is mapped, if it is.
    pub fn source_mapping(&self) -> Option<Mapping> {
        let (o, r) = (self.original.as_ref()?, self.reply.as_ref()?);
        let icmp = matches!(o.protocol, 1 | 58);
        let port = if icmp { o.source_port } else { r.destination_port };
        mapping((o.source, o.source_port), (r.destination, port))
    }
}

fn mapping(from: (IpAddr, u16), to: (IpAddr, u16)) -> Option<Mapping> {
    (from != to).then_some(Mapping { from: from.0, from_port: from.1, to: to.0, to_port: to.1 })
}
