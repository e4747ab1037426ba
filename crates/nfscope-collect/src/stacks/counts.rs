//! What was counted, read from the maps.

use std::collections::HashMap;

use libbpf_rs::{MapCore, MapFlags, Object};

use crate::memory::MapMemory;
use crate::reader::Reader;
use crate::{CollectError, object};

/// Names of the maps of stacks, in the order of their numbers.
pub const STACK_MAPS: [&str; 4] = ["stacks_0", "stacks_1", "stacks_2", "stacks_3"];
const STACK_MAP_SHIFT: u32 = 28;
const STACK_UNKEPT: i32 = -2;

/// A stack as the kernel walked it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stack {
    /// Addresses, innermost first.
    Frames(Vec<u64>),
    /// The kernel had none to give.
    Missing,
    /// There was one, but no room for it.
    Unkept,
}

/// On whose account the kernel worked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Context {
    /// A process's.
    Process {
        /// Its id.
        pid: u32,
        /// Its thread's name, if asked for.
        command: String,
    },
    /// An interrupt's or softirq's, whatever process it met.
    Interrupt,
    /// The kernel does not tell.
    Unknown,
}

/// One count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    /// How many events.
    pub count: u64,
    /// The kernel's stack.
    pub kernel: Stack,
    /// The process's stack.
    pub user: Stack,
    /// The drop reason's number, if the target has one.
    pub reason: Option<u32>,
    /// The CPU.
    pub cpu: u32,
    /// The packet's namespace; 0: it does not tell.
    pub netns: u32,
    /// If processes were asked for.
    pub context: Option<Context>,
}

/// Sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events that the filter took.
    pub events: u64,
    /// Of them, in no row: the map of counts was full.
    pub uncounted: u64,
    /// Stacks without room; their events are counted.
    pub unkept: u64,
    /// Events that the kernel did not show: the program was running already.
    pub skipped: u64,
}

/// All that was counted.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// In no order.
    pub rows: Vec<Row>,
    /// Sums.
    pub totals: Totals,
}

impl Totals {
    pub(super) fn read(all: &MapMemory) -> Result<Self, CollectError> {
        match all.words()[..] {
            [events, uncounted, unkept] => Ok(Self { events, uncounted, unkept, skipped: 0 }),
            _ => Err(CollectError::load("the counters are not there")),
        }
    }
}

/// A row as its key has it (`struct key`), with numbers for stacks.
pub(super) struct Key {
    kernel: i32,
    user: i32,
    row: Row,
}

impl Key {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let (kernel, user) = (r.u32()?.cast_signed(), r.u32()?.cast_signed());
        let (reason, cpu, netns) = (r.u32()?, r.u32()?, r.u32()?);
        let (context, pid, command) = (r.u32()?, r.u32()?, r.name(16)?);
        let context = match context {
            1 => Some(Context::Process { pid, command }),
            2 => Some(Context::Interrupt),
            3 => Some(Context::Unknown),
            _ => None,
        };
        let reason = (reason != super::config::NOWHERE).then_some(reason);
        let (kernel_stack, user_stack) = (Stack::Missing, Stack::Missing);
        let row =
            Row { count: 0, kernel: kernel_stack, user: user_stack, reason, cpu, netns, context };
        Some(Self { kernel, user, row })
    }
}

/// The processes that have a count.
pub(super) fn processes(object: &Object) -> Result<Vec<u32>, CollectError> {
    let keys = object::map(object, "counts")?.keys().collect::<Vec<_>>();
    let contexts = keys.iter().filter_map(|k| Key::parse(k)?.row.context);
    Ok(contexts
        .filter_map(|c| match c {
            Context::Process { pid, .. } => Some(pid),
            _ => None,
        })
        .collect())
}

/// Reads all rows; nothing may count any more.
pub(super) fn rows(object: &Object) -> Result<Vec<Row>, CollectError> {
    let counts = object::map(object, "counts")?;
    let mut stacks = Stacks { object, known: HashMap::new() };
    let mut rows = Vec::new();
    for bytes in counts.keys() {
        let value = counts.lookup(&bytes, MapFlags::ANY).map_err(CollectError::load)?;
        let count = value.and_then(|v| Reader(&v).u64());
        let (Some(key), Some(count)) = (Key::parse(&bytes), count) else {
            return Err(CollectError::load("a count cannot be read: built wrongly"));
        };
        let (kernel, user) = (stacks.get(key.kernel)?, stacks.get(key.user)?);
        rows.push(Row { count, kernel, user, ..key.row });
    }
    Ok(rows)
}

/// Stacks by their numbers.
struct Stacks<'o> {
    object: &'o Object,
    known: HashMap<i32, Stack>,
}

impl Stacks<'_> {
    fn get(&mut self, number: i32) -> Result<Stack, CollectError> {
        let Ok(id) = u32::try_from(number) else {
            return Ok(if number == STACK_UNKEPT { Stack::Unkept } else { Stack::Missing });
        };
        if let Some(stack) = self.known.get(&number) {
            return Ok(stack.clone());
        }
        let map = STACK_MAPS.get((id >> STACK_MAP_SHIFT) as usize).copied().unwrap_or_default();
        let id = id & ((1 << STACK_MAP_SHIFT) - 1);
        let value = object::map(self.object, map)?
            .lookup(&id.to_ne_bytes(), MapFlags::ANY)
            .map_err(CollectError::load)?
            .unwrap_or_default();
        let (words, _) = value.as_chunks::<8>();
        let frames = words.iter().map(|w| u64::from_ne_bytes(*w)).take_while(|a| *a != 0);
        let stack = Stack::Frames(frames.collect());
        self.known.insert(number, stack.clone());
        Ok(stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_as_the_program_lays_it_out() {
        let words: [u32; 7] = [1 << 28 | 7, u32::MAX, 3, 1, 42, 1, 99];
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        bytes.extend_from_slice(b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
        let key = Key::parse(&bytes).unwrap();
        assert_eq!((key.kernel, key.user), (1 << 28 | 7, -1));
        assert_eq!((key.row.reason, key.row.cpu, key.row.netns), (Some(3), 1, 42));
        let process = Context::Process { pid: 99, command: "curl".into() };
        assert_eq!(key.row.context, Some(process));
        assert!(Key::parse(&bytes[..43]).is_none());
    }
}
