//! A packet in one line, as tcpdump would say it.

use std::fmt::{self, Display, Formatter};

use nfscope_event::{Arp, Device, Drop, Icmp, Ip, Netns, Packet, Ports, Tcp, Transport};

use super::escape;

/// The headers: `IP 10.0.0.1.43210 > 10.0.0.2.80: tcp [S] seq 1 len 60`.
pub(super) struct Headers<'a>(pub &'a Packet);

impl Display for Headers<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let packet = self.0;
        for tag in &packet.vlan {
            write!(f, "vlan {} ", tag.id)?;
        }
        if let Some(arp) = &packet.arp {
            write_arp(f, arp)
        } else if let Some(ip) = &packet.ip {
            write_ip(f, ip, packet)
        } else {
            write_unread(f, packet)
        }
    }
}

fn write_arp(f: &mut Formatter<'_>, arp: &Arp) -> fmt::Result {
    match arp.operation {
        1 => write!(f, "ARP who-has {} tell {}", arp.target, arp.sender),
        2 => write!(f, "ARP {} is-at {}, to {}", arp.sender, escape(&arp.sender_mac), arp.target),
        other => write!(f, "ARP operation {other} {} > {}", arp.sender, arp.target),
    }
}

fn write_ip(f: &mut Formatter<'_>, ip: &Ip, packet: &Packet) -> fmt::Result {
    f.write_str(if ip.source.is_ipv6() { "IP6 " } else { "IP " })?;
    match packet.transport.as_ref().and_then(ports) {
        Some(Ports { source, destination }) => {
            write!(f, "{}.{source} > {}.{destination}: ", ip.source, ip.destination)?;
        }
        None => write!(f, "{} > {}: ", ip.source, ip.destination)?,
    }
    match &packet.transport {
        Some(Transport::Tcp(tcp)) => write_tcp(f, tcp)?,
        Some(Transport::Udp(_)) => f.write_str("udp")?,
        Some(Transport::Sctp(_)) => f.write_str("sctp")?,
        Some(Transport::Icmp(icmp)) => write_icmp(f, "icmp", icmp, icmp_name(icmp))?,
        Some(Transport::Icmpv6(icmp)) => write_icmp(f, "icmp6", icmp, icmpv6_name(icmp))?,
        None => write_protocol(f, ip.protocol)?,
    }
    if let Some(offset) = ip.fragment_offset {
        write!(f, " fragment at {offset}")?;
    }
    // The header's own length is the same at every layer; it is 0 in packets
    // of more than 64 KiB, and wrong in broken ones.
    match (ip.length, packet.length) {
        (0, Some(length)) => write!(f, " len {length}"),
        (length, _) => write!(f, " len {length}"),
    }
}

/// The kernel's own facts of it.
pub(super) fn skb(packet: &Packet) -> String {
    let address = packet.skb.map_or("unknown".to_owned(), |skb| format!("{skb:#x}"));
    let length = packet.length.map_or("unknown".to_owned(), |length| length.to_string());
    format!("{address}, length {length}, mark {:#x}", packet.mark)
}

fn ports(transport: &Transport) -> Option<Ports> {
    match transport {
        Transport::Tcp(tcp) => Some(tcp.ports),
        Transport::Udp(ports) | Transport::Sctp(ports) => Some(*ports),
        Transport::Icmp(_) | Transport::Icmpv6(_) => None,
    }
}

fn write_tcp(f: &mut Formatter<'_>, tcp: &Tcp) -> fmt::Result {
    f.write_str("tcp")?;
    if let Some(flags) = &tcp.flags {
        write!(f, " [{}]", escape(flags))?;
    }
    if let Some(seq) = tcp.seq {
        write!(f, " seq {seq}")?;
    }
    if let Some(ack) = tcp.ack.filter(|_| has_ack(tcp)) {
        write!(f, " ack {ack}")?;
    }
    Ok(())
}

fn has_ack(tcp: &Tcp) -> bool {
    tcp.flags.as_ref().is_some_and(|flags| flags.contains('.'))
}

fn write_icmp(f: &mut Formatter<'_>, kind: &str, icmp: &Icmp, name: Option<&str>) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{kind} {name}")?,
        None => write!(f, "{kind} type {} code {}", icmp.kind, icmp.code)?,
    }
    if let Some(id) = icmp.id {
        write!(f, " id {id}")?;
    }
    if let Some(sequence) = icmp.sequence {
        write!(f, " seq {sequence}")?;
    }
    Ok(())
}

