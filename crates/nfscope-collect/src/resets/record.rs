//! Records, as `struct reset` of `resets.h` lays them out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::drop::{LegacyPart, NftPart, Note, nft_part};
use crate::reader::Reader;

/// How a reset was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TCP answers a segment.
    Reply,
    /// TCP ends a connection.
    Active,
    /// Netfilter answers a packet.
    Reject,
    /// It has arrived.
    Arrived,
    /// It has arrived, and ends a connection.
    Accepted,
    /// It passes through.
    Forwarded,
    /// A program has made it.
    Forged,
}

impl Kind {
    fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Reply,
            2 => Self::Active,
            3 => Self::Reject,
            4 => Self::Arrived,
            5 => Self::Accepted,
            6 => Self::Forwarded,
            7 => Self::Forged,
            _ => return None,
        })
    }
}

/// For whom the kernel worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// For a process: id and command.
    Process(u32, String),
    /// In an interrupt or softirq.
    Interrupt,
    /// The kernel does not tell.
    Unknown,
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number; none where the kernel had not chosen it.
    pub seq: Option<u32>,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, as the header has them.
    pub flags: u8,
    /// Bytes of data.
    pub length: u32,
}

/// A reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetRecord {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// Address of the skb that is answered, or that arrived.
    pub skb: u64,
    /// Address of the socket; 0: none.
    pub socket: u64,
    /// Inode of the socket's file.
    pub inode: Option<u64>,
    /// How it was met.
    pub kind: Kind,
    /// CPU number.
    pub cpu: u32,
    /// Namespace inode; 0: unknown.
    pub netns: u32,
    /// `enum sk_rst_reason`.
    pub reason: Option<u32>,
    /// The socket's state (`TCP_*`).
    pub state: Option<u8>,
    /// Device: index and name, which may be empty.
    pub device: Option<(u32, String)>,
    /// For whom the kernel worked.
    pub context: Context,
    /// Where the reset comes from; none: its headers could not be read.
    pub source: Option<(IpAddr, u16)>,
    /// Where it goes.
    pub destination: Option<(IpAddr, u16)>,
    /// The reset itself.
    pub reset: Option<Segment>,
    /// What it answers.
    pub answered: Option<Segment>,
    /// conntrack called the answered segment INVALID, for this reason; empty: it
    /// told none.
    pub invalid: Option<String>,
    /// The rule that rejects; of a target, if `nft_target_eval_xt` is on the stack.
    pub nft: Option<NftPart>,
    /// It is the rule of a target of iptables-nft.
    pub of_target: bool,
    /// The rule of x_tables that may reject: if it is one with a reset, and its table function
    /// is on the stack.
    pub legacy: Option<LegacyPart>,
    /// Kernel stack, innermost first.
    pub stack: Vec<u64>,
}

/// `NOT_THERE` and `SEQ_UNKNOWN` of `resets.h`.
const NOT_THERE: u32 = u32::MAX;
const SEQ_UNKNOWN: u32 = 0x100;
const STACK: usize = 32;
const HAS_RULE_OF_TARGET: u32 = 2;
const HAS_RULE_OF_TABLE: u32 = 3;
const INVALID_TEXT: usize = 96;
const CONTEXT_PROCESS: u32 = 1;
const CONTEXT_INTERRUPT: u32 = 2;
/// `include/linux/socket.h`
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

