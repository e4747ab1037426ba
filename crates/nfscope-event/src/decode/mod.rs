//! Captured bytes to a [`Packet`]'s headers. Pure: no I/O, no allocation
//! beyond the result, no panic whatever the bytes are.
//!
//! Dropped packets are often broken or cut short, and the broken header is
//! then the very thing to see. So each layer is read by itself and as far as
//! the bytes reach, with no check that does not decide how to read on: a wrong
//! checksum or length is no reason to hide an address.

mod bytes;
mod link;
mod network;
mod transport;

pub(crate) use transport::flags as tcp_flags;

use crate::{Arp, Ip, Link, Packet, Transport, Vlan};

/// A VLAN tag that is not in the bytes but in the skb (`skb->vlan_proto`,
/// `skb->vlan_tci`, valid when `skb->vlan_all` says that a tag is present).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffloadedVlan {
    /// Tag protocol in host order, 0x8100 or 0x88a8.
    pub protocol: u16,
    /// Tag control information in host order: priority 3 bits, drop eligible
    /// 1 bit, id 12 bits.
    pub tci: u16,
}

/// What was captured of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// `skb->protocol` in host order. It says what the network header is when
    /// there is no link header; with one, the header's own type is used.
    pub ethertype: u16,
    /// `bytes` start with an Ethernet header; otherwise with the network
    /// header.
    pub has_link: bool,
    /// The bytes, cut off anywhere.
    pub bytes: &'a [u8],
    /// The VLAN tag kept in the skb, the outermost one.
    pub offloaded_vlan: Option<OffloadedVlan>,
}

/// The headers found in a [`Frame`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Ethernet addresses.
    pub link: Option<Link>,
    /// VLAN tags, outermost first.
    pub vlan: Vec<Vlan>,
    /// ARP body.
    pub arp: Option<Arp>,
    /// IP header.
    pub ip: Option<Ip>,
    /// Transport header.
    pub transport: Option<Transport>,
}

/// Reads the headers of a frame. What the bytes do not hold is `None`.
pub fn headers(frame: &Frame) -> Headers {
    let mut found = Headers::default();
    let (ethertype, network) = link::read(frame, &mut found);
    match ethertype {
        ETH_P_IP => network::ipv4(network, &mut found),
        ETH_P_IPV6 => network::ipv6(network, &mut found),
        ETH_P_ARP => found.arp = network::arp(network),
        _ => {}
    }
    found
}

impl Packet {
    /// A packet from the facts of its skb (address and `skb->len`, 0: unknown;
    /// `skb->mark`) and its captured bytes, which are kept too.
    pub fn from_frame(skb: u64, length: u32, mark: u32, frame: &Frame) -> Self {
        let Headers { link, vlan, arp, ip, transport } = headers(frame);
        Self {
            skb: (skb != 0).then_some(skb),
            length: (length != 0).then_some(length),
            mark,
            ethertype: frame.ethertype,
            link,
            vlan,
            arp,
            ip,
            transport,
            bytes: frame.bytes.to_vec(),
        }
    }
}

// include/uapi/linux/if_ether.h
const ETH_P_IP: u16 = 0x0800;
const ETH_P_ARP: u16 = 0x0806;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_PPP_SES: u16 = 0x8864;
const ETH_P_8021AD: u16 = 0x88a8;

#[cfg(test)]
mod tests;
