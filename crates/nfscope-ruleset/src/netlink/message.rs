//! Netlink messages of the netfilter family.
//!
//! ```text
//! struct nlmsghdr   u32 length, u16 type, u16 flags, u32 sequence, u32 port
//! struct nfgenmsg   u8 family, u8 version, be16 resource id
//! attributes
//! ```
//! `include/uapi/linux/netlink.h`, `include/uapi/linux/netfilter/nfnetlink.h`.
//! The message type is the subsystem number in the upper byte and the
//! subsystem's own message number in the lower one.

use super::attr::{AttributeWriter, Attributes, align};
use super::constants::{NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES};
use super::error::Error;

/// Size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Size of `struct nfgenmsg`.
const NFGEN: usize = 4;

/// `NLMSG_NOOP`
const NLMSG_NOOP: u16 = 1;
/// `NLMSG_ERROR`: an error, or an acknowledgement with error 0.
const NLMSG_ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
const NLMSG_DONE: u16 = 3;

/// `NLM_F_REQUEST`
pub(crate) const REQUEST: u16 = 0x001;
/// `NLM_F_ACK`
pub(crate) const ACK: u16 = 0x004;
/// `NLM_F_DUMP_INTR`: the data changed while it was dumped.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x010;
/// `NLM_F_DUMP`
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_EXCL`
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`
pub(crate) const APPEND: u16 = 0x800;

/// One received message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Message type: subsystem << 8 | number, or a control message.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Sequence number of the request it answers; 0 for notifications.
    pub sequence: u32,
    /// The port whose request it answers or tells of; 0: the kernel's own doing.
    pub port: u32,
    payload: &'a [u8],
}

/// What a message says beyond its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Data of a subsystem.
    Data,
    /// The end of a dump, with an error number or 0.
    Done(i32),
    /// Answer to a request: an error number, or 0 as acknowledgement.
    Answer(i32),
}

impl<'a> Message<'a> {
    /// The nf_tables message number (`NFT_MSG_*`), if it is one.
    pub fn nftables(&self) -> Option<u16> {
        (self.kind >> 8 == NFNL_SUBSYS_NFTABLES).then_some(self.kind & 0xff)
    }

    /// The family byte of `struct nfgenmsg` (`NFPROTO_*`).
    pub fn family(&self) -> u8 {
        self.payload.first().copied().unwrap_or(0)
    }

    /// The version in `struct nfgenmsg`.
    pub fn version(&self) -> u8 {
        self.payload.get(1).copied().unwrap_or(0)
    }

    /// The attributes behind `struct nfgenmsg`.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.payload.get(NFGEN..).unwrap_or_default())
    }

    pub(crate) fn control(&self) -> Control {
        let number = || {
            let bytes = self.payload.get(..4).and_then(|b| b.try_into().ok());
            bytes.map_or(0, |b| i32::from_ne_bytes(b).saturating_neg())
        };
        match self.kind {
            NLMSG_ERROR => Control::Answer(number()),
            NLMSG_DONE => Control::Done(number()),
            _ => Control::Data,
        }
    }
}

/// The messages of one received datagram. Ends at the first that does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads messages from `datagram`.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header: &[u8; HEADER] = self.rest.get(..HEADER)?.try_into().ok()?;
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = usize::try_from(word(0)).ok()?;
        let payload = self.rest.get(HEADER..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: word(8),
            port: word(12),
            payload,
        };
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(message)
    }
}

/// A request for nothing but an acknowledgement: no subsystem sees control
/// messages (`netlink_rcv_skb`, `net/netlink/af_netlink.c`).
pub(crate) fn nothing(sequence: u32) -> Vec<u8> {
    let mut bytes = (HEADER as u32).to_ne_bytes().to_vec();
    bytes.extend(NLMSG_NOOP.to_ne_bytes());
    bytes.extend((REQUEST | ACK).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes
}

/// Builds one datagram of one or more nf_tables requests.
#[derive(Debug, Default)]
pub struct Request {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Request {
    /// An empty datagram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an nf_tables message.
    pub fn push(
        &mut self,
        number: u16,
        flags: u16,
        family: u8,
        sequence: u32,
        fill: impl FnOnce(&mut AttributeWriter<'_>),
    ) {
        self.push_to(NFNL_SUBSYS_NFTABLES, (number, flags, family), sequence, fill);
    }

    /// Appends a message of another subsystem: its number, flags and family.
    pub(crate) fn push_to(
        &mut self,
        subsystem: u16,
        (number, flags, family): (u16, u16, u8),
        sequence: u32,
        fill: impl FnOnce(&mut AttributeWriter<'_>),
    ) {
        self.raw(subsystem << 8 | number, flags, [family, 0, 0, 0], sequence, fill);
    }

    /// Begins a transaction: what follows takes effect together or not at all.
    pub fn begin_batch(&mut self, sequence: u32) {
        self.batch(NFNL_MSG_BATCH_BEGIN, sequence);
    }

    /// Ends a transaction.
    pub fn end_batch(&mut self, sequence: u32) {
        self.batch(NFNL_MSG_BATCH_END, sequence);
    }

    fn batch(&mut self, kind: u16, sequence: u32) {
        let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
        self.raw(kind, REQUEST, [0, 0, high, low], sequence, |_| ());
    }

    fn raw(
        &mut self,
        kind: u16,
        flags: u16,
        nfgen: [u8; NFGEN],
        sequence: u32,
        fill: impl FnOnce(&mut AttributeWriter<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&nfgen);
        fill(&mut AttributeWriter::new(&mut self.bytes, &mut self.too_long));
        match u32::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
    }

    /// The datagram.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        if self.too_long { Err(Error::TooLong) } else { Ok(self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_messages_it_wrote() {
        let mut request = Request::new();
        request.begin_batch(1);
        request.push(6, REQUEST | ACK, 2, 2, |w| w.string(1, "t"));
        request.end_batch(3);
        let bytes = request.finish().unwrap();
        let all: Vec<_> = Messages::new(&bytes).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].nftables(), None);
        assert_eq!((all[1].nftables(), all[1].family(), all[1].sequence), (Some(6), 2, 2));
        assert_eq!(all[1].attributes().get(1).map(|a| a.string()), Some("t".into()));
        assert_eq!(all[1].control(), Control::Data);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            for message in Messages::new(&bytes) {
                let _ = message.control();
                for attribute in message.attributes() {
                    let _ = (attribute.string(), attribute.u64(), attribute.nested().count());
                }
            }
        }
    }
}
