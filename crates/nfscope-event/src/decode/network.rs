//! ARP, IPv4, and IPv6 with its extension headers.
//!
//! ```text
//! ARP   0 hardware type  2 protocol type  4 lengths  6 operation
//!       8 sender mac[6]  14 sender address[4]  18 target mac[6]  24 target address[4]
//! IPv4  0 version, words  2 total length  4 id  6 flags, fragment offset / 8
//!       8 ttl  9 protocol  12 source  16 destination
//! IPv6  0 version  4 payload length  6 next header  7 hop limit
//!       8 source[16]  24 destination[16]
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::{after, array_at, mac, u8_at, u16_at, u32_at};
use super::{Headers, transport};
use crate::{Arp, Ip};

const FRAGMENT_OFFSET: u16 = 0x1fff;
const MORE_FRAGMENTS: u16 = 0x2000;
const IPV6_LENGTH: usize = 40;

// include/net/ipv6.h, NEXTHDR_*: those that `ipv6_ext_hdr` follows
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// ARP for IPv4 over Ethernet, the only one that Linux answers by default.
pub(super) fn arp(bytes: &[u8]) -> Option<Arp> {
    const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
    if array_at(bytes, 0)? != ETHERNET_AND_IPV4 {
        return None;
    }
    Some(Arp {
        operation: u16_at(bytes, 6)?,
        sender_mac: mac(array_at(bytes, 8)?),
        sender: ipv4_address(bytes, 14)?,
        target: ipv4_address(bytes, 24)?,
    })
}

pub(super) fn ipv4(bytes: &[u8], found: &mut Headers) {
    let Some((ip, words)) = ipv4_header(bytes) else { return };
    // Fewer than 5 words is a broken header: what follows is anywhere.
    if words >= 5 && ip.fragment_offset.unwrap_or(0) == 0 {
        found.transport = transport::read(ip.protocol, after(bytes, words * 4));
    }
    found.ip = Some(ip);
}

/// The header and its length in 32-bit words, as it says itself.
fn ipv4_header(bytes: &[u8]) -> Option<(Ip, usize)> {
    let first = u8_at(bytes, 0)?;
    if first >> 4 != 4 {
        return None;
    }
    let fragment = u16_at(bytes, 6)?;
    let ip = Ip {
        source: ipv4_address(bytes, 12)?,
        destination: ipv4_address(bytes, 16)?,
        protocol: u8_at(bytes, 9)?,
        ttl: u8_at(bytes, 8)?,
        id: Some(u16_at(bytes, 4)?.into()),
        length: u16_at(bytes, 2)?.into(),
        fragment_offset: (fragment & (FRAGMENT_OFFSET | MORE_FRAGMENTS) != 0)
            .then_some((fragment & FRAGMENT_OFFSET) * 8),
        extensions: Vec::new(),
    };
    Some((ip, usize::from(first & 0x0f)))
}

pub(super) fn ipv6(bytes: &[u8], found: &mut Headers) {
    let Some(mut ip) = ipv6_header(bytes) else { return };
    if let Some(rest) = ipv6_extensions(after(bytes, IPV6_LENGTH), &mut ip) {
        found.transport = transport::read(ip.protocol, rest);
    }
    found.ip = Some(ip);
}

fn ipv6_header(bytes: &[u8]) -> Option<Ip> {
    if u8_at(bytes, 0)? >> 4 != 6 {
        return None;
    }
    Some(Ip {
        source: ipv6_address(bytes, 8)?,
        destination: ipv6_address(bytes, 24)?,
        protocol: u8_at(bytes, 6)?,
        ttl: u8_at(bytes, 7)?,
        id: None,
        length: u32::from(u16_at(bytes, 4)?) + IPV6_LENGTH as u32,
        fragment_offset: None,
        extensions: Vec::new(),
    })
}

/// Walks the extension headers, leaving in `ip.protocol` the first number
/// that is none or whose header is cut off. Gives the transport's bytes, or
/// `None` where there are none to read: cut off, or a later fragment.
///
/// ```text
/// all but two      0 next header  1 length in 8 bytes, minus 1
/// fragment         0 next header  2 offset in bytes and flags  4 id
/// authentication   0 next header  1 length in 4 bytes, minus 2
/// ```
fn ipv6_extensions<'a>(mut bytes: &'a [u8], ip: &mut Ip) -> Option<&'a [u8]> {
    loop {
        let kind = ip.protocol;
        if !matches!(kind, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION) {
            return Some(bytes);
        }
        let next = u8_at(bytes, 0)?;
        let units = usize::from(u8_at(bytes, 1)?);
        let length = match kind {
            FRAGMENT => {
                let offset = u16_at(bytes, 2)? & !7;
                ip.id = Some(u32_at(bytes, 4)?);
                ip.fragment_offset = Some(offset);
                8
            }
            AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        ip.extensions.push(kind);
        ip.protocol = next;
        if ip.fragment_offset.is_some_and(|offset| offset > 0) {
            return None;
        }
        bytes = bytes.get(length..)?;
    }
}

fn ipv4_address(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at::<4>(bytes, at).map(|octets| Ipv4Addr::from(octets).into())
}

fn ipv6_address(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at::<16>(bytes, at).map(|octets| Ipv6Addr::from(octets).into())
}
