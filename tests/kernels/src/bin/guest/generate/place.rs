//! Where a rule can stand and how a packet gets there.
//!
//! Four namespaces: the sender's two devices lead to a router and to a bridge,
//! and behind both stands the destination.
//!
//! ```text
//!   sender s0 ---- r0 router r1 ---- d0 destination
//!          s1 ---- p0 bridge p1 ---- d1
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network namespace of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// Sends nearly everything, and gets the replies.
    Sender,
    /// Forwards between `r0` and `r1`.
    Router,
    /// Has no listener for anything.
    Destination,
    /// Bridges `p0` and `p1`, with an address on the bridge.
    Bridge,
}

impl Node {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sender, Self::Router, Self::Destination, Self::Bridge];

    /// Name, also the last part of the namespace's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Router => "router",
            Self::Destination => "destination",
            Self::Bridge => "bridge",
        }
    }
}

/// A network layer protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// IPv4
    V4,
    /// IPv6
    V6,
    /// ARP
    Arp,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
    /// An echo request of ICMP or ICMPv6
    Icmp,
}

impl Transport {
    /// The word nft uses before `dport`; None where there are no ports.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Tcp => Some("tcp"),
            Self::Udp => Some("udp"),
            Self::Sctp => Some("sctp"),
            Self::Icmp => None,
        }
    }
}

/// The way a packet is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// Frame on `s0` for an address of the router.
    ToRouter,
    /// Frame on `s0` for the destination: the router forwards it.
    Through,
    /// Raw socket in the sender, for the router.
    FromSender,
    /// Raw socket in the router, for the destination.
    FromRouter,
    /// Frame on `s1` for the destination: the bridge forwards it.
    Bridged,
    /// Frame on `s1` for an address of the bridge.
    ToBridge,
    /// Raw socket in the bridge's namespace, for the destination.
    FromBridge,
}

impl Path {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ToRouter,
        Self::Through,
        Self::FromSender,
        Self::FromRouter,
        Self::Bridged,
        Self::ToBridge,
        Self::FromBridge,
    ];

    /// Second byte of 172.N.0.0/16 (and, read as hexadecimal digits, second
    /// group of fd00:N::/32): the namespace that has all its addresses.
    fn destination_net(self) -> u8 {
        match self {
            Self::ToRouter | Self::FromSender => 20,
            Self::Through | Self::FromRouter | Self::Bridged | Self::FromBridge => 21,
            Self::ToBridge => 22,
        }
    }

    /// Replies to the bridge's side come back over the bridge.
    fn source_net(self) -> u8 {
        u8::from(matches!(self, Self::Bridged | Self::ToBridge | Self::FromBridge))
    }

    /// The network protocols that can be sent this way.
    pub fn networks(self) -> &'static [Network] {
        match self {
            Self::ToRouter | Self::Bridged | Self::ToBridge => {
                &[Network::V4, Network::V6, Network::Arp]
            }
            _ => &[Network::V4, Network::V6],
        }
    }

    /// The destination address that stands for `selector`.
    pub fn destination(self, network: Network, selector: u16) -> IpAddr {
        let [high, low] = selector.to_be_bytes();
        let net = self.destination_net();
        if network == Network::V6 {
            let group = u16::from(net / 10 * 16 + net % 10);
            Ipv6Addr::new(0xfd00, group, 0, 0, 0, 0, 0, selector).into()
        } else {
            Ipv4Addr::new(172, net, high, low).into()
        }
    }

    /// The source address that stands for packet number `tag`.
    pub fn source(self, network: Network, tag: u16) -> IpAddr {
        let [high, low] = tag.to_be_bytes();
        let net = self.source_net();
        if network == Network::V6 {
            Ipv6Addr::new(0xfd01, u16::from(net), 0, 0, 0, 0, 0, tag).into()
        } else {
            Ipv4Addr::new(10, net, high, low).into()
        }
    }
}

/// The packet number in an address that [`Path::source`] made.
pub fn tag_of(address: IpAddr) -> Option<u16> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 0 | 1, high, low] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            [0xfd01, 0 | 1, 0, 0, 0, 0, 0, tag] => Some(tag),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_selector_and_tag() {
        let text = |a: IpAddr| a.to_string();
        assert_eq!(text(Path::Through.destination(Network::V4, 0x4e21)), "172.21.78.33");
        assert_eq!(text(Path::Through.destination(Network::V6, 0x4e21)), "fd00:21::4e21");
        assert_eq!(text(Path::Bridged.source(Network::Arp, 258)), "10.1.1.2");
        for path in Path::ALL {
            for network in [Network::V4, Network::V6] {
                assert_eq!(tag_of(path.source(network, 777)), Some(777));
                assert_eq!(tag_of(path.destination(network, 777)), None);
            }
        }
    }
}
