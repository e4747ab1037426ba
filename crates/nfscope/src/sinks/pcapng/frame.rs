//! A packet's bytes as they stand in the file: always an Ethernet frame, since
//! libpcap reads no file with several link types.

use nfscope_event::{Packet, Vlan};

/// `LINKTYPE_ETHERNET`
pub(super) const ETHERNET: u16 = 1;

const ADDRESSES: usize = 12;
const ETHERNET_LENGTH: usize = 14;
const TAG_LENGTH: usize = 4;

/// Bytes of a packet, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Framed {
    /// The frame.
    pub bytes: Vec<u8>,
    /// Whether the offloaded VLAN tag was put in.
    pub tag_inserted: bool,
    /// Length on the wire, as far as it can be told.
    pub original: u32,
}

/// The frame as it would be on the wire, with the offloaded VLAN tag; without
/// a link header behind one with addresses of zeros, as the loopback has.
pub(super) fn frame(packet: &Packet) -> Framed {
    let mut bytes = Vec::with_capacity(packet.bytes.len() + ETHERNET_LENGTH + TAG_LENGTH);
    if packet.link.is_none() {
        bytes.resize(ADDRESSES, 0);
        bytes.extend(packet.ethertype.to_be_bytes());
    }
    bytes.extend(&packet.bytes);
    let offloaded = packet.vlan.first().filter(|_| packet.vlan.len() > tags_in(&bytes));
    if let Some(Vlan { id, priority, protocol }) = offloaded {
        let [high, low] = (u16::from(*priority) << 13 | id).to_be_bytes();
        let [first, second] = protocol.to_be_bytes();
        let at = bytes.len().min(ADDRESSES);
        bytes.splice(at..at, [first, second, high, low]);
    }
    let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let original = wire_length(packet).max(captured);
    Framed { tag_inserted: offloaded.is_some(), original, bytes }
}

/// VLAN tags in an Ethernet frame's bytes.
fn tags_in(frame: &[u8]) -> usize {
    let types = frame.get(ADDRESSES..).unwrap_or_default().chunks(TAG_LENGTH);
    types.take_while(|bytes| matches!(bytes, [0x81, 0x00, ..] | [0x88, 0xa8, ..])).count()
}

/// `skb->len` counts from wherever the kernel was in the packet; an IP header
/// says its own length (0 in packets of more than 64 KiB).
fn wire_length(packet: &Packet) -> u32 {
    let headers = ETHERNET_LENGTH + packet.vlan.len() * TAG_LENGTH;
    match packet.ip.as_ref().map(|ip| ip.length) {
        Some(length) if length > 0 => {
            length.saturating_add(u32::try_from(headers).unwrap_or(u32::MAX))
        }
        _ => packet.length.unwrap_or(0),
    }
}

/// The captured bytes back from a frame of the file.
pub(super) fn unframe(frame: &[u8], has_link: bool, tag_inserted: bool) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    if tag_inserted {
        let end = bytes.len().min(ADDRESSES + TAG_LENGTH);
        bytes.drain(end.min(ADDRESSES)..end);
    }
    if !has_link {
        bytes.drain(..bytes.len().min(ETHERNET_LENGTH));
    }
    bytes
}
