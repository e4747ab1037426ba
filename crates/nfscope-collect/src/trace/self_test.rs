//! Tries the programs on packets whose way is known (see
//! [`crate::nft::SelfTest`] for the ruleset).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Decision, DecisionKind, FateKind, Record, TraceCollector, TraceRecord};
use crate::CollectError;
use crate::drop::Note;
use crate::nft::{Scratch, SelfTest, Trial, udp_port};

/// How long the trial's records may take.
pub(super) const TRIAL_PATIENCE: Duration = Duration::from_secs(2);

const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;
const NFT_JUMP: i32 = -3;
/// The chain that one of the rules jumps to.
const SUB: &str = "sub";

impl TraceCollector {
    /// Sends packets whose way is known, and looks at what is told of them.
    pub(super) fn try_out(&mut self, scratch: &Scratch) -> Result<(), CollectError> {
        let test = SelfTest::prepare(scratch)?;
        let trials = test.trials();
        let mut records = Vec::new();
        for trial in &trials {
            test.send_one(trial)?;
            // the ring may have room for little more
            records.extend(self.poll_all(Duration::ZERO)?);
        }
        let deadline = Instant::now() + TRIAL_PATIENCE;
        while !complete(&trials, &records) && Instant::now() < deadline {
            records.extend(self.poll_all(Duration::from_millis(20))?);
        }
        let verdict = judge(&trials, &records, self.options.misses.is_some());
        let preemptible = preemptible(&records);
        test.remove();
        // what is still to be told of these packets is known as theirs
        self.own.leave_out(&mut records);
        if self.setup.interruptible && preemptible {
            return Err(CollectError::Interruptible);
        }
        verdict.map_err(|why| CollectError::Backend {
            backend: self.backend().as_str(),
            reason: format!("the self-test failed: {why}"),
        })
    }
}

/// What was told of a packet.
#[derive(Debug, Default)]
struct Way<'a> {
    /// Decisions of rules and policies.
    decisions: Vec<&'a Decision>,
    /// Handles of the rules that did not match.
    missed: Vec<u64>,
}

/// The ways of the packets that entered a base chain, by their UDP destination
/// port.
fn ways(records: &[TraceRecord]) -> BTreeMap<u16, Way<'_>> {
    let mut ports = BTreeMap::new();
    let mut ways: BTreeMap<u16, Way<'_>> = BTreeMap::new();
    for record in records {
        let packet = (record.head.skb, record.head.start);
        if let Record::Entry(entry) = &record.what
            && let Some(port) = udp_port(&entry.packet.frame)
        {
            ports.insert(packet, port);
        }
        let Some(way) = ports.get(&packet).map(|port| ways.entry(*port).or_default()) else {
            continue;
        };
        match &record.what {
            Record::Decision(decision) if decision.kind != DecisionKind::End => {
                way.decisions.push(decision);
            }
            Record::Misses(misses) => way.missed.extend(misses.iter().map(|miss| miss.rule)),
            _ => {}
        }
    }
    ways
}

/// Whether every packet has met its last decision.
pub fn complete(trials: &[Trial], records: &[TraceRecord]) -> bool {
    let ways = ways(records);
    let ended = |way: &Way<'_>| way.decisions.last().is_some_and(|d| d.code >= 0);
    trials.iter().all(|trial| ways.get(&trial.port).is_some_and(ended))
}

/// Whether other tasks can interrupt a program at a function's entry (fentry),
/// as kernels that preempt allow, or a tracepoint's, as they can since about
/// 7.0: what those tasks do meanwhile is lost to the program.
pub fn preemptible(records: &[TraceRecord]) -> bool {
    records.iter().any(|record| match &record.what {
        Record::Entry(entry) => entry.packet.preemptible,
        Record::Table(entry) => entry.packet.preemptible,
        Record::Fate(fate) => fate.preemptible && matches!(fate.kind, FateKind::Dropped { .. }),
        _ => false,
    })
}

/// What is wrong with the records, if anything. `misses`: rules that do not
/// match are told.
pub fn judge(trials: &[Trial], records: &[TraceRecord], misses: bool) -> Result<(), String> {
    let ways = ways(records);
    for trial in trials {
        let unseen = || format!("the packet to port {} was not seen", trial.port);
        let way = ways.get(&trial.port).ok_or_else(unseen)?;
        let (last, before) = way.decisions.split_last().ok_or_else(unseen)?;
        let right = match trial.note {
            Note::None => last.kind == DecisionKind::Rule && last.code == NF_ACCEPT,
            Note::Policy => last.kind == DecisionKind::Policy && last.code == NF_DROP,
            _ => {
                last.kind == DecisionKind::Rule
                    && last.code & 0xff == NF_DROP
                    && last.rule == trial.handle
            }
        };
        let jumps = before.iter().all(|d| d.code == NFT_JUMP && d.target.as_deref() == Some(SUB));
        let jumped = before.len() == usize::from(trial.jumps);
        if !(right && jumps && jumped) {
            return Err(format!(
                "the packet to port {} was said to go another way than it went: {:?}",
                trial.port, way.decisions
            ));
        }
        if misses && way.missed != trial.missed {
            return Err(format!(
                "of the packet to port {} rules {:?} were said not to match, not {:?}",
                trial.port, way.missed, trial.missed
            ));
        }
    }
    Ok(())
}
