//! Fields of packet headers as nft names them (nftables `src/proto.c`).
//!
//! Fields that several messages of one protocol have at the same place under
//! different names (`icmp id`, `icmp mtu`, …) are left out: which one is
//! meant is not known.

use super::value::Type;

/// A field of a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Behind the header's name.
    pub(super) words: &'static str,
    /// First bit from the header's start.
    pub(super) start: usize,
    pub(super) bits: usize,
    pub(super) kind: Type,
}

pub(super) const fn entry(words: &'static str, start: usize, bits: usize, kind: Type) -> Entry {
    Entry { words, start, bits, kind }
}

/// `enum nft_payload_bases`
pub(super) mod base {
    pub(crate) const LINK: u32 = 0;
    pub(crate) const NETWORK: u32 = 1;
    pub(crate) const TRANSPORT: u32 = 2;
    pub(crate) const INNER: u32 = 3;
    pub(crate) const TUNNEL: u32 = 4;
}

const ETHER: &[Entry] = &[
    entry("ether daddr", 0, 48, Type::Ether),
    entry("ether saddr", 48, 48, Type::Ether),
    entry("ether type", 96, 16, Type::Ethertype),
];
const VLAN: &[Entry] = &[
    entry("ether daddr", 0, 48, Type::Ether),
    entry("ether saddr", 48, 48, Type::Ether),
    entry("ether type", 96, 16, Type::Ethertype),
    entry("vlan pcp", 112, 3, Type::Number),
    entry("vlan dei", 115, 1, Type::Number),
    entry("vlan id", 116, 12, Type::Number),
    entry("vlan type", 128, 16, Type::Ethertype),
];
const ARP: &[Entry] = &[
    entry("arp htype", 0, 16, Type::Number),
    entry("arp ptype", 16, 16, Type::Ethertype),
    entry("arp hlen", 32, 8, Type::Number),
    entry("arp plen", 40, 8, Type::Number),
    entry("arp operation", 48, 16, Type::ArpOperation),
    entry("arp saddr ether", 64, 48, Type::Ether),
    entry("arp saddr ip", 112, 32, Type::Ipv4),
    entry("arp daddr ether", 144, 48, Type::Ether),
    entry("arp daddr ip", 192, 32, Type::Ipv4),
];
const IP: &[Entry] = &[
    entry("ip version", 0, 4, Type::Number),
    entry("ip hdrlength", 4, 4, Type::Number),
    entry("ip dscp", 8, 6, Type::Dscp),
    entry("ip ecn", 14, 2, Type::Ecn),
    entry("ip length", 16, 16, Type::Number),
    entry("ip id", 32, 16, Type::Number),
    entry("ip frag-off", 48, 16, Type::Number),
    entry("ip ttl", 64, 8, Type::Number),
    entry("ip protocol", 72, 8, Type::Protocol),
    entry("ip checksum", 80, 16, Type::Number),
    entry("ip saddr", 96, 32, Type::Ipv4),
    entry("ip daddr", 128, 32, Type::Ipv4),
];
const IP6: &[Entry] = &[
    entry("ip6 version", 0, 4, Type::Number),
    entry("ip6 dscp", 4, 6, Type::Dscp),
    entry("ip6 ecn", 10, 2, Type::Ecn),
    entry("ip6 flowlabel", 12, 20, Type::Number),
    entry("ip6 length", 32, 16, Type::Number),
    entry("ip6 nexthdr", 48, 8, Type::Protocol),
    entry("ip6 hoplimit", 56, 8, Type::Number),
    entry("ip6 saddr", 64, 128, Type::Ipv6),
    entry("ip6 daddr", 192, 128, Type::Ipv6),
];
const TCP: &[Entry] = &[
    entry("tcp sport", 0, 16, Type::Port),
    entry("tcp dport", 16, 16, Type::Port),
    entry("tcp sequence", 32, 32, Type::Number),
    entry("tcp ackseq", 64, 32, Type::Number),
    entry("tcp doff", 96, 4, Type::Number),
    entry("tcp reserved", 100, 4, Type::Number),
    entry("tcp flags", 104, 8, Type::TcpFlags),
    entry("tcp window", 112, 16, Type::Number),
    entry("tcp checksum", 128, 16, Type::Number),
    entry("tcp urgptr", 144, 16, Type::Number),
];
const UDP: &[Entry] = &[
    entry("udp sport", 0, 16, Type::Port),
    entry("udp dport", 16, 16, Type::Port),
    entry("udp length", 32, 16, Type::Number),
    entry("udp checksum", 48, 16, Type::Number),
];
const UDPLITE: &[Entry] = &[
    entry("udplite sport", 0, 16, Type::Port),
    entry("udplite dport", 16, 16, Type::Port),
    entry("udplite checksum", 48, 16, Type::Number),
];
const SCTP: &[Entry] = &[
    entry("sctp sport", 0, 16, Type::Port),
    entry("sctp dport", 16, 16, Type::Port),
    entry("sctp vtag", 32, 32, Type::Number),
    entry("sctp checksum", 64, 32, Type::Number),
];
const DCCP: &[Entry] = &[
    entry("dccp sport", 0, 16, Type::Port),
    entry("dccp dport", 16, 16, Type::Port),
    entry("dccp type", 67, 4, Type::Dccp),
];
const ICMP: &[Entry] = &[
    entry("icmp type", 0, 8, Type::Icmp),
    entry("icmp code", 8, 8, Type::Number),
    entry("icmp checksum", 16, 16, Type::Number),
];
const ICMPV6: &[Entry] = &[
    entry("icmpv6 type", 0, 8, Type::Icmpv6),
    entry("icmpv6 code", 8, 8, Type::Number),
    entry("icmpv6 checksum", 16, 16, Type::Number),
];
const IGMP: &[Entry] = &[
    entry("igmp type", 0, 8, Type::Igmp),
    entry("igmp mrt", 8, 8, Type::Number),
    entry("igmp checksum", 16, 16, Type::Number),
    entry("igmp group", 32, 32, Type::Ipv4),
];
const ESP: &[Entry] =
    &[entry("esp spi", 0, 32, Type::Number), entry("esp sequence", 32, 32, Type::Number)];
