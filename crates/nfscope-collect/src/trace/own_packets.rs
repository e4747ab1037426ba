//! Packets of nfscope's own trials, which nobody has asked for.

use std::collections::HashSet;

use super::{FateKind, Record, TraceRecord};

/// Knows them by the trials' namespace.
#[derive(Debug, Default)]
pub(super) struct OwnPackets {
    /// Its inode; 0: there was no trial.
    netns: u32,
    /// By skb and time.
    known: HashSet<(u64, u64)>,
}

impl OwnPackets {
    /// From now on packets of this namespace (inode) are nfscope's own.
    pub fn expect(&mut self, netns: u32) {
        self.netns = netns;
    }

    /// Leaves out what is told of them, and of their copies.
    pub fn leave_out(&mut self, records: &mut Vec<TraceRecord>) {
        if self.netns != 0 {
            records.retain(|record| !self.has(record));
        }
    }

    fn has(&mut self, record: &TraceRecord) -> bool {
        let packet = (record.head.skb, record.head.start);
        // a packet's first record says where it is
        let netns = match &record.what {
            Record::Entry(entry) => entry.packet.netns,
            Record::Table(entry) => entry.packet.netns,
            Record::Function(call) => call.packet.as_ref().map_or(0, |packet| packet.netns),
            _ => 0,
        };
        if netns == self.netns {
            self.known.insert(packet);
        }
        let own = self.known.contains(&packet);
        if own
            && let Record::Fate(fate) = &record.what
            && let FateKind::Cloned { skb, start } = fate.kind
        {
            self.known.insert((skb, start));
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decision, DecisionKind, Fate, Head};
    use super::*;

    fn record(skb: u64, what: Record) -> TraceRecord {
        let head = Head {
            cpu: None,
            monotonic_ns: 1,
            earliest_ns: 1,
            skb,
            start: 1,
            sequence: 1,
            traversal: 0,
        };
        TraceRecord { head, what }
    }

    fn cloned(to: u64) -> Record {
        Record::Fate(Fate {
            kind: FateKind::Cloned { skb: to, start: 1 },
            location: 0,
            callers: Vec::new(),
            process: None,
            preemptible: false,
        })
    }

    fn decision() -> Record {
        let kind = DecisionKind::Policy;
        Record::Decision(Decision { kind, rule: 0, code: 1, target: None, registers: None })
    }

    #[test]
    fn copies_of_own_packets_are_own() {
        let mut own = OwnPackets { netns: 7, known: HashSet::from([(10, 1)]) };
        let mut records = vec![
            record(10, cloned(11)),
            record(12, cloned(13)),
            record(11, decision()),
            record(13, decision()),
        ];
        own.leave_out(&mut records);
        let left: Vec<_> = records.iter().map(|r| r.head.skb).collect();
        assert_eq!(left, [12, 13]);
    }
}
