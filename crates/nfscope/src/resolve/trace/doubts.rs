//! Packets of which steps may be missing that left no gap in their numbers.

use nfscope_event::{Missing, Netns, Step, Trace};

use super::{Around, TraceResolver, Unresolved, Way};

/// Which records are still to be read that are older than a loss.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// When a loss was last noticed, if packets of that time are still to come.
    noticed_ns: Option<u64>,
    /// The newest record that was read since the last look.
    read_ns: Option<u64>,
}

impl Doubts {
    /// A record of that time was read.
    pub(super) fn read_to(&mut self, monotonic_ns: u64) {
        self.read_ns = self.read_ns.max(Some(monotonic_ns));
    }

    /// Whether packets whose records were read lately may lack steps.
    fn look(&mut self, skipped: bool) -> bool {
        if skipped {
            self.noticed_ns = Some(nfscope_ruleset::monotonic_ns());
        }
        let Some(noticed) = self.noticed_ns else {
            self.read_ns = None;
            return false;
        };
        // with nothing read the ring is empty: all of that time were seen
        if !skipped && self.read_ns.take().is_none_or(|read| read > noticed) {
            self.noticed_ns = None;
        }
        true
    }
}

impl TraceResolver {
    /// Takes note of what was lost since the last call. A program that the
    /// kernel skips has no part in the numbers of a packet's records: all packets
    /// that were under way meanwhile may lack its step, and are told to.
    pub fn doubts(&mut self, skipped: bool) -> Vec<Unresolved> {
        let mut ended = std::mem::take(&mut self.ended);
        if !self.doubts.look(skipped) {
            return Vec::new();
        }
        let mut ways = std::mem::take(&mut self.ways);
        let steps = ended.iter_mut().chain(ways.values_mut());
        let mut steps: Vec<Unresolved> = steps.filter_map(|way| self.doubt(way)).collect();
        self.ways = ways;
        steps.sort_by_key(|step| step.trace.packet_id);
        steps
    }

    /// The last word on packets without an end: a record that was lost behind all
    /// others has no successor whose number tells of it.
    pub fn unfinished(&mut self) -> Vec<Unresolved> {
        self.ended.clear();
        self.doubts(true)
    }

    fn doubt(&self, way: &mut Way) -> Option<Unresolved> {
        if way.doubted.replace(way.sequence) == Some(way.sequence) {
            return None;
        }
        Some(Unresolved {
            trace: Box::new(Trace {
                time_ns: self.drops.time_ns(way.seen_ns),
                cpu: way.cpu,
                packet_id: way.id,
                sequence: way.sequence,
                parent: way.parent,
                netns: Netns { inode: way.netns, name: None },
                backend: self.backend,
                step: Step::Missing(Missing { count: None }),
            }),
            table_handle: 0,
            monotonic_ns: way.seen_ns,
            earliest_ns: way.seen_ns,
            registers: None,
            packet: None,
            around: Around::default(),
            expr: false,
            table: None,
            before: Vec::new(),
        })
    }
}