const AH: &[Entry] = &[
    entry("ah hdrlength", 8, 8, Type::Number),
    entry("ah spi", 32, 32, Type::Number),
    entry("ah sequence", 64, 32, Type::Number),
];
const COMP: &[Entry] = &[
    entry("comp nexthdr", 0, 8, Type::Protocol),
    entry("comp flags", 8, 8, Type::Number),
    entry("comp cpi", 16, 16, Type::Number),
];
/// Any protocol with ports.
const TH: &[Entry] = &[entry("th sport", 0, 16, Type::Port), entry("th dport", 16, 16, Type::Port)];

/// What is known of a packet's protocols.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Protocols {
    /// `ETH_P_*`
    pub(super) network: Option<u16>,
    /// `IPPROTO_*`
    pub(super) transport: Option<u8>,
    pub(super) vlan: bool,
}

/// `ETH_P_IP`
pub(super) const ETH_P_IP: u16 = 0x0800;
/// `ETH_P_ARP`
pub(super) const ETH_P_ARP: u16 = 0x0806;
/// `ETH_P_IPV6`
pub(super) const ETH_P_IPV6: u16 = 0x86dd;
/// `ETH_P_8021Q`, `ETH_P_8021AD`
const VLANS: [u16; 2] = [0x8100, 0x88a8];

impl Protocols {
    /// Takes a frame's protocol.
    pub(super) fn ethertype(&mut self, value: u16) {
        if VLANS.contains(&value) {
            self.vlan = true;
        } else {
            self.network = Some(value);
        }
    }

    /// The fields of the header that begins at a base, as far as known.
    pub(super) fn fields(&self, at: u32) -> &'static [Entry] {
        match (at, self.network, self.transport) {
            (base::LINK, ..) if self.vlan => VLAN,
            (base::LINK, ..) => ETHER,
            (base::NETWORK, Some(ETH_P_IP), _) => IP,
            (base::NETWORK, Some(ETH_P_IPV6), _) => IP6,
            (base::NETWORK, Some(ETH_P_ARP), _) => ARP,
            (base::TRANSPORT, _, Some(transport)) => match transport {
                1 => ICMP,
                2 => IGMP,
                6 => TCP,
                17 => UDP,
                33 => DCCP,
                50 => ESP,
                51 => AH,
                58 => ICMPV6,
                108 => COMP,
                132 => SCTP,
                136 => UDPLITE,
                _ => TH,
            },
            (base::TRANSPORT, _, None) => TH,
            _ => &[],
        }
    }
}
