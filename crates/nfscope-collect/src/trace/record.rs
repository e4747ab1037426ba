//! Records as the programs send them (`struct entry`, `struct decision` and
//! `struct fate` of `trace.h`).

use super::Connection;
use super::conntrack::connection;
use crate::drop::{DropRecord, NAME_SIZE, NftPart, base_part, nft_part};
use crate::reader::Reader;

/// What each record begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// CPU number.
    pub cpu: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// Address of the skb.
    pub skb: u64,
    /// When the packet was first seen (`CLOCK_MONOTONIC`): with `skb` it names
    /// the packet.
    pub start: u64,
    /// Number of the packet's record, from 1; a gap is a lost record.
    pub sequence: u32,
    /// Number of the packet's traversal of a base chain, from 1; 0: outside
    /// of one.
    pub traversal: u32,
}

/// A packet enters a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The packet's connection, where conntrack has one.
    pub connection: Option<Connection>,
    /// The packet, as the drop records have it; without what `nft` holds.
    pub packet: DropRecord,
    /// The base chain and the hook; no rule.
    pub chain: NftPart,
    /// `skb->hash`, if it was computed.
    pub hash: Option<u32>,
    /// Which of nftables' two generations is in force (`gencursor`); none where
    /// the kernel does not tell.
    pub generation: Option<u8>,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionKind {
    /// A rule matched.
    Rule,
    /// The end of a chain was reached.
    End,
    /// The policy of the base chain applied.
    Policy,
}

/// What nftables decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What decided.
    pub kind: DecisionKind,
    /// The rule's handle; 0 for others.
    pub rule: u64,
    /// `enum nft_verdicts` (negative) or `NF_*` with what stands in its upper
    /// half; of a policy `NF_DROP` or `NF_ACCEPT`.
    pub code: i32,
    /// The chain that a jump or goto leads to.
    pub target: Option<String>,
    /// nftables' registers (`struct nft_regs`), where the verdict is a rule's
    /// and not to go on.
    pub registers: Option<[u32; 20]>,
}

/// A rule that did not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The rule's handle.
    pub rule: u64,
    /// Where the expression that failed begins in the rule's expressions, in
    /// bytes.
    pub expr_offset: u32,
    /// Its number, from 0; none if it stands too far behind.
    pub expr_index: Option<u32>,
    /// nftables' registers (`struct nft_regs`) at that moment, if they are
    /// asked for.
    pub registers: Option<[u32; 20]>,
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FateKind {
    /// Dropped; the kernel's reason (`enum skb_drop_reason`, 0 without).
    Dropped {
        /// Number of the reason.
        reason: u32,
    },
    /// Freed, and that was no drop.
    Consumed,
    /// Freed where no tracepoint says why.
    Freed,
    /// Copied.
    Cloned {
        /// Address of the copy's skb.
        skb: u64,
        /// The copy's [`Head::start`].
        start: u64,
    },
    /// Handed to a device's driver.
    Sent {
        /// The device: index and name.
        device: (u32, String),
        /// Inode of its namespace.
        netns: u32,
    },
    /// Handed to a socket.
    Delivered {
        /// Inode of the socket's namespace.
        netns: u32,
        /// `AF_*` of the socket.
        family: u32,
    },
}

/// What became of a packet, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// What.
    pub kind: FateKind,
    /// Code address where it was freed; 0: see `callers`.
    pub location: u64,
    /// The callers of what freed it, innermost first.
    pub callers: Vec<u64>,
    /// Process id and command, where the process is the context.
    pub process: Option<(u32, String)>,
    /// Another task could interrupt the program that made the record.
    pub preemptible: bool,
}

/// One of the three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A base chain is entered.
    Entry(Box<Entry>),
    /// nftables decided.
    Decision(Decision),
    /// What became of it.
    Fate(Fate),
    /// Rules that did not match, in order; the head's sequence is the first's,
    /// each has one of its own.
    Misses(Vec<Miss>),
    /// The rule before it mapped the connection's addresses.
    Mapping(Connection),
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRecord {
    /// Which packet, when, where.
    pub head: Head,
    /// What happened.
    pub what: Record,
}

const ENTRY: u32 = 1;
const DECISION: u32 = 2;
const FATE: u32 = 3;
const MISSES: u32 = 4;
const MAPPING: u32 = 5;
/// Bytes of a [`Miss`] without its registers.
const MISS_SHORT: usize = 16;
const CALLERS: usize = 8;

impl TraceRecord {
    /// From a ring buffer record; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let kind = r.u32()?;
        let head = Head {
            cpu: r.u32()?,
            monotonic_ns: r.u64()?,
            skb: r.u64()?,
            start: r.u64()?,
            sequence: r.u32()?,
            traversal: r.u32()?,
        };
        let what = match kind {
            ENTRY => Record::Entry(Box::new(entry(&mut r)?)),
            DECISION => Record::Decision(decision(&mut r)?),
            FATE => Record::Fate(fate(&mut r)?),
            MAPPING => Record::Mapping(connection(&mut r)??),
            MISSES => Record::Misses(misses(&mut r)?),
            _ => return None,
        };
        Some(Self { head, what })
    }
}

