//! Which element of a verdict map a key hits, judged by the elements' text.
//!
//! A key as the kernel compares it is the concatenated fields of the map's
//! type, each padded to 4 bytes. nft prints fields by type; what is not
//! understood here (device indices, times, user names, …) is never guessed:
//! the answer is then that it is not known.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::netlink::SetInfo;
use crate::words::{
    ADDRTYPES, CT_STATES, ETHERTYPES, ICMP_TYPES, ICMPV6_TYPES, NFPROTOS, PKTTYPES, PROTOCOLS,
};

/// nft's numbers of data types (`enum datatypes`, nftables
/// `include/datatype.h`), kept in the kernel as the set's key type.
mod kind {
    pub const NFPROTO: u32 = 2;
    pub const IPV4: u32 = 7;
    pub const IPV6: u32 = 8;
    pub const ETHER: u32 = 9;
    pub const ETHERTYPE: u32 = 10;
    pub const PROTOCOL: u32 = 12;
    pub const SERVICE: u32 = 13;
    pub const ICMP_TYPE: u32 = 14;
    pub const MARK: u32 = 19;
    pub const CT_STATE: u32 = 26;
    pub const ICMPV6_TYPE: u32 = 29;
    pub const PKTTYPE: u32 = 31;
    pub const FIB_ADDRTYPE: u32 = 38;
    pub const IFNAME: u32 = 41;
}

/// Bits of one type in the number of a concatenation (`TYPE_BITS`).
const TYPE_BITS: u32 = 6;

/// The element that `key` hits.
pub(crate) fn find(elements: &[String], set: &SetInfo, key: &[u8]) -> Option<String> {
    let fields = fields(set)?;
    let mut any = None;
    for element in elements {
        let text = key_text(element);
        if text == "*" {
            any = Some(element);
        } else if hits(text, &fields, set, key)? {
            return Some(element.clone());
        }
    }
    any.cloned()
}

/// The part of an element before its options and verdict.
fn key_text(element: &str) -> &str {
    let mut quoted = false;
    let verdict = element.char_indices().find(|&(at, character)| {
        quoted ^= character == '"';
        !quoted && element[at..].starts_with(" : ")
    });
    let mut text = verdict.map_or(element, |(at, _)| &element[..at]);
    for option in [" comment ", " timeout ", " expires ", " counter ", " limit ", " quota "] {
        text = text.split(option).next().unwrap_or(text);
    }
    text.trim()
}

/// Types of the key's fields, first to last.
fn fields(set: &SetInfo) -> Option<Vec<u32>> {
    let mut fields = Vec::new();
    let mut rest = set.key_type;
    while rest != 0 {
        fields.push(rest & ((1 << TYPE_BITS) - 1));
        rest >>= TYPE_BITS;
    }
    fields.reverse();
    (!fields.is_empty()).then_some(fields)
}

