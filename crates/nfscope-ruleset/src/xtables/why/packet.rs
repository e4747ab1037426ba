//! What is known of the packet that a rule looked at.

use super::super::uapi::Family;

/// `include/uapi/linux/netfilter/nf_conntrack_common.h`
const UNTRACKED: u32 = 7;
const IS_REPLY: u32 = 3;
const SRC_NAT: u64 = 1 << 4;
const DST_NAT: u64 = 1 << 5;

/// Extension headers that the kernel walks over (`ipv6_ext_hdr`).
mod next {
    pub(super) const HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTH: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
}

/// A packet as it entered a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packet {
    /// From its network header on, as much as was recorded.
    pub network: Vec<u8>,
    /// Name of the hook's input device, if it has one.
    pub input: Option<String>,
    /// Name of the hook's output device.
    pub output: Option<String>,
    /// `skb->mark`
    pub mark: u32,
    /// Its state as the match conntrack has it: see [`ct_state`].
    pub ct_state: u32,
}

/// The bits by which the match conntrack knows a packet's state
/// (`XT_CONNTRACK_STATE_*`). `info`: `enum ip_conntrack_info`; `status`: the
/// connection's `IPS_*`, if there is one.
pub fn ct_state(info: u32, status: Option<u64>) -> u32 {
    match status {
        Some(status) => {
            let mapped = |bit, state| if status & bit != 0 { state } else { 0 };
            1 << (info % IS_REPLY + 1) | mapped(SRC_NAT, 1 << 6) | mapped(DST_NAT, 1 << 7)
        }
        None if info == UNTRACKED => 1 << 8,
        None => 1,
    }
}

/// What stands behind the network header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transport<'a> {
    pub protocol: u8,
    /// It is a fragment behind the first.
    pub is_rest: bool,
    pub bytes: &'a [u8],
}

impl Packet {
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.network.get(at).copied()
    }

    pub(super) fn word(&self, at: usize) -> Option<u16> {
        word(&self.network, at)
    }

    /// Whether the headers are of that family.
    pub(super) fn is(&self, family: Family) -> bool {
        let version = self.byte(0).map(|first| first >> 4);
        version == Some(if family == Family::Ipv6 { 6 } else { 4 })
    }

    /// Source and destination.
    pub(super) fn addresses(&self, family: Family) -> Option<[&[u8]; 2]> {
        let (at, len) = if family == Family::Ipv6 { (8, 16) } else { (12, 4) };
        Some([self.network.get(at..at + len)?, self.network.get(at + len..at + 2 * len)?])
    }

    /// As the kernel finds it; none if what was recorded ends before.
    pub(super) fn transport(&self, family: Family) -> Option<Transport<'_>> {
        if family == Family::Ipv6 {
            return behind_extensions(&self.network);
        }
        let start = usize::from(self.byte(0)? & 15) * 4;
        Some(Transport {
            protocol: self.byte(9)?,
            is_rest: self.word(6)? & 0x1fff != 0,
            bytes: self.network.get(start..)?,
        })
    }
}

/// `ipv6_find_hdr` of `net/ipv6/exthdrs_core.c`, asked for the last header.
fn behind_extensions(network: &[u8]) -> Option<Transport<'_>> {
    let (mut protocol, mut at) = (*network.get(6)?, 40usize);
    loop {
        let header = network.get(at..)?;
        let length = match protocol {
            next::FRAGMENT => {
                if word(header, 2)? & !7 != 0 {
                    let is_last = !is_extension(*header.first()?);
                    let protocol = *header.first()?;
                    // of other fragments the kernel finds no protocol
                    return is_last.then_some(Transport { protocol, is_rest: true, bytes: &[] });
                }
                8
            }
            next::AUTH => (usize::from(*header.get(1)?) + 2) * 4,
            next::HOP | next::ROUTING | next::DESTINATION => (usize::from(*header.get(1)?) + 1) * 8,
            _ => return Some(Transport { protocol, is_rest: false, bytes: header }),
        };
        protocol = *header.first()?;
        at = at.checked_add(length)?;
    }
}

fn is_extension(protocol: u8) -> bool {
    [next::HOP, next::ROUTING, next::FRAGMENT, next::AUTH, next::DESTINATION].contains(&protocol)
}

/// A number in network order.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn states_are_those_of_the_match() {
        assert_eq!((ct_state(0, None), ct_state(7, None)), (1, 256));
        assert_eq!((ct_state(0, Some(0)), ct_state(3, Some(0))), (2, 2));
        assert_eq!((ct_state(4, Some(0)), ct_state(2, Some(1 << 5))), (4, 8 | 128));
    }

    #[test]
    fn extension_headers_are_walked_over() {
        let mut bytes = vec![0x60; 40];
        bytes[6] = next::HOP;
        bytes.extend([next::FRAGMENT, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([17, 0, 0, 1, 0, 0, 0, 0]);
        bytes.extend([9; 8]);
        let is = |is_rest, bytes| Some(Transport { protocol: 17, is_rest, bytes });
        assert_eq!(behind_extensions(&bytes), is(false, &[9; 8][..]));
        // the reserved bits are no offset
        bytes[51] = 9;
        assert_eq!(behind_extensions(&bytes), is(true, &[][..]));
        assert_eq!(behind_extensions(&bytes[..50]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(network: Vec<u8>) {
            let packet = Packet { network, ..Packet::default() };
            for family in Family::ALL {
                let _ = (packet.transport(family), packet.addresses(family));
            }
        }
    }
}
