//! What the programs send and count, as `probe.h` lays it out.

use crate::memory::MapMemory;
use crate::reader::Reader;
use crate::stacks::{Context, Stack};

/// `sizeof(comm)`
const COMM: usize = 16;
/// `BUCKETS`: zero, then powers of two above it, then those below.
const ABOVE: usize = 64;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRecord {
    /// When, as `CLOCK_MONOTONIC` counts.
    pub monotonic_ns: u64,
    /// The instruction pointer; 0 at a tracepoint.
    pub address: u64,
    /// From the entry to the return, if that is watched.
    pub latency_ns: u64,
    /// The number of the group that its target is in.
    pub group: u32,
    /// The thread that the CPU ran.
    pub tid: u32,
    /// The CPU.
    pub cpu: u32,
    /// On whose account.
    pub context: Context,
    /// Fields, and behind them the stack.
    pub data: Vec<u8>,
    /// Bytes of the stack, behind the fields; negative: there is none.
    pub stack_bytes: i32,
}

impl ProbeRecord {
    /// Reads `struct record`; nothing if it is short.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let (monotonic_ns, address, latency_ns) = (r.u64()?, r.u64()?, r.u64()?);
        let (group, pid, tid, cpu) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
        let context = r.u32()?;
        let stack_bytes = r.u32()?.cast_signed();
        let command = r.name(COMM)?;
        let context = match context {
            1 => Context::Process { pid, command },
            2 => Context::Interrupt,
            _ => Context::Unknown,
        };
        let data = r.0.to_vec();
        Some(Self {
            monotonic_ns,
            address,
            latency_ns,
            group,
            tid,
            cpu,
            context,
            data,
            stack_bytes,
        })
    }

    /// The stack, innermost first, behind so many bytes of fields.
    pub fn stack(&self, fields: usize) -> Stack {
        let bytes = usize::try_from(self.stack_bytes).ok().filter(|n| *n > 0);
        let Some(bytes) = bytes.and_then(|n| self.data.get(fields..fields.checked_add(n)?)) else {
            return Stack::Missing;
        };
        let mut r = Reader(bytes);
        Stack::Frames(std::iter::from_fn(|| r.u64()).take_while(|frame| *frame != 0).collect())
    }
}

/// Sums, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeTotals {
    /// Events that the condition and the filter took.
    pub events: u64,
    /// Of them: the ring buffer had no room.
    pub ring: u64,
    /// Of them: the map of counts had no room.
    pub uncounted: u64,
    /// Calls whose return was not seen, or for which there was no room.
    pub calls: u64,
    /// Left out: what the condition asks for could not be read.
    pub unread: u64,
    /// Events whose value for the histogram could not be read.
    pub unread_values: u64,
    /// The kernel skipped a program.
    pub skipped: u64,
}

impl ProbeTotals {
    pub(super) fn read(memory: &MapMemory) -> Self {
        let words = memory.words();
        let word = |n: usize| words.get(n).copied().unwrap_or(0);
        Self {
            events: word(0),
            ring: word(1),
            uncounted: word(2),
            calls: word(3),
            unread: word(4),
            unread_values: word(5),
            skipped: 0,
        }
    }
}

/// A row of a histogram: values from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The least value of the row.
    pub low: i128,
    /// The greatest.
    pub high: i128,
    /// How many.
    pub count: u64,
}

/// The rows that have a count, those between them, too; the least first.
pub(super) fn buckets(words: &[u64]) -> Vec<Bucket> {
    let count = |n: usize| words.get(n).copied().unwrap_or(0);
    let power = |n: usize| 1i128 << (n - 1);
    let below = (1..=ABOVE).rev().map(|n| Bucket {
        low: 1 - 2 * power(n),
        high: -power(n),
        count: count(ABOVE + n),
    });
    let zero = Bucket { low: 0, high: 0, count: count(0) };
    let above =
        (1..=ABOVE).map(|n| Bucket { low: power(n), high: 2 * power(n) - 1, count: count(n) });
    let all: Vec<Bucket> = below.chain([zero]).chain(above).collect();
    let used = |bucket: &Bucket| bucket.count > 0;
    match (all.iter().position(used), all.iter().rposition(used)) {
        (Some(first), Some(last)) => all.get(first..=last).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record() {
        let mut bytes = [7u64, 8, 9].map(u64::to_ne_bytes).concat();
        bytes.extend([1u32, 2, 3, 4, 1, 16].map(u32::to_ne_bytes).concat());
        bytes.extend(*b"nft\0............");
        bytes.extend([5u64, 0, 11, 12].map(u64::to_ne_bytes).concat());
        let record = ProbeRecord::parse(&bytes).unwrap();
        assert_eq!((record.monotonic_ns, record.address, record.latency_ns), (7, 8, 9));
        assert_eq!((record.group, record.tid, record.cpu), (1, 3, 4));
        assert_eq!(record.context, Context::Process { pid: 2, command: "nft".into() });
        assert_eq!(record.stack(16), Stack::Frames(vec![11, 12]));
        assert_eq!(record.stack(17), Stack::Missing);
        assert_eq!(ProbeRecord::parse(&bytes[..60]), None);
    }

    #[test]
    fn rows_of_a_histogram() {
        let mut words = [0; 129];
        words[0] = 1;
        words[2] = 3;
        words[ABOVE + 1] = 4;
        let rows: Vec<_> = buckets(&words).iter().map(|b| (b.low, b.high, b.count)).collect();
        assert_eq!(rows, [(-1, -1, 4), (0, 0, 1), (1, 1, 0), (2, 3, 3)]);
        assert!(buckets(&[0; 129]).is_empty());
    }
}
