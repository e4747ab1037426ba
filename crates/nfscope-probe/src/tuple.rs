//! `:tuple`: the ends of a connection, of a socket or of a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nfscope_event::Transport;
use nfscope_event::decode::{Frame, Headers, headers};
use nfscope_kernel::btf::Btf;

use crate::types::{Form, Type};

/// Where `struct sock_common` has what `:tuple` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TupleAt {
    /// Family, 2 bytes.
    pub family: usize,
    /// Own port, 2 bytes, in the machine's order.
    pub port: usize,
    /// Own IPv4 address.
    pub own: usize,
    /// The other end's port, in network order.
    pub other_port: usize,
    /// The other end's IPv4 address.
    pub other: usize,
    /// Own IPv6 address, if the kernel has IPv6.
    pub own6: Option<usize>,
    /// The other end's.
    pub other6: Option<usize>,
}

/// Where `struct sk_buff` has what leads to its network header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketAt {
    /// The address of its buffer.
    pub head: u32,
    /// Bytes from there to the network header, 2 bytes.
    pub network: u32,
    /// Bytes from there to the end of what is in that buffer, 4 bytes.
    pub tail: u32,
    /// The network protocol, 2 bytes, in network order.
    pub protocol: u32,
}

/// Words of a packet's data in front of its headers.
pub const PACKET_WORDS: usize = 3;
/// Bytes of headers that are read: IPv6 with an extension or two.
pub const PACKET_BYTES: u32 = 128;

/// Whether it is a `struct sock_common`, begins with one, or points to such.
pub fn is_sock(btf: &Btf, form: &Form) -> bool {
    let mut form = match form {
        Form::Pointer(Some(to)) => to.form(btf),
        other => other.clone(),
    };
    for _ in 0..8 {
        let Form::Composite(id, _) = form else { return false };
        if btf.tag_name(id) == Some("sock_common") {
            return true;
        }
        let Some(first) = btf.members(id).into_iter().next().filter(|part| part.bits == 0) else {
            return false;
        };
        form = Type::Id(first.type_id).form(btf);
    }
    false
}

/// Whether it is a `struct sk_buff`, or points to one.
pub fn is_skb(btf: &Btf, form: &Form) -> bool {
    let form = match form {
        Form::Pointer(Some(to)) => to.form(btf),
        other => other.clone(),
    };
    matches!(form, Form::Composite(id, _) if btf.tag_name(id) == Some("sk_buff"))
}

impl TupleAt {
    /// By the kernel's types, with the bytes that have to be read.
    pub fn read(btf: &Btf) -> Option<(u32, Self)> {
        let at = |name| btf.offset("sock_common", name).map(|at| at as usize);
        let known = Self {
            family: at("skc_family")?,
            port: at("skc_num")?,
            own: at("skc_rcv_saddr")?,
            other_port: at("skc_dport")?,
            other: at("skc_daddr")?,
            own6: at("skc_v6_rcv_saddr"),
            other6: at("skc_v6_daddr"),
        };
        let ends = [known.own6, known.other6].into_iter().flatten().map(|at| at + 16);
        let ports = [known.family, known.port, known.other_port].map(|at| at + 2);
        let size = ends.chain(ports).chain([known.own, known.other].map(|at| at + 4)).max()?;
        Some((u32::try_from(size).ok()?, known))
    }
}

impl PacketAt {
    /// By the kernel's types.
    pub fn read(btf: &Btf) -> Option<Self> {
        let at = |name, size| {
            let member = btf.member("sk_buff", name)?;
            (member.size() == size).then_some(member.byte_offset)
        };
        Some(Self {
            head: at("head", 8)?,
            network: at("network_header", 2)?,
            tail: at("tail", 4)?,
            protocol: at("protocol", 2)?,
        })
    }

    /// Where the words in front of the headers are, and how many bytes of each.
    pub fn words(&self) -> [(u32, u32); PACKET_WORDS] {
        [(self.network, 2), (self.tail, 4), (self.protocol, 2)]
    }
}

/// A socket's: `10.0.0.1:1234 > 10.0.0.2:80`, its own end first.
pub fn of_socket(at: &TupleAt, bytes: &[u8]) -> Option<String> {
    let two = |at: usize| bytes.get(at..)?.first_chunk::<2>().copied();
    let four = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|b| Ipv4Addr::from(*b));
    let sixteen = |at: usize| bytes.get(at..)?.first_chunk::<16>().map(|b| Ipv6Addr::from(*b));
    let port = u16::from_ne_bytes(two(at.port)?);
    let other_port = u16::from_be_bytes(two(at.other_port)?);
    match u16::from_ne_bytes(two(at.family)?) {
        // AF_INET, AF_INET6
        2 => Some(format!("{}:{port} > {}:{other_port}", four(at.own)?, four(at.other)?)),
        10 => {
            let (own, other) = (sixteen(at.own6?)?, sixteen(at.other6?)?);
            Some(format!("[{own}]:{port} > [{other}]:{other_port}"))
        }
        family => Some(format!("family {family}")),
    }
}

