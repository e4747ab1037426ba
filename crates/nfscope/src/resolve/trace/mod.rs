//! From a record of the kernel to a step on a packet's way.

mod calls;
mod connection;
mod decisions;
mod doubts;
mod evaluation;
mod fates;
mod headers;
mod ids;
mod passages;
mod passed;
mod rules;
mod tables;
#[cfg(test)]
mod tests;
mod unresolved;

use std::collections::HashMap;
use std::sync::Arc;

use nfscope_collect::trace::{Entry, Head, Miss, Record, TraceRecord};
use nfscope_event::{
    Backend, ChainRef, Device, Enter, Evaluation, Family, Missing, Netns, NoMatch, RuleText, Step,
    Trace,
};

use super::drop::{packet, process};
use super::{DropResolver, ReasonNames, hooks};
use crate::functions::FunctionNames;
use connection::{conntrack, mapped};
use decisions::{Traversal, decide};
use doubts::Doubts;
use headers::Headers;
pub use ids::ConnectionIds;
use passages::{Around, Passage};
use tables::TableTraversal;
pub use unresolved::Unresolved;

/// A packet of which nothing was heard for so long is not remembered.
const FORGET_NS: u64 = 300_000_000_000;
/// So many packets are remembered before any is forgotten.
const MANY: usize = 65_536;
/// `NFT_BREAK`
const BREAK: i32 = -2;
/// What is known of a packet while it lives.
#[derive(Debug, Clone)]
struct Way {
    id: u64,
    parent: Option<u64>,
    sequence: u32,
    seen_ns: u64,
    netns: u32,
    /// Those that are not over, the inner ones last.
    open: Vec<Traversal>,
    /// The same of tables of x_tables.
    tables: Vec<TableTraversal>,
    /// The last decision was a drop.
    dropped: bool,
    /// It was freed.
    gone: bool,
    cpu: Option<u32>,
    /// Sequence of its last step when it was last said that steps may be missing.
    doubted: Option<u32>,
}

/// Turns records into steps.
pub struct TraceResolver {
    drops: DropResolver,
    backend: Backend,
    functions: FunctionNames,
    ways: HashMap<(u64, u64), Way>,
    /// Those that ended since it was last asked what was lost.
    ended: Vec<Way>,
    doubts: Doubts,
    last: u64,
    shows: Shows,
}

/// What is wanted beside rules that matched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shows {
    /// Each expression's result.
    pub expr: bool,
    /// Rules that did not match.
    pub misses: bool,
    /// Why they did not.
    pub why: bool,
}

impl TraceResolver {
    /// `functions`: those whose calls are told. `numeric`: print addresses
    /// instead of function names.
    pub fn new(
        reasons: ReasonNames,
        backend: Backend,
        functions: FunctionNames,
        numeric: bool,
        shows: Shows,
    ) -> Self {
        let drops = DropResolver::new(reasons, backend, &[], numeric);
        Self {
            drops,
            backend,
            functions,
            ways: HashMap::new(),
            ended: Vec::new(),
            doubts: Doubts::default(),
            last: 0,
            shows,
        }
    }

    /// Now, as a wall clock stamp.
    pub fn now_ns(&self) -> u64 {
        self.drops.now_ns()
    }

    /// The steps of a record, with everything but rules' texts and the names
    /// of namespaces.
    pub fn steps(&mut self, record: &TraceRecord) -> Vec<Unresolved> {
        let head = &record.head;
        let key = (head.skb, head.start);
        let mut way = self.ways.remove(&key).unwrap_or_else(|| self.new_way(None, head));
        self.doubts.read_to(head.monotonic_ns);
        (way.seen_ns, way.cpu) = (head.monotonic_ns, head.cpu);
        let mut steps = Vec::new();
        let missing = head.sequence.saturating_sub(way.sequence.saturating_add(1));
        if missing > 0 {
            let open = way.open.iter_mut().flat_map(|t| &mut t.chains);
            open.for_each(|passage| passage.whole = false);
            way.lose_places();
            let step = Step::Missing(Missing { count: Some(missing) });
            steps.push(self.step(&way, head, head.sequence - 1, step));
        }
        way.sequence = head.sequence;
        // what was opened inside of a traversal is over when that goes on
        if head.traversal != 0
            && let Some(at) = way.open.iter().position(|t| t.number == head.traversal)
        {
            way.open.truncate(at + 1);
        }
        way.close_tables(head.traversal);
        let mut rule = (0, None);
        let mut table = None;
        let mut around = Around::default();
        let step = match &record.what {
            Record::Entry(entry) => self.entry(&mut way, head, entry),
            Record::Decision(decision) => {
                rule = (way.open.last().map_or(0, |t| t.table_handle), decision.registers);
                let (step, place) = decide(&mut way, head, decision);
                around = place;
                Some(step)
            }
            Record::Fate(fate) => self.fate(&mut way, head, fate),
            Record::Mapping(connection) => Some(mapped(head.traversal, connection)),
            Record::Function(call) => Some(self.called(&mut way, head, call)),
            Record::Table(entry) => self.table_entry(&mut way, head, entry),
            Record::TableRule(matched) => {
                let (step, part) = tables::matched(&mut way, head, matched, self.shows);
                table = part;
                Some(step)
            }
            Record::Misses(misses) => {
                steps.extend(self.misses(&mut way, head, misses));
                None
            }
        };
        if let Some(step) = step {
            way.gone |= step.ends();
            let mut last = self.step(&way, head, head.sequence, step);
            (last.table_handle, last.registers) = rule;
            last.around = around;
            last.table = table;
            steps.push(last);
        }
        // a rule that sends or steals the packet says so behind its end
        if !way.gone || !way.open.is_empty() || !way.tables.is_empty() {
            self.remember(key, way);
        } else if self.ended.len() < MANY {
            self.ended.push(way);
        }
        steps
    }

