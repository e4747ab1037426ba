//! Rules of tables of x_tables that did not match: the kernel tells those that
//! did, and the table what stands between them.

use std::sync::Arc;

use nfscope_collect::drop::LegacyPart;
use nfscope_collect::trace::{Connection, TableDecision, TableEntry, TableRule as Matched};
use nfscope_event::{Step, TableNoMatch, TableWhy, Trace, XtPlace};
use nfscope_ruleset::xtables::{Missed, Packet, Position, Way, WhyNot, ct_state};

use super::headers::network;
use super::{Shows, Unresolved};
use crate::resolve::{Answer, Rules, legacy};

/// More targets than this are not remembered: behind them it is not said why
/// rules did not match.
const MANY_TARGETS: usize = 1024;

/// What a step of a table is completed by.
#[derive(Debug, Clone)]
pub(super) struct TableStep {
    /// The rule.
    pub part: LegacyPart,
    /// The rules before it, if they are wanted.
    pub passed: Option<Passed>,
}

/// Rules that did not match before one that did.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    from: Option<Position>,
    acted: Arc<Vec<u32>>,
    packet: Option<Arc<Packet>>,
}

/// Where a packet is in a table.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// None: that is not known.
    next: Option<Position>,
    /// The rules that have jumped and wait for a return, as far as they are known.
    jumped: Vec<u32>,
    /// Others may wait.
    has_lost: bool,
    /// Entries whose targets worked on the packet.
    acted: Arc<Vec<u32>>,
    /// The packet as it entered, if it is to be said why rules did not match.
    packet: Option<Arc<Packet>>,
}

impl Place {
    /// Of a packet that enters.
    pub(super) fn entered(entry: &TableEntry, shows: Shows) -> Self {
        Self {
            next: Some(Position::Hook(entry.table.hook)),
            jumped: Vec::new(),
            has_lost: false,
            acted: Arc::default(),
            packet: shows.why.then(|| Arc::new(packet(entry))),
        }
    }

    /// Steps were lost, and what they changed with them.
    pub(super) fn lose(&mut self) {
        (self.next, self.has_lost, self.packet) = (None, true, None);
        self.jumped.clear();
    }

    /// Goes on behind a rule that matched. What lay before it.
    pub(super) fn pass(&mut self, matched: &Matched) -> Passed {
        let (acted, packet) = (Arc::clone(&self.acted), self.packet.clone());
        let passed = Passed { from: self.next, acted, packet };
        let Some(entry) = matched.entry else {
            self.lose();
            return passed;
        };
        self.next = match matched.decision {
            TableDecision::Continue => {
                if self.acted.len() < MANY_TARGETS {
                    Arc::make_mut(&mut self.acted).push(entry);
                } else {
                    self.packet = None;
                }
                Some(Position::Behind(entry))
            }
            TableDecision::Jump => {
                self.jumped.push(entry);
                Some(Position::Into(entry))
            }
            TableDecision::Goto => Some(Position::Into(entry)),
            TableDecision::Return => match self.jumped.pop() {
                Some(jump) => Some(Position::Behind(jump)),
                None => (!self.has_lost).then_some(Position::Policy),
            },
            TableDecision::Verdict(_) => None,
        };
        passed
    }
}

fn packet(entry: &TableEntry) -> Packet {
    let name = |device: &Option<(u32, String)>| device.as_ref().map(|(_, name)| name.clone());
    let connected = |c: &&Connection| c.address != 0;
    let connection = entry.connection.as_ref();
    Packet {
        network: network(&entry.packet.frame).map(<[u8]>::to_vec).unwrap_or_default(),
        input: name(&entry.table.input),
        output: name(&entry.table.output),
        mark: entry.packet.mark,
        ct_state: ct_state(
            connection.map_or(0, |c| c.info),
            connection.filter(connected).map(|c| c.status),
        ),
    }
}

impl Rules {
    /// Adds the rules that did not match before a step; as
    /// [`complete_table_rule`](Self::complete_table_rule).
    pub(super) fn add_passed(&self, step: &mut Unresolved, last: bool) -> Answer {
        let Some(TableStep { part, passed: Some(passed) }) = &step.table else {
            return Answer::Ready;
        };
        let (traversal, depth, place) = match &step.trace.step {
            Step::TableRule(rule) => (rule.traversal, rule.depth, rule.place.clone()),
            Step::TablePolicy(policy) => (policy.traversal, 0, policy.place.clone()),
            _ => return Answer::Ready,
        };
        let way = Way { from: passed.from, acted: passed.acted.to_vec() };
        let netns = step.trace.netns.inode;
        let found = legacy::ask(self.legacy.as_ref(), part, netns, last, |cache, query| {
            cache.passed(query, &way, passed.packet.as_deref())
        });
        let steps = match found {
            Err(None) => return Answer::Pending,
            Err(Some(why)) => vec![TableNoMatch {
                traversal,
                depth,
                place,
                number: None,
                rule: None,
                outline: false,
                text_unknown: Some(why.into()),
                comment: None,
                why: None,
            }],
            Ok(all) => all.into_iter().map(|m| no_match(m, traversal, depth, &place)).collect(),
        };
        let told = |missed| Trace {
            step: Step::TableNoMatch(Box::new(missed)),
            netns: step.trace.netns.clone(),
            ..*step.trace
        };
        step.before = steps.into_iter().map(told).collect();
        Answer::Ready
    }
}

fn no_match(missed: Missed, traversal: u32, depth: u32, place: &XtPlace) -> TableNoMatch {
    let Missed { chain, built_in, number, text, outline, comment, why } = missed;
    TableNoMatch {
        traversal,
        depth: if built_in { 0 } else { depth },
        place: XtPlace { chain: Some(chain), ..place.clone() },
        number: Some(number),
        rule: Some(text),
        outline,
        text_unknown: None,
        comment,
        why: why.map(|why| {
            let WhyNot { part, candidates, condition, wanted, actual, reason } = why;
            TableWhy { part, candidates, condition, wanted, actual, reason }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let next = Some(Position::Hook(1));
        Place { next, jumped: Vec::new(), has_lost: false, acted: Arc::default(), packet: None }
    }

    fn at(entry: Option<u32>, decision: TableDecision) -> Matched {
        Matched { entry, size: 904, entries: 5, change: Some(1), policy: false, decision }
    }

    #[test]
    fn a_way_through_chains() {
        use TableDecision::*;
        let mut place = place();
        let mut go = |entry, decision| place.pass(&at(Some(entry), decision)).from;
        assert_eq!(go(1, Jump), Some(Position::Hook(1)));
        assert_eq!(go(20, Goto), Some(Position::Into(1)));
        assert_eq!(go(30, Continue), Some(Position::Into(20)));
        assert_eq!(go(31, Return), Some(Position::Behind(30)));
        // a goto's chain returns to whom its own chain would have
        assert_eq!(go(2, Return), Some(Position::Behind(1)));
        assert_eq!(go(9, Verdict(0)), Some(Position::Policy));
        assert_eq!(*place.acted, [30]);
    }

    #[test]
    fn behind_lost_steps_only_what_is_sure() {
        use TableDecision::*;
        let mut place = place();
        place.pass(&at(Some(1), Jump));
        place.lose();
        let mut go = |entry, decision| place.pass(&at(entry, decision)).from;
        assert_eq!(go(Some(20), Return), None);
        // whose return it was is not known
        assert_eq!(go(Some(5), Jump), None);
        assert_eq!(go(Some(20), Return), Some(Position::Into(5)));
        assert_eq!(go(None, Continue), Some(Position::Behind(5)));
        assert_eq!(go(Some(7), Continue), None);
    }
}