// include/uapi/linux/icmp.h
fn icmp_name(icmp: &Icmp) -> Option<&'static str> {
    Some(match (icmp.kind, icmp.code) {
        (0, _) => "echo reply",
        (3, 0) => "net unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed",
        (3, 9 | 10 | 13) => "unreachable, prohibited",
        (5, _) => "redirect",
        (8, _) => "echo request",
        (9, _) => "router advertisement",
        (10, _) => "router solicitation",
        (11, 0) => "time to live exceeded",
        (11, 1) => "reassembly time exceeded",
        (12, _) => "parameter problem",
        (13, _) => "timestamp request",
        (14, _) => "timestamp reply",
        _ => return None,
    })
}

// include/uapi/linux/icmpv6.h, include/net/ndisc.h
fn icmpv6_name(icmp: &Icmp) -> Option<&'static str> {
    Some(match (icmp.kind, icmp.code) {
        (1, 0) => "no route",
        (1, 1) => "unreachable, prohibited",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (2, _) => "packet too big",
        (3, 0) => "hop limit exceeded",
        (3, 1) => "reassembly time exceeded",
        (4, _) => "parameter problem",
        (128, _) => "echo request",
        (129, _) => "echo reply",
        (130, _) => "multicast listener query",
        (131 | 143, _) => "multicast listener report",
        (132, _) => "multicast listener done",
        (133, _) => "router solicitation",
        (134, _) => "router advertisement",
        (135, _) => "neighbour solicitation",
        (136, _) => "neighbour advertisement",
        (137, _) => "redirect",
        _ => return None,
    })
}

/// The protocol of a packet whose transport header is not there or not read.
fn write_protocol(f: &mut Formatter<'_>, protocol: u8) -> fmt::Result {
    // include/uapi/linux/in.h
    f.write_str(match protocol {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ip6-in-ip",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        59 => "no next header",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        other => return write!(f, "protocol {other}"),
    })
}

fn write_unread(f: &mut Formatter<'_>, packet: &Packet) -> fmt::Result {
    if let Some(link) = &packet.link {
        write!(f, "{} > {} ", escape(&link.source), escape(&link.destination))?;
    }
    write!(f, "ethertype {:#06x}", packet.ethertype)?;
    packet.length.map_or(Ok(()), |length| write!(f, " len {length}"))
}

/// The device with the direction, as far as they are known: `eth0 -> eth1`,
/// `eth0 in`, `eth0 out`, `eth0`; empty when none is known.
pub(super) fn device(drop: &Drop) -> String {
    let name = |device: &Device| {
        if device.name.is_empty() {
            format!("if{}", device.index)
        } else {
            escape(&device.name).into_owned()
        }
    };
    match (&drop.in_device, &drop.out_device, &drop.device) {
        (Some(input), Some(output), _) => format!("{} -> {}", name(input), name(output)),
        (Some(input), None, _) => format!("{} in", name(input)),
        (None, Some(output), _) => format!("{} out", name(output)),
        (None, None, Some(device)) => name(device),
        (None, None, None) => String::new(),
    }
}

/// `netns blue`, `netns 4026532281`; empty for the reader's own namespace.
pub(super) fn netns(netns: &Netns, own: Option<u32>) -> String {
    match &netns.name {
        _ if netns.inode != 0 && Some(netns.inode) == own => String::new(),
        Some(name) => format!("netns {}", escape(name)),
        None if netns.inode == 0 => "netns ?".to_owned(),
        None => format!("netns {}", netns.inode),
    }
}

#[cfg(test)]
mod tests {
    use nfscope_event::decode::{Frame, OffloadedVlan};

    use super::super::samples;
    use super::*;

    fn headers(packet: &Packet) -> String {
        Headers(packet).to_string()
    }

    fn ip_packet(protocol: u8, transport: &[u8]) -> Packet {
        let mut bytes = vec![0x45, 0, 0, 60, 0, 1, 0, 0, 64, protocol, 0, 0];
        bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(transport);
        let frame =
            Frame { ethertype: 0x0800, has_link: false, bytes: &bytes, offloaded_vlan: None };
        Packet::from_frame(0, 60, 0, &frame)
    }

