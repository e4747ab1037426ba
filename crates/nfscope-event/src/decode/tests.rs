use etherparse::{IpFragOffset, Ipv4Extensions, PacketBuilder, VlanId};
use proptest::prelude::*;

use super::*;
use crate::{Icmp, Ports, Tcp};

fn ethernet(bytes: &[u8]) -> Frame<'_> {
    Frame { ethertype: 0x0800, has_link: true, bytes, offloaded_vlan: None }
}

fn network(ethertype: u16, bytes: &[u8]) -> Frame<'_> {
    Frame { ethertype, has_link: false, bytes, offloaded_vlan: None }
}

/// A SYN from 10.0.0.1 port 43210 to 10.0.0.2 port 10000.
fn syn() -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(43210, 10000, 123, 64240)
        .syn()
        .write(&mut bytes, &[])
        .unwrap();
    bytes
}

fn ipv6_header(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend([next, 63]);
    bytes.extend("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    bytes.extend("fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets());
    bytes.extend(payload);
    bytes
}

#[test]
fn tcp_over_ethernet() {
    let bytes = syn();
    let found = headers(&ethernet(&bytes));
    assert_eq!(
        found.link,
        Some(Link { source: "02:00:00:00:00:01".into(), destination: "02:00:00:00:00:02".into() })
    );
    let ip = found.ip.unwrap();
    assert_eq!(
        (ip.source.to_string(), ip.destination.to_string()),
        ("10.0.0.1".into(), "10.0.0.2".into())
    );
    assert_eq!((ip.protocol, ip.ttl, ip.length, ip.fragment_offset), (6, 64, 40, None));
    assert_eq!(
        found.transport,
        Some(Transport::Tcp(Tcp {
            ports: Ports { source: 43210, destination: 10000 },
            flags: Some("S".into()),
            seq: Some(123),
            ack: Some(0),
            window: Some(64240),
        }))
    );
    assert_eq!(headers(&network(0x0800, &bytes[14..])).transport, found_transport(&bytes));
}

fn found_transport(bytes: &[u8]) -> Option<Transport> {
    headers(&ethernet(bytes)).transport
}