impl ResetRecord {
    /// From a ring buffer record; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let (monotonic_ns, skb, socket, inode) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
        let kind = Kind::from_number(r.u32()?)?;
        let (cpu, netns, reason, state) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
        let (index, context, pid, family) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
        let (source_port, destination_port) = (r.u16()?, r.u16()?);
        let (reset, answered) = (segment(&mut r)?, segment(&mut r)?);
        let (source, destination) = (r.array::<16>()?, r.array::<16>()?);
        let (device, command) = (r.name(16)?, r.name(16)?);
        let (invalid, _) = (r.u32()? != 0, r.u32()?);
        let text = r.name(INVALID_TEXT)?;
        let rule = r.u32()?;
        let stack_bytes = usize::try_from(r.u32()?.cast_signed()).unwrap_or(0);
        let mut words = Reader(r.take(STACK * 8)?);
        let stack = (0..(stack_bytes / 8).min(STACK)).map(|_| words.u64());
        let stack = stack.collect::<Option<Vec<_>>>()?;
        let part = if rule != 0 {
            r.u32()?;
            // the part's kind says nothing here
            let rest = r.take(r.0.len())?;
            nft_part(&mut Reader(rest))
        } else {
            None
        };
        let (nft, legacy) = match part {
            Some(part) if rule == HAS_RULE_OF_TABLE => {
                (None, Some(LegacyPart { note: Note::LegacyRule, ..LegacyPart::of(part) }))
            }
            part => (part, None),
        };
        let end = |address, port| Some((ip(family, address)?, port)).filter(|_| port != 0);
        Some(Self {
            monotonic_ns,
            skb,
            socket,
            inode: (inode != 0).then_some(inode),
            kind,
            cpu,
            netns,
            reason: (reason != NOT_THERE).then_some(reason),
            state: u8::try_from(state).ok().filter(|state| *state != 0),
            device: (index != 0).then_some((index, device)),
            context: match context {
                CONTEXT_PROCESS => Context::Process(pid, command),
                CONTEXT_INTERRUPT => Context::Interrupt,
                _ => Context::Unknown,
            },
            source: end(source, source_port),
            destination: end(destination, destination_port),
            reset,
            answered,
            invalid: invalid.then_some(text),
            nft,
            of_target: rule == HAS_RULE_OF_TARGET,
            legacy,
            stack,
        })
    }
}

fn segment(r: &mut Reader<'_>) -> Option<Option<Segment>> {
    let (seq, ack, flags, length) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    let seq = (flags & SEQ_UNKNOWN == 0).then_some(seq);
    Some((flags != NOT_THERE).then_some(Segment { seq, ack, flags: flags as u8, length }))
}

fn ip(family: u32, bytes: [u8; 16]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        AF_INET6 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the program lays it out: 80.. > ..4000, answered a SYN.
    fn bytes() -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for word in [5_u64, 0xff00, 0, 0] {
            out.extend(word.to_ne_bytes());
        }
        for word in [1, 2, 77, 3, 10, 4, 1, 42, AF_INET] {
            out.extend(word.to_ne_bytes());
        }
        out.extend(80_u16.to_ne_bytes());
        out.extend(4000_u16.to_ne_bytes());
        for word in [0, 8, 0x14, 0, 7, 0, 2, 0] {
            out.extend(u32::to_ne_bytes(word));
        }
        out.extend([10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(b"eth0\0\0\0\0\0\0\0\0\0\0\0\0curl\0\0\0\0\0\0\0\0\0\0\0\0");
        out.extend([0; 8]);
        out.extend([0; INVALID_TEXT]);
        out.extend(0_u32.to_ne_bytes());
        out.extend(16_u32.to_ne_bytes());
        out.extend((0..STACK as u64).flat_map(|n| (n + 1).to_ne_bytes()));
        out
    }

    #[test]
    fn a_record_as_the_program_lays_it_out() {
        let record = ResetRecord::parse(&bytes()).unwrap();
        assert_eq!((record.kind, record.cpu, record.netns), (Kind::Reply, 2, 77));
        assert_eq!((record.reason, record.state), (Some(3), Some(10)));
        assert_eq!(record.device, Some((4, "eth0".into())));
        assert_eq!(record.context, Context::Process(42, "curl".into()));
        assert_eq!(record.source, Some(([10, 0, 0, 2].into(), 80)));
        assert_eq!(record.destination, Some(([10, 0, 0, 1].into(), 4000)));
        let answered = Segment { seq: Some(7), ack: 0, flags: 2, length: 0 };
        assert_eq!(record.answered, Some(answered));
        assert_eq!(record.stack, [1, 2]);
        assert_eq!((record.inode, record.nft, record.invalid), (None, None, None));
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        let bytes = bytes();
        for length in 0..bytes.len() {
            assert_eq!(ResetRecord::parse(&bytes[..length]), None);
        }
        assert_eq!(ResetRecord::parse(&[0xff; 2000]), None);
    }
}