    #[test]
    fn transports() {
        let ports = [0xa8, 0xca, 0x27, 0x10, 0, 0, 0, 123, 0, 0, 0, 5, 0x50, 0x12, 1, 0];
        assert_eq!(
            headers(&ip_packet(6, &ports)),
            "IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S.] seq 123 ack 5 len 60"
        );
        assert_eq!(
            headers(&ip_packet(6, &ports[..8])),
            "IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp seq 123 len 60"
        );
        assert_eq!(
            headers(&ip_packet(17, &ports)),
            "IP 10.0.0.1.43210 > 10.0.0.2.10000: udp len 60"
        );
        assert_eq!(headers(&ip_packet(6, &[])), "IP 10.0.0.1 > 10.0.0.2: tcp len 60");
        assert_eq!(
            headers(&ip_packet(1, &[8, 0, 0, 0, 0, 1, 0, 2])),
            "IP 10.0.0.1 > 10.0.0.2: icmp echo request id 1 seq 2 len 60"
        );
        assert_eq!(
            headers(&ip_packet(1, &[40, 9, 0, 0])),
            "IP 10.0.0.1 > 10.0.0.2: icmp type 40 code 9 len 60"
        );
        assert_eq!(headers(&ip_packet(47, &[])), "IP 10.0.0.1 > 10.0.0.2: gre len 60");
        assert_eq!(headers(&ip_packet(200, &[])), "IP 10.0.0.1 > 10.0.0.2: protocol 200 len 60");
    }

    #[test]
    fn fragments_tags_arp_and_others() {
        let mut packet = ip_packet(17, &[]);
        packet.ip.as_mut().unwrap().fragment_offset = Some(1480);
        packet.vlan = vec![nfscope_event::Vlan { id: 7, priority: 0, protocol: 0x8100 }];
        assert_eq!(headers(&packet), "vlan 7 IP 10.0.0.1 > 10.0.0.2: udp fragment at 1480 len 60");

        let bytes = [&[2; 12][..], &[0x88, 0xcc, 0]].concat();
        let offloaded_vlan = Some(OffloadedVlan { protocol: 0x8100, tci: 9 });
        let lldp = Frame { ethertype: 0x88cc, has_link: true, bytes: &bytes, offloaded_vlan };
        assert_eq!(
            headers(&Packet::from_frame(0, 15, 0, &lldp)),
            "vlan 9 02:02:02:02:02:02 > 02:02:02:02:02:02 ethertype 0x88cc len 15"
        );

        let arp = Arp {
            operation: 1,
            sender: [10, 0, 0, 1].into(),
            sender_mac: "02:00:00:00:00:01".into(),
            target: [10, 0, 0, 2].into(),
        };
        let mut packet = Packet { arp: Some(arp), ..Packet::default() };
        assert_eq!(headers(&packet), "ARP who-has 10.0.0.2 tell 10.0.0.1");
        packet.arp.as_mut().unwrap().operation = 2;
        assert_eq!(headers(&packet), "ARP 10.0.0.1 is-at 02:00:00:00:00:01, to 10.0.0.2");
    }

    #[test]
    fn devices_and_namespaces() {
        let mut drop = samples::drop_of(samples::rule());
        let eth = |index, name: &str| Some(Device { index, name: name.to_owned() });
        drop.device = eth(2, "eth0");
        (drop.in_device, drop.out_device) = (None, None);
        assert_eq!(device(&drop), "eth0");
        drop.in_device = eth(2, "eth0");
        assert_eq!(device(&drop), "eth0 in");
        drop.out_device = eth(3, "");
        assert_eq!(device(&drop), "eth0 -> if3");
        drop.in_device = None;
        assert_eq!(device(&drop), "if3 out");

        let named = Netns { inode: 5, name: Some("a\x1bb".into()) };
        assert_eq!(netns(&named, None), "netns a\\x1bb");
        assert_eq!(netns(&named, Some(5)), "");
        assert_eq!(netns(&Netns { inode: 6, name: None }, Some(5)), "netns 6");
        assert_eq!(netns(&Netns { inode: 0, name: None }, Some(0)), "netns ?");
    }
}