/// Whether a key is within an element; none if the text is not understood.
fn hits(text: &str, fields: &[u32], set: &SetInfo, key: &[u8]) -> Option<bool> {
    let parts: Vec<&str> = text.split(" . ").collect();
    if parts.len() != fields.len() {
        return None;
    }
    let mut rest = key;
    let mut hit = true;
    for (part, kind) in parts.iter().zip(fields) {
        let length = length(*kind, set, fields.len())?;
        let value = rest.get(..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        hit &= part_hits(part, *kind, value, set.interval)?;
    }
    Some(hit)
}

fn length(kind: u32, set: &SetInfo, fields: usize) -> Option<usize> {
    if fields == 1 {
        return usize::try_from(set.key_length).ok();
    }
    Some(match kind {
        kind::IPV4 | kind::MARK | kind::CT_STATE | kind::FIB_ADDRTYPE => 4,
        kind::IPV6 | kind::IFNAME => 16,
        kind::ETHER => 6,
        kind::ETHERTYPE | kind::SERVICE => 2,
        kind::NFPROTO | kind::PROTOCOL | kind::ICMP_TYPE | kind::ICMPV6_TYPE | kind::PKTTYPE => 1,
        _ => return None,
    })
}

/// Whether a field's value is within one value, range or prefix.
fn part_hits(text: &str, kind: u32, value: &[u8], interval: bool) -> Option<bool> {
    if text == "*" {
        return Some(true);
    }
    let read = |text: &str| read(text, kind, value.len(), interval);
    if kind == kind::IFNAME {
        let name = text.trim_matches('"');
        let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
        return Some(match name.strip_suffix('*') {
            Some(start) => value.starts_with(start.as_bytes()),
            None => &value[..end] == name.as_bytes(),
        });
    }
    if let Some((start, bits)) = text.split_once('/') {
        let (start, bits) = (read(start)?, bits.parse::<usize>().ok()?);
        return (bits <= value.len() * 8).then(|| same_prefix(&start, value, bits));
    }
    if let Some(exact) = read(text) {
        return Some(exact == value);
    }
    let (low, high) = text.split_once('-')?;
    Some((read(low)?.as_slice()..=read(high)?.as_slice()).contains(&value))
}

fn same_prefix(a: &[u8], b: &[u8], bits: usize) -> bool {
    let (whole, left) = (bits / 8, bits % 8);
    let last = |bytes: &[u8]| bytes.get(whole).map_or(0, |byte| u16::from(*byte) >> (8 - left));
    a[..whole] == b[..whole] && (left == 0 || last(a) == last(b))
}

/// A value's bytes as the kernel holds them.
fn read(text: &str, kind: u32, length: usize, interval: bool) -> Option<Vec<u8>> {
    let named = |names: &[(&str, u32)]| names.iter().find(|(name, _)| *name == text).map(|n| n.1);
    let number = || number(text);
    let (value, host_order) = match kind {
        kind::IPV4 => return Some(text.parse::<Ipv4Addr>().ok()?.octets().to_vec()),
        kind::IPV6 => return Some(text.parse::<Ipv6Addr>().ok()?.octets().to_vec()),
        kind::ETHER => {
            return text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        }
        kind::SERVICE => (number()?, false),
        kind::ETHERTYPE => (named(ETHERTYPES).or_else(number)?, false),
        kind::PROTOCOL => (named(PROTOCOLS).or_else(number)?, false),
        kind::NFPROTO => (named(NFPROTOS).or_else(number)?, false),
        kind::ICMP_TYPE => (named(ICMP_TYPES).or_else(number)?, false),
        kind::ICMPV6_TYPE => (named(ICMPV6_TYPES).or_else(number)?, false),
        kind::PKTTYPE => (named(PKTTYPES).or_else(number)?, false),
        kind::MARK => (number()?, true),
        kind::CT_STATE => {
            let bits = text.split([',', '|']).map(|name| {
                CT_STATES.iter().find(|(known, _)| *known == name.trim()).map(|(_, bit)| bit)
            });
            (bits.sum::<Option<u32>>().or_else(number)?, true)
        }
        kind::FIB_ADDRTYPE => (named(ADDRTYPES).or_else(number)?, true),
        _ => return None,
    };
    // Ranges are compared byte by byte: nft has the kernel swap the value.
    if host_order && !interval {
        return (length == 4).then(|| value.to_ne_bytes().to_vec());
    }
    let bytes = value.to_be_bytes();
    let surplus = bytes.len().checked_sub(length)?;
    bytes[..surplus].iter().all(|&byte| byte == 0).then(|| bytes[surplus..].to_vec())
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nfscope_event::Family;
    use proptest::prelude::*;

    fn set(kinds: &[u32], key_length: u32, interval: bool) -> SetInfo {
        SetInfo {
            family: Family::Inet,
            table: "t".into(),
            name: "m".into(),
            anonymous: false,
            key_type: kinds.iter().fold(0, |all, kind| all << TYPE_BITS | kind),
            key_length,
            interval,
        }
    }

    fn at(elements: &[&str], set: &SetInfo, key: &[u8]) -> Option<String> {
        find(&elements.iter().map(|e| e.to_string()).collect::<Vec<_>>(), set, key)
    }

    #[test]
    fn ports_and_ranges_of_ports() {
        let ports = set(&[kind::SERVICE], 2, true);
        let all = ["22 : accept", "80 : drop", "100-200 : jump x"];
        let hit = |port: u16| at(&all, &ports, &port.to_be_bytes());
        assert_eq!(hit(80).as_deref(), Some("80 : drop"));
        assert_eq!(hit(200).as_deref(), Some("100-200 : jump x"));
        assert_eq!(hit(201), None);
    }

    #[test]
    fn addresses_prefixes_and_comments() {
        let addresses = set(&[kind::IPV4], 4, true);
        let all =
            ["10.0.0.0/25 : jump x", "10.1.0.0-10.1.0.77 comment \"a : b\" : drop", "* : drop"];
        assert_eq!(at(&all, &addresses, &[10, 0, 0, 127]).as_deref(), Some(all[0]));
        assert_eq!(at(&all, &addresses, &[10, 1, 0, 77]).as_deref(), Some(all[1]));
        assert_eq!(at(&all, &addresses, &[10, 0, 0, 128]).as_deref(), Some("* : drop"));
        let six = set(&[kind::IPV6], 16, true);
        let key: [u8; 16] = "fe80::7".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(at(&["fe80::/10 : drop"], &six, &key).as_deref(), Some("fe80::/10 : drop"));
    }

    #[test]
    fn concatenations_names_and_states() {
        let both = set(&[kind::PROTOCOL, kind::SERVICE], 8, false);
        let all = ["tcp . 22 : accept", "udp . 53 : drop"];
        let key = [17, 0, 0, 0, 0, 53, 0, 0];
        assert_eq!(at(&all, &both, &key).as_deref(), Some("udp . 53 : drop"));
        let states = set(&[kind::CT_STATE], 4, false);
        let all = ["established : accept", "related : accept", "invalid : drop"];
        assert_eq!(at(&all, &states, &1u32.to_ne_bytes()).as_deref(), Some("invalid : drop"));
        let names = set(&[kind::IFNAME], 16, false);
        let mut key = [0; 16];
        key[..4].copy_from_slice(b"eth0");
        let all = ["\"lo\" : accept", "\"eth0\" : drop"];
        assert_eq!(at(&all, &names, &key).as_deref(), Some("\"eth0\" : drop"));
        let marks = set(&[kind::MARK], 4, true);
        let all = ["0x00000001-0x00000010 : drop"];
        assert_eq!(at(&all, &marks, &5u32.to_be_bytes()).as_deref(), Some(all[0]));
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        let indices = set(&[20], 4, false);
        assert_eq!(at(&["\"lo\" : drop", "* : accept"], &indices, &[0; 4]), None);
        assert_eq!(at(&["1 : drop"], &set(&[0], 4, false), &[0; 4]), None);
        assert_eq!(at(&["22 : drop"], &set(&[kind::SERVICE], 2, false), &[]), None);
    }

    proptest! {
        #[test]
        fn any_element_and_key_are_survived(
            text in "[ -~]{0,40}",
            kinds in proptest::collection::vec(0u32..64, 0..4),
            length in 0u32..70,
            key in proptest::collection::vec(any::<u8>(), 0..70),
            interval: bool,
        ) {
            let _ = at(&[&text, "* : drop"], &set(&kinds, length, interval), &key);
        }
    }
}
