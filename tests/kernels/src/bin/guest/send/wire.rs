//! Bytes of headers.

use std::{
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

/// Protocol number of ICMP.
pub const IPPROTO_ICMP: u8 = 1;
/// Protocol number of TCP.
pub const IPPROTO_TCP: u8 = 6;
/// Protocol number of ICMPv6.
pub const IPPROTO_ICMPV6: u8 = 58;

/// The flags byte of a TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u8);

impl FromStr for Flags {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bit = |c| "FSRP.U".find(c).map(|place| 1 << place);
        let bits: Option<Vec<u8>> = text.chars().map(bit).collect();
        let bits = bits.ok_or("expected letters of F S R P . U")?;
        Ok(Self(bits.iter().fold(0, |sum, bit| sum | bit)))
    }
}

/// Bytes given in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.ok_or("expected hexadecimal digits")?;
        if digits.len() % 2 != 0 {
            return Err("expected two digits for each byte".to_owned());
        }
        Ok(Self(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
    }
}

/// A TCP segment without options and data.
pub fn tcp(
    from: IpAddr,
    to: IpAddr,
    source: u16,
    destination: u16,
    flags: Flags,
    sequence: u32,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20);
    bytes.extend(source.to_be_bytes());
    bytes.extend(destination.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(1u32.to_be_bytes());
    // Five words of header.
    bytes.extend([5 << 4, flags.0]);
    bytes.extend(1024u16.to_be_bytes());
    bytes.extend([0; 4]);
    let sum = checksum(&[&pseudo_header(from, to, IPPROTO_TCP, bytes.len()), &bytes]);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// An ICMP or ICMPv6 message with identifier and sequence number.
pub fn icmp(from: IpAddr, to: IpAddr, kind: u8, code: u8, id: u16, sequence: u16) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(id.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(b"nfscope!");
    let sum = match to {
        IpAddr::V4(_) => checksum(&[&bytes]),
        IpAddr::V6(_) => checksum(&[&pseudo_header(from, to, IPPROTO_ICMPV6, bytes.len()), &bytes]),
    };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// An SCTP packet with an INIT chunk (RFC 9260, section 3.3.2).
pub fn sctp_init(source: u16, destination: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(source.to_be_bytes());
    bytes.extend(destination.to_be_bytes());
    bytes.extend([0; 8]);
    // Chunk: type INIT, no flags, its length.
    bytes.extend([1, 0, 0, 20]);
    // Initiate tag, window, outbound and inbound streams, first number.
    bytes.extend(1u32.to_be_bytes());
    bytes.extend(65536u32.to_be_bytes());
    bytes.extend([0, 1, 0, 1]);
    bytes.extend(1u32.to_be_bytes());
    let sum = crc32c(&bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// An ARP request in an Ethernet frame to everybody.
pub fn arp_request(hardware: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(42);
    bytes.extend([0xff; 6]);
    bytes.extend(hardware);
    bytes.extend(0x0806u16.to_be_bytes());
    // Ethernet, IPv4, lengths of both addresses, request.
    bytes.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    bytes.extend(hardware);
    bytes.extend(sender.octets());
    bytes.extend([0; 6]);
    bytes.extend(target.octets());
    bytes
}

/// What the checksum covers beside the packet (RFC 9293 3.1, RFC 8200 8.1).
fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    // Shorter for IPv4, but zero bytes do not change the sum.
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    bytes
}

/// The Internet checksum; every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// The checksum of SCTP (RFC 9260, appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let (from, to) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let segment = tcp(from, to, 1, 2, Flags(2), 7);
        assert_eq!(checksum(&[&pseudo_header(from, to, IPPROTO_TCP, 20), &segment]), 0);
        // RFC 1071, section 3
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
    }

    #[test]
    fn words() {
        assert_eq!("S.".parse(), Ok(Flags(0x12)));
        assert!("X".parse::<Flags>().is_err());
        assert_eq!("de:ad be ef".parse(), Ok(Hex(vec![0xde, 0xad, 0xbe, 0xef])));
        assert!("abc".parse::<Hex>().is_err());
    }
}
