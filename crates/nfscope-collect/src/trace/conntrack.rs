//! Connections as conntrack has them (`struct part_conntrack` of
//! `conntrack.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::reader::Reader;

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`
const IPV4: u16 = 2;
const IPV6: u16 = 10;
/// `CT_NONE`
const NONE: u32 = 0xff;

/// One direction of a connection (`struct nf_conntrack_tuple`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source port; the identifier of ICMP.
    pub source_port: u16,
    /// Destination port; type and code of ICMP.
    pub destination_port: u16,
    /// Transport protocol number.
    pub protocol: u8,
}

/// A packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// `enum ip_conntrack_info`: what the packet is to the connection.
    pub info: u32,
    /// Address of the `struct nf_conn`; 0: the packet is not to be tracked.
    pub address: u64,
    /// `IPS_*` bits.
    pub status: u64,
    /// `nf_conn.mark`.
    pub mark: u32,
    /// Zone.
    pub zone: u16,
    /// The direction in which it began, if it is told.
    pub original: Option<Tuple>,
    /// What is expected in answer.
    pub reply: Option<Tuple>,
}

/// The part; an inner `None`: the packet has no connection.
pub(super) fn connection(r: &mut Reader<'_>) -> Option<Option<Connection>> {
    let (address, status, info, mark) = (r.u64()?, r.u64()?, r.u32()?, r.u32()?);
    let zone = r.u32()?;
    r.u32()?;
    let (original, reply) = (r.take(40)?, r.take(40)?);
    let tuples = (address != 0).then(|| (tuple(original), tuple(reply)));
    let (original, reply) = tuples.unwrap_or_default();
    // a zone has 16 bits
    let zone = u16::try_from(zone).unwrap_or_default();
    let connection = Connection { info, address, status, mark, zone, original, reply };
    Some((info != NONE).then_some(connection))
}

/// `include/net/netfilter/nf_conntrack_tuple.h`: `src` is the address (16
/// bytes), the port, `l3num`; `dst` the address, the port, the protocol, the
/// direction.
fn tuple(bytes: &[u8]) -> Option<Tuple> {
    let mut r = Reader(bytes);
    let source = r.array::<16>()?;
    let (source_port, l3num) = (r.be16()?, r.u16()?);
    let destination = r.array::<16>()?;
    let (destination_port, protocol) = (r.be16()?, r.u8()?);
    let address = |bytes: [u8; 16]| match l3num {
        IPV4 => Some(Ipv4Addr::from([bytes[0], bytes[1], bytes[2], bytes[3]]).into()),
        IPV6 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    };
    Some(Tuple {
        source: address(source)?,
        destination: address(destination)?,
        source_port,
        destination_port,
        protocol,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_of_both_families() {
        let mut bytes = vec![10, 0, 0, 1];
        bytes.resize(16, 0);
        bytes.extend([0x1f, 0x90]);
        bytes.extend(IPV4.to_ne_bytes());
        bytes.extend([10, 0, 0, 2]);
        bytes.resize(36, 0);
        bytes.extend([0, 80, 6, 0]);
        let found = tuple(&bytes).unwrap();
        assert_eq!(found.source.to_string(), "10.0.0.1");
        assert_eq!((found.source_port, found.destination_port, found.protocol), (8080, 80, 6));
        bytes[18..20].copy_from_slice(&IPV6.to_ne_bytes());
        assert_eq!(tuple(&bytes).unwrap().source.to_string(), "a00:1::");
        bytes[18..20].copy_from_slice(&7_u16.to_ne_bytes());
        assert_eq!(tuple(&bytes), None);
        assert_eq!(tuple(&bytes[..38]), None);
    }
}