#[test]
fn tcp_flags_as_tcpdump_writes_them() {
    let flags = |high: u8, low: u8| {
        let mut bytes = syn();
        bytes[14 + 20 + 12] |= high;
        bytes[14 + 20 + 13] = low;
        match found_transport(&bytes) {
            Some(Transport::Tcp(tcp)) => tcp.flags.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(flags(0, 0x02), "S");
    assert_eq!(flags(0, 0x12), "S.");
    assert_eq!(flags(0, 0x11), "F.");
    assert_eq!(flags(0, 0x18), "P.");
    assert_eq!(flags(0, 0x04), "R");
    assert_eq!(flags(0, 0x10), ".");
    assert_eq!(flags(0, 0xc2), "SEW");
    assert_eq!(flags(1, 0x10), ".e");
    assert_eq!(flags(0, 0), "none");
    assert_eq!(flags(1, 0xff), "FSRP.UEWe");
}

#[test]
fn tags_offloaded_and_in_the_bytes_are_stacked_in_order() {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .double_vlan(VlanId::try_new(100).unwrap(), VlanId::try_new(200).unwrap())
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(53, 5353)
        .write(&mut bytes, &[])
        .unwrap();
    let offloaded = OffloadedVlan { protocol: 0x88a8, tci: 0xa000 | 7 };
    let found = headers(&Frame { offloaded_vlan: Some(offloaded), ..ethernet(&bytes) });
    let tags: Vec<_> = found.vlan.iter().map(|tag| (tag.protocol, tag.id, tag.priority)).collect();
    assert_eq!(tags, [(0x88a8, 7, 5), (0x88a8, 100, 0), (0x8100, 200, 0)]);
    assert_eq!(found.transport, Some(Transport::Udp(Ports { source: 53, destination: 5353 })));

    // the network header of a tagged packet without a link header is the tag
    let found = headers(&network(0x88a8, &bytes[14..]));
    assert_eq!(found.vlan.len(), 2);
    assert!(found.transport.is_some());
}

#[test]
fn pppoe_is_looked_through() {
    let ethernet_bytes = syn();
    let mut bytes = vec![0x11, 0, 0, 1, 0, 42, 0x00, 0x21];
    bytes.extend(&ethernet_bytes[14..]);
    assert_eq!(headers(&network(0x8864, &bytes)).transport, found_transport(&ethernet_bytes));
    bytes[7] = 0x22;
    assert_eq!(headers(&network(0x8864, &bytes)), Headers::default());
}

#[test]
fn arp_request() {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1];
    bytes.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let found = headers(&network(0x0806, &bytes)).arp.unwrap();
    assert_eq!((found.operation, found.sender_mac.as_str()), (1, "02:00:00:00:00:01"));
    assert_eq!(
        (found.sender.to_string(), found.target.to_string()),
        ("10.0.0.1".into(), "10.0.0.2".into())
    );
    assert_eq!(headers(&network(0x0806, &bytes[..27])).arp, None);
    bytes[4] = 8;
    assert_eq!(headers(&network(0x0806, &bytes)).arp, None, "another hardware's ARP");
}

#[test]
fn ipv4_options_move_the_transport() {
    let mut bytes = syn()[14..].to_vec();
    bytes[0] = 0x46;
    bytes.splice(20..20, [0x94, 4, 0, 0]); // router alert
    assert_eq!(headers(&network(0x0800, &bytes)).transport, found_transport(&syn()));
    bytes[0] = 0x44; // fewer words than the header has
    let found = headers(&network(0x0800, &bytes));
    assert!(found.ip.is_some() && found.transport.is_none());
    bytes[0] = 0x54;
    assert_eq!(headers(&network(0x0800, &bytes)), Headers::default(), "not version 4");
}

#[test]
fn only_the_first_ipv4_fragment_has_a_transport() {
    let fragment = |word: u16| {
        let mut bytes = syn();
        bytes[14 + 6..14 + 8].copy_from_slice(&word.to_be_bytes());
        let found = headers(&ethernet(&bytes));
        (found.ip.unwrap().fragment_offset, found.transport.is_some())
    };
    assert_eq!(fragment(0x4000), (None, true), "don't fragment");
    assert_eq!(fragment(0x2000), (Some(0), true));
    assert_eq!(fragment(0x2001), (Some(8), false));
    assert_eq!(fragment(0x1fff), (Some(65528), false));
}

#[test]
fn ipv6_extension_headers() {
    let tcp = &syn()[34..];
    let chain = |parts: &[&[u8]]| {
        let mut payload = parts.concat();
        payload.extend(tcp);
        headers(&network(0x86dd, &ipv6_header(0, &payload)))
    };
    // hop-by-hop, routing (2 units), destination, authentication (6 words)
    let found = chain(&[
        &[43, 0, 5, 2, 0, 0, 1, 0],
        &[60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[51, 0, 1, 4, 0, 0, 0, 0],
        &[6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]);
    let ip = found.ip.unwrap();
    assert_eq!(ip.extensions, [0, 43, 60, 51]);
    assert_eq!((ip.protocol, ip.ttl, ip.length), (6, 63, 40 + 8 + 16 + 8 + 24 + 20));
    assert_eq!(found.transport, found_transport(&syn()));

    // a first and a later fragment
    for (offset, more, has_transport) in [(0u16, 1u16, true), (1480, 0, false)] {
        let word = (offset | more).to_be_bytes();
        let found =
            chain(&[&[44, 0, 0, 0, 0, 0, 0, 0], &[6, 0, word[0], word[1], 0xde, 0xad, 0xbe, 0xef]]);
        let ip = found.ip.unwrap();
        assert_eq!((ip.id, ip.fragment_offset), (Some(0xdead_beef), Some(offset)));
        assert_eq!((ip.protocol, ip.extensions), (6, vec![0, 44]));
        assert_eq!(found.transport.is_some(), has_transport);
    }
}

#[test]
fn icmp_messages() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([0xfd; 16], [0xfe; 16], 1)
        .icmpv6_echo_request(0x1234, 7)
        .write(&mut bytes, &[])
        .unwrap();
    let echo = |kind| Icmp { kind, code: 0, id: Some(0x1234), sequence: Some(7) };
    assert_eq!(headers(&network(0x86dd, &bytes)).transport, Some(Transport::Icmpv6(echo(128))));

    bytes.clear();
    PacketBuilder::ipv4([1; 4], [2; 4], 1)
        .icmpv4_echo_reply(0x1234, 7)
        .write(&mut bytes, &[])
        .unwrap();
    assert_eq!(headers(&network(0x0800, &bytes)).transport, Some(Transport::Icmp(echo(0))));
    bytes[20] = 3;
    bytes[21] = 1;
    let unreachable = Icmp { kind: 3, code: 1, id: None, sequence: None };
    assert_eq!(headers(&network(0x0800, &bytes)).transport, Some(Transport::Icmp(unreachable)));
}

#[test]
fn sctp_and_what_is_not_read() {
    let mut bytes = syn()[14..].to_vec();
    bytes[9] = 132;
    let ports = Ports { source: 43210, destination: 10000 };
    assert_eq!(headers(&network(0x0800, &bytes)).transport, Some(Transport::Sctp(ports)));
    bytes[9] = 47;
    assert_eq!(headers(&network(0x0800, &bytes)).transport, None);
    assert_eq!(headers(&network(0x88cc, &bytes)), Headers::default());
}

#[test]
fn a_tcp_header_that_is_cut_off_keeps_its_ports() {
    let bytes = syn();
    let found = headers(&ethernet(&bytes[..34 + 9]));
    let Some(Transport::Tcp(tcp)) = found.transport else { panic!("{found:?}") };
    assert_eq!((tcp.ports.destination, tcp.seq), (10000, Some(123)));
    assert_eq!((tcp.ack, tcp.flags, tcp.window), (None, None, None));
}

/// Any packet that etherparse can write, with what it wrote.
fn written() -> impl Strategy<Value = (Vec<u8>, etherparse::Ipv4Header, etherparse::TcpHeader)> {
    let fields = (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<(u8, u16)>());
    let tcp = any::<(u16, u16, u32, u32, u16)>();
    let options = (0usize..=10, 0u16..=0x1fff, any::<(bool, [bool; 9])>());
    (fields, tcp, options).prop_map(
        |((source, destination, (ttl, id)), tcp, (words, offset, bits))| {
            let mut ip = etherparse::Ipv4Header::new(
                0,
                ttl,
                etherparse::ip_number::TCP,
                source,
                destination,
            )
            .unwrap();
            ip.identification = id;
            ip.options = vec![1; words * 4].as_slice().try_into().unwrap();
            ip.more_fragments = bits.0;
            ip.fragment_offset = IpFragOffset::try_new(offset).unwrap();
            let mut header = etherparse::TcpHeader::new(tcp.0, tcp.1, tcp.2, tcp.4);
            header.acknowledgment_number = tcp.3;
            [
                &mut header.fin,
                &mut header.syn,
                &mut header.rst,
                &mut header.psh,
                &mut header.ack,
                &mut header.urg,
                &mut header.ece,
                &mut header.cwr,
                &mut header.ns,
            ]
            .into_iter()
            .zip(bits.1)
            .for_each(|(flag, bit)| *flag = bit);
            let mut bytes = Vec::new();
            PacketBuilder::ethernet2([1; 6], [2; 6])
                .ip(etherparse::IpHeaders::Ipv4(ip.clone(), Ipv4Extensions::default()))
                .tcp_header(header.clone())
                .write(&mut bytes, &[])
                .unwrap();
            (bytes, ip, header)
        },
    )
}

proptest! {
    #[test]
    fn reads_what_etherparse_writes((bytes, ip, tcp) in written()) {
        let found = headers(&ethernet(&bytes));
        let read = found.ip.unwrap();
        prop_assert_eq!(read.source, std::net::IpAddr::from(ip.source));
        prop_assert_eq!(read.destination, std::net::IpAddr::from(ip.destination));
        prop_assert_eq!((read.ttl, read.id), (ip.time_to_live, Some(ip.identification.into())));
        let offset = ip.fragment_offset.byte_offset();
        prop_assert_eq!(read.fragment_offset, (offset > 0 || ip.more_fragments).then_some(offset));
        if offset > 0 {
            prop_assert_eq!(found.transport, None);
            return Ok(());
        }
        let Some(Transport::Tcp(read)) = found.transport else { panic!("no TCP") };
        prop_assert_eq!((read.ports.source, read.ports.destination), (tcp.source_port, tcp.destination_port));
        prop_assert_eq!((read.seq, read.ack), (Some(tcp.sequence_number), Some(tcp.acknowledgment_number)));
        prop_assert_eq!(read.window, Some(tcp.window_size));
        let flags = read.flags.unwrap();
        prop_assert_eq!(flags.contains('S'), tcp.syn);
        prop_assert_eq!(flags.contains('.'), tcp.ack);
        prop_assert_eq!(flags.contains('e'), flags != "none" && tcp.ns);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        ethertype in prop::sample::select(vec![0x0800u16, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x8864, 0]),
        has_link: bool,
        first in prop::sample::select(vec![0x45u8, 0x46, 0x4f, 0x60, 0x00]),
        inner in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(if has_link { 14 } else { 0 }) {
            *byte = first;
        }
        if inner && has_link && bytes.len() > 14 {
            bytes[12..14].copy_from_slice(&ethertype.to_be_bytes());
        }
        let packet = Packet::from_frame(1, 2, 3, &Frame { ethertype, has_link, bytes: &bytes, offloaded_vlan: None });
        prop_assert_eq!(packet.bytes, bytes);
    }

    /// Cutting bytes off hides facts and changes none.
    #[test]
    fn a_cut_off_packet_says_nothing_else(
        extensions in prop::collection::vec((prop::sample::select(vec![0u8, 43, 44, 51, 60]), 0u8..3), 0..5),
        cut in 0usize..200,
    ) {
        let mut payload = Vec::new();
        let mut kinds: Vec<u8> = extensions.iter().map(|(kind, _)| *kind).collect();
        kinds.push(6);
        for ((kind, units), next) in extensions.iter().zip(&kinds[1..]) {
            let length = match kind { 44 => 8, 51 => (usize::from(*units) + 2) * 4, _ => (usize::from(*units) + 1) * 8 };
            let at = payload.len();
            payload.resize(at + length, 0);
            payload[at] = *next;
            if *kind != 44 { payload[at + 1] = *units; }
        }
        payload.extend(&syn()[34..]);
        let bytes = ipv6_header(kinds[0], &payload);
        let whole = headers(&network(0x86dd, &bytes));
        prop_assert_eq!(&whole.transport, &found_transport(&syn()));
        let part = headers(&network(0x86dd, &bytes[..cut.min(bytes.len())]));
        if let Some(ip) = part.ip {
            let full = whole.ip.unwrap();
            prop_assert_eq!((ip.source, ip.destination, ip.length), (full.source, full.destination, full.length));
            prop_assert!(full.extensions.starts_with(&ip.extensions));
        }
        if let Some(Transport::Tcp(tcp)) = part.transport {
            let Some(Transport::Tcp(full)) = whole.transport else { panic!("no TCP") };
            prop_assert_eq!(tcp.ports, full.ports);
            prop_assert!(tcp.seq.is_none() || tcp.seq == full.seq);
            prop_assert!(tcp.flags.is_none() || tcp.flags == full.flags);
        }
    }
}