fn entry(r: &mut Reader<'_>) -> Option<Entry> {
    let hash = Some(r.u32()?).filter(|hash| *hash != 0);
    let generation = u8::try_from(r.u32()?).ok().filter(|generation| *generation <= 1);
    let connection = connection(r)?;
    // both parts begin with their type
    r.u32()?;
    let chain = nft_part(r)?;
    r.u32()?;
    Some(Entry { connection, packet: base_part(r)?, chain, hash, generation })
}

fn decision(r: &mut Reader<'_>) -> Option<Decision> {
    let rule = r.u64()?;
    let code = r.u32()?.cast_signed();
    let kind = match r.u32()? {
        1 => DecisionKind::Rule,
        2 => DecisionKind::End,
        3 => DecisionKind::Policy,
        _ => return None,
    };
    let target = r.name(NAME_SIZE).filter(|name| !name.is_empty());
    Some(Decision { kind, rule, code, target, registers: registers(r) })
}

/// `struct nft_regs`, if it is there.
fn registers(r: &mut Reader<'_>) -> Option<[u32; 20]> {
    let mut all = [0; 20];
    for register in &mut all {
        *register = r.u32()?;
    }
    Some(all)
}

fn misses(r: &mut Reader<'_>) -> Option<Vec<Miss>> {
    let count = usize::try_from(r.u32()?).ok()?;
    r.u32()?;
    if count == 0 || count * MISS_SHORT > r.0.len() {
        return None;
    }
    let long = r.0.len() > count * MISS_SHORT;
    let miss = |r: &mut Reader<'_>| {
        Some(Miss {
            rule: r.u64()?,
            expr_offset: r.u32()?,
            expr_index: Some(r.u32()?).filter(|index| *index != u32::MAX),
            registers: if long { Some(registers(r)?) } else { None },
        })
    };
    (0..count).map(|_| miss(r)).collect()
}

fn fate(r: &mut Reader<'_>) -> Option<Fate> {
    let (kind, reason, location) = (r.u32()?, r.u32()?, r.u64()?);
    let (skb, start) = (r.u64()?, r.u64()?);
    let (ifindex, netns, pid, in_process) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    let (device, comm) = (r.name(16)?, r.name(16)?);
    let size = usize::try_from(r.u32()?.cast_signed()).unwrap_or(0);
    let family = r.u32()?;
    let callers = (0..CALLERS.min(size / 8)).map(|_| r.u64()).collect::<Option<_>>()?;
    let kind = match kind {
        1 => FateKind::Dropped { reason },
        2 => FateKind::Consumed,
        3 => FateKind::Freed,
        4 => FateKind::Cloned { skb, start },
        5 => FateKind::Sent { device: (ifindex, device), netns },
        6 => FateKind::Delivered { netns, family },
        _ => return None,
    };
    let process = (in_process != 0).then_some((pid, comm));
    Some(Fate { kind, location, callers, process, preemptible: in_process == 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decision as the programs send it, the verdict's number given.
    fn decision(code: i32, whole: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [DECISION, 3] {
            bytes.extend(word.to_ne_bytes());
        }
        for word in [1_u64, 2, 3] {
            bytes.extend(word.to_ne_bytes());
        }
        for word in [4_u32, 5] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(77_u64.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        if whole {
            bytes.extend(b"services\0");
            bytes.resize(bytes.len() + NAME_SIZE - 9, 0xff);
            (0..20_u32).for_each(|n| bytes.extend(n.to_ne_bytes()));
        }
        bytes
    }

    #[test]
    fn decisions_with_and_without_registers() {
        let jump = TraceRecord::parse(&decision(-3, true)).unwrap();
        let Record::Decision(jump) = jump.what else { panic!() };
        assert_eq!((jump.rule, jump.code, jump.target.as_deref()), (77, -3, Some("services")));
        assert_eq!(jump.registers.map(|r| r[19]), Some(19));

        let next = TraceRecord::parse(&decision(-1, false)).unwrap();
        assert_eq!((next.head.cpu, next.head.sequence, next.head.traversal), (3, 4, 5));
        let Record::Decision(next) = next.what else { panic!() };
        assert_eq!((next.code, next.target, next.registers), (-1, None, None));
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        let bytes = decision(-1, false);
        for length in 0..bytes.len() {
            assert_eq!(TraceRecord::parse(&bytes[..length]), None, "{length}");
        }
        for kind in [ENTRY, FATE, 0, 99] {
            let mut other = bytes.clone();
            other[..4].copy_from_slice(&kind.to_ne_bytes());
            assert_eq!(TraceRecord::parse(&other), None);
        }
    }
}
