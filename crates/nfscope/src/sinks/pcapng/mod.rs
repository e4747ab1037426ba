//! Packets with their verdicts as a pcapng file: Wireshark and tcpdump read
//! the packets, Wireshark shows the verdict as the packet's comment, and
//! [`read`] gives the events back.
//!
//! One interface for each device of each namespace, all of them Ethernet. A
//! packet has two comments: the verdict for people, and `nfscope` with the
//! event's JSON. Losses and notices are empty packets on an interface
//! `nfscope` of their own, at the place in the stream where they belong.
//!
//! Blocks (draft-ietf-opsawg-pcapng), all numbers little-endian:
//!
//! ```text
//! block     0 type  4 length  8 body, padded to 4 bytes  -4 length again
//! section   0 byte order magic  4 version 1.0  8 section length, -1
//! interface 0 link type[2]  2 reserved[2]  4 snap length  8 options
//! packet    0 interface  4 time, high  8 time, low  12 captured  16 original length
//!           20 bytes, padded to 4, then options
//! option    0 code[2]  2 length[2]  4 value, padded to 4
//! ```

mod frame;
mod read;
mod write;

pub use read::{ReadError, read};
pub use write::Pcapng;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_INTERFACE_NAME: u16 = 2;
const OPTION_USER_APPLICATION: u16 = 4;
const OPTION_TIME_RESOLUTION: u16 = 9;
/// 10^-9 seconds
const NANOSECONDS: u8 = 9;

/// What the machine's comment starts with.
const MARK: &str = "nfscope ";
/// What follows the mark when the offloaded VLAN tag was put into the bytes.
const TAG_INSERTED: &str = "tag-inserted ";

#[cfg(test)]
mod tests;
