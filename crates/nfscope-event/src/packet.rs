//! The packet and where it was.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Netns {
    /// Inode number, as `lsns` and `/proc/PID/ns/net` show it; 0: unknown.
    pub inode: u32,
    /// Name under `/run/netns`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Interface index in its namespace.
    pub index: u32,
    /// Name at the time of the event.
    pub name: String,
}

/// The process in whose context something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id (`tgid`) in the initial pid namespace.
    pub pid: u32,
    /// Command name (`comm`), as the kernel has it: may hold any bytes but 0,
    /// shown lossily as UTF-8. Sinks escape it.
    pub command: String,
}

/// A packet's headers, as far as they could be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// Address of the `struct sk_buff`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skb: Option<u64>,
    /// Length in bytes that the kernel counts (`skb->len`), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// `skb->mark`.
    pub mark: u32,
    /// Link layer protocol number (`skb->protocol`), 0x0800 for IPv4.
    pub ethertype: u16,
    /// Link layer addresses, if the packet has a link header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// VLAN tags, outermost first; offloaded ones included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlan: Vec<Vlan>,
    /// ARP body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arp: Option<Arp>,
    /// IPv4 or IPv6 header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ip>,
    /// Transport header (none in later fragments, or when cut off).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The bytes that were captured, from the link header (or, without one,
    /// from the network header) on. Not in JSON.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// Ethernet addresses, `aa:bb:cc:dd:ee:ff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Source.
    pub source: String,
    /// Destination.
    pub destination: String,
}

/// A VLAN tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// VLAN id.
    pub id: u16,
    /// Priority code point.
    pub priority: u8,
    /// Tag protocol: 0x8100 or 0x88a8.
    pub protocol: u16,
}

/// An ARP request or reply for IPv4 over Ethernet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Sender's protocol address.
    pub sender: IpAddr,
    /// Sender's hardware address.
    pub sender_mac: String,
    /// Target's protocol address.
    pub target: IpAddr,
}

/// An IPv4 or IPv6 header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Transport protocol number, behind IPv6 extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification, or that of an IPv6 fragment header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Total length that the header says, header included.
    pub length: u32,
    /// Fragment offset in bytes, if this is a fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment_offset: Option<u16>,
    /// IPv6 extension header numbers in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<u8>,
}

/// Source and destination port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// The transport header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Ports),
    /// SCTP.
    Sctp(Ports),
    /// ICMP.
    Icmp(Icmp),
    /// ICMPv6.
    Icmpv6(Icmp),
}

/// A TCP header. Behind the ports everything may be cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// Ports.
    #[serde(flatten)]
    pub ports: Ports,
    /// Flags as tcpdump writes them: `S`, `S.`, `F.`, `R`, `P.`, `.`, `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// Sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// Acknowledgement number (set even where the flags say that it has no
    /// meaning).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<u32>,
    /// Window, unscaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u16>,
}

/// An ICMP or ICMPv6 header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icmp {
    /// Type number.
    #[serde(rename = "icmp_type")]
    pub kind: u8,
    /// Code number.
    pub code: u8,
    /// Identifier of an echo message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// Sequence number of an echo message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u16>,
}
