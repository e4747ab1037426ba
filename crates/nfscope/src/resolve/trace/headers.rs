//! A packet's bytes, as the explanation of a rule that did not match wants
//! them.

use nfscope_collect::trace::{Connection, Entry};
use nfscope_ruleset::why::PacketFacts;

/// Bytes of the Ethernet header that every frame starts with, real or not.
const LINK_BYTES: usize = 14;
/// `NF_CT_STATE_INVALID_BIT`, `NF_CT_STATE_UNTRACKED_BIT`
/// (`include/uapi/linux/netfilter/nf_conntrack_common.h`)
const INVALID: u32 = 1;
const UNTRACKED: u32 = 1 << 6;

/// What a packet had when it entered a base chain.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers {
    frame: Vec<u8>,
    has_link: bool,
    ct_state: u32,
}

impl Headers {
    /// Of a packet that enters.
    pub fn of(entry: &Entry) -> Self {
        let packet = &entry.packet;
        Self {
            frame: packet.frame.clone(),
            has_link: packet.has_link,
            ct_state: state(entry.connection.as_ref()),
        }
    }

    /// For the explanation.
    pub fn facts(&self) -> PacketFacts<'_> {
        let network = network(&self.frame);
        PacketFacts {
            link: self.has_link.then_some(&self.frame),
            network,
            transport: network.and_then(transport),
            ct_state: Some(self.ct_state),
        }
    }
}

/// A frame from its network header on.
pub(super) fn network(frame: &[u8]) -> Option<&[u8]> {
    frame.get(LINK_BYTES..).filter(|bytes| !bytes.is_empty())
}

/// Behind an IPv4 header, or an IPv6 header without extensions.
fn transport(network: &[u8]) -> Option<&[u8]> {
    let first = *network.first()?;
    match first >> 4 {
        4 => network.get(usize::from(first & 15) * 4..),
        6 if matches!(network.get(6)?, 6 | 17 | 58 | 132) => network.get(40..),
        _ => None,
    }
}

/// What `ct state` loads (`nft_ct_get_eval` of `net/netfilter/nft_ct.c`).
fn state(connection: Option<&Connection>) -> u32 {
    match connection {
        None => INVALID,
        // NF_CT_STATE_BIT
        Some(c) if c.address != 0 => 1 << (c.info % 3 + 1),
        Some(c) if c.info == 7 => UNTRACKED,
        Some(_) => INVALID,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_of_nft() {
        let with = |info, address| Connection {
            info,
            address,
            status: 0,
            mark: 0,
            zone: 0,
            original: None,
            reply: None,
        };
        assert_eq!(state(None), 1);
        assert_eq!(state(Some(&with(0, 9))), 2);
        assert_eq!(state(Some(&with(3, 9))), 2);
        assert_eq!(state(Some(&with(1, 9))), 4);
        assert_eq!(state(Some(&with(2, 9))), 8);
        assert_eq!(state(Some(&with(7, 0))), 64);
    }

    #[test]
    fn the_transport_header_is_behind_the_options() {
        assert_eq!(transport(&[[0x46; 24], [7; 24]].concat()), Some(&[7; 24][..]));
        assert_eq!(transport(&[0x45; 10]), None);
        assert_eq!(transport(&[0x60; 60]), None);
        assert_eq!(transport(&[]), None);
    }
}
