//! Ethernet, VLAN tags and PPPoE: everything before the network header.
//!
//! ```text
//! Ethernet  0 destination[6]  6 source[6]  12 type
//! VLAN      0 control information  2 type        (behind a type 0x8100, 0x88a8)
//! PPPoE     0 version, code, session, length[6]  6 PPP protocol
//! ```

use super::bytes::{after, array_at, mac, u16_at};
use super::{
    ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, ETH_P_PPP_SES, Frame, Headers, OffloadedVlan,
};
use crate::{Link, Vlan};

const ETHERNET_LENGTH: usize = 14;
const VLAN_LENGTH: usize = 4;
const PPPOE_LENGTH: usize = 8;
// include/linux/ppp_defs.h, include/uapi/linux/ppp_defs.h
const PPP_IP: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// Reads the link layer into `found`; gives the type of what follows and its
/// bytes. Type 0: nothing more can be read.
pub(super) fn read<'a>(frame: &Frame<'a>, found: &mut Headers) -> (u16, &'a [u8]) {
    if let Some(OffloadedVlan { protocol, tci }) = frame.offloaded_vlan {
        found.vlan.push(tag(protocol, tci));
    }
    let (mut ethertype, mut rest) = (frame.ethertype, frame.bytes);
    if frame.has_link {
        let (Some(destination), Some(source)) = (array_at(rest, 0), array_at(rest, 6)) else {
            return (0, &[]);
        };
        found.link = Some(Link { source: mac(source), destination: mac(destination) });
        ethertype = u16_at(rest, 12).unwrap_or(0);
        rest = after(rest, ETHERNET_LENGTH);
    }
    // Without a link header the network header of a packet whose tag is in
    // the bytes starts with that tag (net/core/dev.c, skb_vlan_untag).
    while ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD {
        let Some(tci) = u16_at(rest, 0) else { return (0, &[]) };
        found.vlan.push(tag(ethertype, tci));
        ethertype = u16_at(rest, 2).unwrap_or(0);
        rest = after(rest, VLAN_LENGTH);
    }
    if ethertype == ETH_P_PPP_SES {
        ethertype = match u16_at(rest, 6) {
            Some(PPP_IP) => ETH_P_IP,
            Some(PPP_IPV6) => ETH_P_IPV6,
            _ => 0,
        };
        rest = after(rest, PPPOE_LENGTH);
    }
    (ethertype, rest)
}

fn tag(protocol: u16, tci: u16) -> Vlan {
    Vlan { id: tci & 0x0fff, priority: tci.to_be_bytes()[0] >> 5, protocol }
}
