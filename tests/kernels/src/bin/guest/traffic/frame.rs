//! The bytes of a planned packet, with right checksums: the kernel answers
//! `reject` with nothing when they are wrong.

use crate::generate::packet::PacketPlan;
use crate::generate::place::{Network, Transport};
use std::net::IpAddr;

const SCTP: u8 = 132;

/// Ethernet source and destination.
pub type Macs = ([u8; 6], [u8; 6]);

/// The packet as an Ethernet frame.
pub fn ethernet(plan: &PacketPlan, (source, destination): Macs) -> Vec<u8> {
    let ethertype: u16 = match plan.network {
        Network::V4 => 0x0800,
        Network::V6 => 0x86dd,
        Network::Arp => 0x0806,
    };
    let head = [&destination[..], &source, &ethertype.to_be_bytes()].concat();
    let body = match plan.network {
        Network::Arp => arp_request(plan, source),
        _ => ip(plan),
    };
    [head, body].concat()
}

/// The packet from the network header on; not for ARP.
pub fn ip(plan: &PacketPlan) -> Vec<u8> {
    let source = plan.path.source(plan.network, plan.tag);
    let destination = plan.path.destination(plan.network, plan.selector);
    let addresses = [octets(source), octets(destination)].concat();
    let v6 = plan.network == Network::V6;
    let (protocol, segment) = transport(plan, v6, &addresses);
    let length = segment.len() as u16;
    let header = if v6 {
        let fixed = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[protocol, plan.ttl]];
        [&fixed.concat()[..], &addresses].concat()
    } else {
        let total = (length + 20).to_be_bytes();
        let id = plan.tag.to_be_bytes();
        let start = [&[0x45, 0][..], &total, &id, &[0x40, 0, plan.ttl, protocol, 0, 0]];
        let mut header = [&start.concat()[..], &addresses].concat();
        let sum = checksum(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        header
    };
    [header, segment].concat()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Protocol number and bytes from the transport header on.
fn transport(plan: &PacketPlan, v6: bool, addresses: &[u8]) -> (u8, Vec<u8>) {
    let ports = [plan.tag.to_be_bytes(), plan.port.to_be_bytes()].concat();
    let payload = vec![0x61; plan.payload];
    let (protocol, sum_at, mut bytes) = match plan.transport.unwrap_or(Transport::Udp) {
        Transport::Tcp => {
            // Sequence, acknowledgement, offset, flags, window, sum, urgent.
            let rest = [0, 0, 0, 9, 0, 0, 0, 0, 0x50, plan.tcp_flags, 0x10, 0, 0, 0, 0, 0];
            (6, Some(16), [&ports[..], &rest, &payload].concat())
        }
        Transport::Udp => {
            let length = (8 + plan.payload as u16).to_be_bytes();
            (17, Some(6), [&ports[..], &length, &[0, 0], &payload].concat())
        }
        Transport::Sctp => {
            // Verification tag 0, checksum left 0, one INIT chunk.
            let chunk = [1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 1];
            (SCTP, None, [&ports[..], &[0; 8], &chunk].concat())
        }
        Transport::Icmp => {
            let (number, request) = if v6 { (58, 128) } else { (1, 8) };
            let id = plan.tag.to_be_bytes();
            let head = [request, 0, 0, 0];
            (number, Some(2), [&head[..], &id, &[0, 1], &payload].concat())
        }
    };
    if let Some(at) = sum_at {
        let pseudo = [&(bytes.len() as u32).to_be_bytes()[..], &[0, 0, 0, protocol]].concat();
        let plain_icmp = protocol == 1;
        let sum =
            if plain_icmp { checksum(&[&bytes]) } else { checksum(&[addresses, &pseudo, &bytes]) };
        // 0 would mean "none" in UDP.
        let sum = if sum == 0 { 0xffff } else { sum };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    (protocol, bytes)
}

fn arp_request(plan: &PacketPlan, mac: [u8; 6]) -> Vec<u8> {
    let sender = octets(plan.path.source(Network::Arp, plan.tag));
    let target = octets(plan.path.destination(Network::Arp, plan.selector));
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    // Padded to an Ethernet frame's least length.
    [&head[..], &mac, &sender, &[0; 6], &target, &[0; 18]].concat()
}

/// The Internet checksum over parts of even length (but for the last).
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::place::Path;

    fn plan(network: Network, transport: Option<Transport>) -> PacketPlan {
        PacketPlan {
            tag: 0x0102,
            path: Path::ToRouter,
            network,
            transport,
            selector: 20_000,
            port: 53,
            ttl: 64,
            payload: 3,
            tcp_flags: 2,
            aim: None,
        }
    }

    #[test]
    fn checksums_verify() {
        let v4 = ip(&plan(Network::V4, Some(Transport::Udp)));
        assert_eq!(checksum(&[&v4[..20]]), 0);
        let pseudo = [&v4[12..20], &[0, 17, 0, 11]].concat();
        assert_eq!(checksum(&[&pseudo, &v4[20..]]), 0);
        let icmp = ip(&plan(Network::V4, Some(Transport::Icmp)));
        assert_eq!(checksum(&[&icmp[20..]]), 0);
        let tcp = ip(&plan(Network::V6, Some(Transport::Tcp)));
        let pseudo = [&tcp[8..40], &[0, 0, 0, 23, 0, 0, 0, 6]].concat();
        assert_eq!(checksum(&[&pseudo, &tcp[40..]]), 0);
    }

    #[test]
    fn an_arp_request_has_its_tag() {
        let frame = ethernet(&plan(Network::Arp, None), ([2; 6], [4; 6]));
        assert_eq!(frame.len(), 60);
        assert_eq!(&frame[28..32], &[10, 0, 1, 2]);
    }
}