/// A packet's, the sender first; `None`: its headers are not where they should be.
pub fn of_packet(bytes: &[u8]) -> Option<String> {
    let (words, rest) = bytes.split_at_checked(8 * PACKET_WORDS)?;
    let word = |n: usize| words.get(8 * n..)?.first_chunk::<8>().copied();
    let (network, tail) = (u64::from_ne_bytes(word(0)?), u64::from_ne_bytes(word(1)?));
    // 0: nobody has set it yet; behind the tail there is something else
    let length = tail.checked_sub(network).filter(|_| network > 0)?;
    let bytes = rest.get(..rest.len().min(usize::try_from(length).ok()?))?;
    let [high, low, ..] = word(2)?;
    let ethertype = match (u16::from_be_bytes([high, low]), bytes.first()? >> 4) {
        // what is sent from here has it only later
        (0, 4) => IPV4,
        (0, 6) => IPV6,
        (known, _) => known,
    };
    let frame = Frame { ethertype, has_link: false, bytes, offloaded_vlan: None };
    let Headers { ip, transport, .. } = headers(&frame);
    let Some(ip) = ip else {
        let other = !matches!(ethertype, IPV4 | IPV6);
        return other.then(|| format!("protocol {ethertype:#06x}"));
    };
    let ports = match transport {
        Some(Transport::Tcp(tcp)) => Some(tcp.ports),
        Some(Transport::Udp(ports) | Transport::Sctp(ports)) => Some(ports),
        _ => None,
    };
    let end = |address: IpAddr, port: String| match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    };
    let later = ip.fragment_offset.is_some_and(|offset| offset > 0);
    let (source, destination) = match ports {
        Some(ports) => (ports.source.to_string(), ports.destination.to_string()),
        None if !later && [TCP, UDP, SCTP].contains(&ip.protocol) => ("?".into(), "?".into()),
        None => return Some(format!("{} > {}", ip.source, ip.destination)),
    };
    Some(format!("{} > {}", end(ip.source, source), end(ip.destination, destination)))
}

// include/uapi/linux/if_ether.h, include/uapi/linux/in.h
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet whose network header is at byte 64, with so many bytes there.
    fn packet(protocol: u16, network: u64, length: u64, headers: &[u8]) -> Option<String> {
        let mut data = [network, network + length].map(u64::to_ne_bytes).concat();
        data.extend(protocol.to_be_bytes());
        data.extend([0; 6]);
        data.extend(headers);
        data.resize(8 * PACKET_WORDS + PACKET_BYTES as usize, 0);
        of_packet(&data)
    }

    fn ipv4(fragment: u8, protocol: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 32, 0, 0, 0, fragment, 64, protocol, 0, 0];
        bytes.extend([10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 80, 0, 12, 0, 0]);
        bytes
    }

    #[test]
    fn ends_of_packets() {
        let udp = Some("10.0.0.1:1234 > 10.0.0.2:80".to_owned());
        assert_eq!(packet(IPV4, 64, 32, &ipv4(0, UDP)), udp);
        assert_eq!(packet(0, 64, 32, &ipv4(0, UDP)), udp);
        let bare = Some("10.0.0.1 > 10.0.0.2".to_owned());
        assert_eq!(packet(IPV4, 64, 32, &ipv4(0, 1)), bare);
        assert_eq!(packet(IPV4, 64, 32, &ipv4(5, UDP)), bare);
        let cut = Some("10.0.0.1:? > 10.0.0.2:?".to_owned());
        assert_eq!(packet(IPV4, 64, 20, &ipv4(0, UDP)), cut);
        assert_eq!(packet(0x88cc, 64, 20, &[1]).unwrap(), "protocol 0x88cc");
        let mut ipv6 = vec![0x60, 0, 0, 0, 0, 8, UDP, 64];
        ipv6.extend([0xfd].into_iter().chain([0; 14]).chain([1]));
        ipv6.extend([0xfd].into_iter().chain([0; 14]).chain([2]));
        ipv6.extend([0, 7, 0, 9, 0, 8, 0, 0]);
        assert_eq!(packet(IPV6, 64, 48, &ipv6).unwrap(), "[fd00::1]:7 > [fd00::2]:9");
    }

    #[test]
    fn what_is_no_packet_has_no_ends() {
        assert_eq!(packet(IPV4, 0, 32, &ipv4(0, UDP)), None, "no header is set");
        assert_eq!(packet(IPV4, 64, 0, &ipv4(0, UDP)), None);
        assert_eq!(packet(IPV4, 64, 12, &ipv4(0, UDP)), None, "it is cut off");
        assert_eq!(of_packet(&[0; 20]), None);
    }
}
