//! Records as the programs send them (`trace.h`).

use super::conntrack::connection;
use super::fate::fate;
use super::tables::{TableEntry, TableRule, table_entry, table_rule};
use super::{Connection, Fate};
use crate::drop::{DropRecord, NAME_SIZE, NftPart, base_part, nft_part};
use crate::reader::Reader;

/// What each record begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// CPU number, where it is known.
    pub cpu: Option<u32>,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// The earliest that it can have been: the same, where the kernel has stamped it.
    pub earliest_ns: u64,
    /// Address of the skb, or the kernel's own number for the packet.
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

/// A kernel function is called with the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its address, or that of its first instructions.
    pub address: u64,
    /// The packet, where this is the first that is told of it.
    pub packet: Option<Box<DropRecord>>,
}

/// What a record tells.
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
    /// A kernel function is called with the packet.
    Function(Call),
    /// A table of x_tables is entered.
    Table(Box<TableEntry>),
    /// A rule of it matched.
    TableRule(TableRule),
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
const FUNCTION: u32 = 6;
const TABLE: u32 = 7;
const TABLE_RULE: u32 = 8;
/// Bytes of a [`Miss`] without its registers.
const MISS_SHORT: usize = 16;

impl TraceRecord {
    /// From a ring buffer record; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let kind = r.u32()?;
        let (cpu, monotonic_ns) = (Some(r.u32()?), r.u64()?);
        let head = Head {
            cpu,
            monotonic_ns,
            earliest_ns: monotonic_ns,
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
            FUNCTION => Record::Function(call(&mut r)?),
            TABLE => Record::Table(Box::new(table_entry(entry(&mut r)?))),
            TABLE_RULE => Record::TableRule(table_rule(&mut r)?),
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

fn call(r: &mut Reader<'_>) -> Option<Call> {
    let (address, has_packet) = (r.u64()?, r.u32()? != 0);
    r.u32()?;
    let mut packet = None;
    if has_packet {
        // the part begins with its type
        r.u32()?;
        packet = Some(Box::new(base_part(r)?));
    }
    Some(Call { address, packet })
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
        assert_eq!((next.head.cpu, next.head.sequence, next.head.traversal), (Some(3), 4, 5));
        let Record::Decision(next) = next.what else { panic!() };
        assert_eq!((next.code, next.target, next.registers), (-1, None, None));
    }

    #[test]
    fn a_function_with_and_without_its_packet() {
        let mut bytes = decision(-1, false);
        bytes[..4].copy_from_slice(&FUNCTION.to_ne_bytes());
        // behind the head: the address, whether a packet follows
        bytes[48..52].copy_from_slice(&0_u32.to_ne_bytes());
        let found = TraceRecord::parse(&bytes).unwrap();
        assert_eq!(found.what, Record::Function(Call { address: 77, packet: None }));
        bytes[48..52].copy_from_slice(&1_u32.to_ne_bytes());
        assert_eq!(TraceRecord::parse(&bytes), None);
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        let bytes = decision(-1, false);
        for length in 0..bytes.len() {
            assert_eq!(TraceRecord::parse(&bytes[..length]), None, "{length}");
        }
        for kind in [ENTRY, FATE, TABLE, 0, 99] {
            let mut other = bytes.clone();
            other[..4].copy_from_slice(&kind.to_ne_bytes());
            assert_eq!(TraceRecord::parse(&other), None);
        }
    }
}
