//! What ctnetlink says of one connection.
//!
//! A question to ctnetlink loads its module, as one to nf_tables does:
//! [`ctnetlink_loaded`] says whether it is there.

use std::net::IpAddr;

use super::attr::AttributeWriter;
use super::constants::NFNL_SUBSYS_CTNETLINK;
use super::error::Error;
use super::socket::Socket;

/// `include/uapi/linux/netfilter/nfnetlink_conntrack.h`
const IPCTNL_MSG_CT_GET: u16 = 1;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4: [u16; 2] = [1, 2];
const CTA_IP_V6: [u16; 2] = [3, 4];
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_PORTS: [u16; 2] = [2, 3];
/// Identifier, type, code.
const CTA_PROTO_ICMP: [u16; 3] = [4, 5, 6];
const CTA_PROTO_ICMPV6: [u16; 3] = [7, 8, 9];
/// `NFPROTO_IPV4`, `NFPROTO_IPV6`
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// The direction in which a connection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Original {
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
    /// Zone.
    pub zone: u16,
}

/// Whether ctnetlink is there, as a module.
pub fn ctnetlink_loaded() -> bool {
    let state = std::fs::read_to_string("/sys/module/nf_conntrack_netlink/initstate");
    state.is_ok_and(|state| state.trim_end() == "live")
}

impl Socket {
    /// The id of a connection, as `conntrack -L -o id` shows it; none if
    /// conntrack's table has no such connection.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub fn connection_id(&mut self, original: &Original) -> Result<Option<u32>, Error> {
        let family = if original.source.is_ipv4() { IPV4 } else { IPV6 };
        let request = (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, family);
        let mut id = None;
        let asked = self.ask_one(
            request,
            "a connection",
            |w| fill(w, original),
            |message| {
                id = message.attributes().get(CTA_ID).and_then(|id| id.u32());
            },
        );
        match asked {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            result => result.map(|()| id),
        }
    }
}

fn fill(writer: &mut AttributeWriter<'_>, original: &Original) {
    writer.nest(CTA_TUPLE_ORIG, |w| {
        w.nest(CTA_TUPLE_IP, |w| {
            let ends = [original.source, original.destination];
            for (end, (v4, v6)) in ends.into_iter().zip(CTA_IP_V4.into_iter().zip(CTA_IP_V6)) {
                match end {
                    IpAddr::V4(address) => w.bytes(v4, &address.octets()),
                    IpAddr::V6(address) => w.bytes(v6, &address.octets()),
                }
            }
        });
        w.nest(CTA_TUPLE_PROTO, |w| {
            w.u8(CTA_PROTO_NUM, original.protocol);
            let icmp = match original.protocol {
                1 => Some(CTA_PROTO_ICMP),
                58 => Some(CTA_PROTO_ICMPV6),
                _ => None,
            };
            if let Some([id, kind, code]) = icmp {
                let [kind_is, code_is] = original.destination_port.to_be_bytes();
                w.bytes(id, &original.source_port.to_be_bytes());
                w.u8(kind, kind_is);
                w.u8(code, code_is);
            } else if matches!(original.protocol, 6 | 17 | 33 | 47 | 132 | 136) {
                let [source, destination] = CTA_PROTO_PORTS;
                w.bytes(source, &original.source_port.to_be_bytes());
                w.bytes(destination, &original.destination_port.to_be_bytes());
            }
        });
    });
    if original.zone != 0 {
        writer.bytes(CTA_ZONE, &original.zone.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Attributes;

    fn filled(original: &Original) -> Vec<u8> {
        let (mut bytes, mut too_long) = (Vec::new(), false);
        fill(&mut AttributeWriter::new(&mut bytes, &mut too_long), original);
        assert!(!too_long);
        bytes
    }

    #[test]
    fn a_question_names_the_original_direction() {
        let tcp = Original {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            source_port: 4000,
            destination_port: 80,
            protocol: 6,
            zone: 7,
        };
        let bytes = filled(&tcp);
        let all = Attributes::new(&bytes);
        assert_eq!(all.get(CTA_ZONE).and_then(|a| a.u16()), Some(7));
        let tuple = all.get(CTA_TUPLE_ORIG).unwrap().nested();
        let addresses = tuple.get(CTA_TUPLE_IP).unwrap().nested();
        assert_eq!(addresses.get(2).unwrap().payload, [10, 0, 0, 2]);
        let ports = tuple.get(CTA_TUPLE_PROTO).unwrap().nested();
        let ports = [1, 2, 3].map(|kind| ports.get(kind).unwrap().payload.to_vec());
        assert_eq!(ports, [vec![6], vec![15, 160], vec![0, 80]]);

        let echo = Original { protocol: 1, destination_port: 0x0800, zone: 0, ..tcp };
        let bytes = filled(&echo);
        assert!(Attributes::new(&bytes).get(CTA_ZONE).is_none());
        let tuple = Attributes::new(&bytes).get(CTA_TUPLE_ORIG).unwrap().nested();
        let icmp = tuple.get(CTA_TUPLE_PROTO).unwrap().nested();
        let icmp = [4, 5, 6].map(|kind| icmp.get(kind).unwrap().payload.to_vec());
        assert_eq!(icmp, [vec![15, 160], vec![8], vec![0]]);
    }
}