    fn remember(&mut self, key: (u64, u64), way: Way) {
        if self.ways.len() >= MANY {
            let now = way.seen_ns;
            self.ways.retain(|_, w| now.saturating_sub(w.seen_ns) < FORGET_NS);
        }
        // of a packet that is forgotten too early the next step says what is missing
        if self.ways.len() >= MANY {
            let mut seen: Vec<u64> = self.ways.values().map(|w| w.seen_ns).collect();
            let oldest = *seen.select_nth_unstable(MANY / 8).1;
            self.ways.retain(|_, w| w.seen_ns > oldest);
        }
        self.ways.insert(key, way);
    }

    fn new_way(&mut self, parent: Option<&Way>, head: &Head) -> Way {
        self.last += 1;
        Way {
            id: self.last,
            parent: parent.map(|p| p.id),
            sequence: 0,
            seen_ns: head.monotonic_ns,
            netns: parent.map_or(0, |p| p.netns),
            open: Vec::new(),
            tables: Vec::new(),
            dropped: false,
            gone: false,
            cpu: head.cpu,
            doubted: None,
        }
    }

    fn step(&self, way: &Way, head: &Head, sequence: u32, step: Step) -> Unresolved {
        Unresolved {
            trace: Box::new(Trace {
                time_ns: self.drops.time_ns(head.monotonic_ns),
                cpu: head.cpu,
                packet_id: way.id,
                sequence,
                parent: way.parent,
                netns: Netns { inode: way.netns, name: None },
                backend: self.backend,
                step,
            }),
            table_handle: 0,
            monotonic_ns: head.monotonic_ns,
            earliest_ns: head.earliest_ns,
            registers: None,
            packet: None,
            around: Around::default(),
            expr: self.shows.expr,
            table: None,
            before: Vec::new(),
        }
    }

    fn entry(&self, way: &mut Way, head: &Head, entry: &Entry) -> Option<Step> {
        let chain = &entry.chain;
        let place = ChainRef {
            family: Family::from_nfproto(chain.family)?,
            table: chain.table.clone(),
            chain: Some(chain.chain.clone()),
            base_chain: None,
            hook: hooks::name(chain.pf, chain.hook).map(str::to_string),
            priority: chain.priority,
        };
        way.netns = entry.packet.netns;
        way.dropped = false;
        // two levels are all that the programs tell apart
        if way.open.len() >= 2 {
            way.open.remove(0);
        }
        way.open.push(Traversal {
            number: head.traversal,
            entered_ns: head.monotonic_ns,
            earliest_ns: head.earliest_ns,
            base: place.clone(),
            table_handle: chain.table_handle,
            netns: entry.packet.netns,
            chains: vec![Passage::new(chain.chain.clone())],
            packet: Arc::new(Headers::of(entry)),
        });
        let device =
            |d: &Option<(u32, String)>| d.clone().map(|(index, name)| Device { index, name });
        Some(Step::Enter(Box::new(Enter {
            traversal: head.traversal,
            place,
            conntrack: entry.connection.as_ref().map(conntrack),
            in_device: device(&chain.input),
            out_device: device(&chain.output),
            packet: packet(&entry.packet),
            hash: entry.hash,
            generation: entry.generation,
            process: process(entry.packet.process.as_ref()),
        })))
    }

    fn misses(&self, way: &mut Way, head: &Head, misses: &[Miss]) -> Vec<Unresolved> {
        let first = head.sequence;
        way.sequence = misses.iter().skip(1).fold(first, |n, _| n.saturating_add(1));
        let Some(traversal) = way.open.last().filter(|t| t.number == head.traversal) else {
            let count = u32::try_from(misses.len()).unwrap_or(u32::MAX);
            let step = Step::Missing(Missing { count: Some(count) });
            return vec![self.step(way, head, way.sequence, step)];
        };
        way.netns = traversal.netns;
        let (place, depth) = (traversal.place(), traversal.depth());
        let (table_handle, packet) = (traversal.table_handle, Arc::clone(&traversal.packet));
        let (entered_ns, earliest_ns) = (traversal.entered_ns, traversal.earliest_ns);
        let step = |(sequence, miss): (u32, &Miss)| {
            let step = Step::NoMatch(Box::new(NoMatch {
                traversal: head.traversal,
                depth,
                place: place.clone(),
                handle: miss.rule,
                text: RuleText::default(),
                expression: miss.expr_index,
                why: None,
                registers: miss.registers.as_ref().map(hexadecimal),
                evaluation: Evaluation::default(),
            }));
            let mut step = self.step(way, head, sequence, step);
            step.table_handle = table_handle;
            step.registers = miss.registers;
            step.packet = Some(Arc::clone(&packet));
            step.around = Around { entered_ns, earliest_ns, code: BREAK, ..Around::default() };
            step
        };
        (first..).zip(misses).map(step).collect()
    }
}

/// Registers as they lie in memory.
fn hexadecimal(registers: &[u32; 20]) -> String {
    registers.iter().flat_map(|r| r.to_ne_bytes()).map(|byte| format!("{byte:02x}")).collect()
}
