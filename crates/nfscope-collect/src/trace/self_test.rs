//! Tries the programs on packets whose way is known (see
//! [`crate::nft::SelfTest`] for the ruleset).

use std::collections::BTreeMap;

use super::{Decision, DecisionKind, Record, TraceRecord};
use crate::drop::Note;
use crate::nft::{Trial, udp_port};

const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;
const NFT_JUMP: i32 = -3;
/// The chain that one of the rules jumps to.
const SUB: &str = "sub";

/// The decisions of rules and policies about each packet that entered a base
/// chain, by its UDP destination port.
fn ways(records: &[TraceRecord]) -> BTreeMap<u16, Vec<&Decision>> {
    let mut ports = BTreeMap::new();
    let mut ways: BTreeMap<u16, Vec<&Decision>> = BTreeMap::new();
    for record in records {
        let packet = (record.head.skb, record.head.start);
        match &record.what {
            Record::Entry(entry) => {
                if let Some(port) = udp_port(&entry.packet.frame) {
                    ports.insert(packet, port);
                }
            }
            Record::Decision(decision) if decision.kind != DecisionKind::End => {
                if let Some(port) = ports.get(&packet) {
                    ways.entry(*port).or_default().push(decision);
                }
            }
            Record::Decision(_) | Record::Fate(_) => {}
        }
    }
    ways
}

/// Whether every packet has met its last decision.
pub fn complete(trials: &[Trial], records: &[TraceRecord]) -> bool {
    let ways = ways(records);
    let ended = |way: &Vec<&Decision>| way.last().is_some_and(|d| d.code >= 0);
    trials.iter().all(|trial| ways.get(&trial.port).is_some_and(ended))
}

/// What is wrong with the records, if anything.
pub fn judge(trials: &[Trial], records: &[TraceRecord]) -> Result<(), String> {
    let ways = ways(records);
    for trial in trials {
        let way = ways.get(&trial.port).map(Vec::as_slice).unwrap_or_default();
        let (last, before) = match way {
            [before @ .., last] => (last, before),
            [] => return Err(format!("the packet to port {} was not seen", trial.port)),
        };
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
                "the packet to port {} was said to go another way than it went: {way:?}",
                trial.port
            ));
        }
    }
    Ok(())
}
