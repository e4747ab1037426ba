//! Tries the probes on packets whose way is known (see
//! [`crate::legacy::SelfTest`] for the tables).

use nfscope_kernel::locate::ipt::Tables;
use nfscope_ruleset::xtables::scratch::{Placed, Shape};

use super::{TableDecision, TableRule};
use crate::CollectError;
use crate::legacy::{LOCAL_OUT, SelfTest, family};
use crate::trace::{Record, TraceRecord};

const NF_DROP: TableDecision = TableDecision::Verdict(0);
const NF_ACCEPT: TableDecision = TableDecision::Verdict(1);

/// The rules of the tried table's output chain that the packet to a port matched.
fn matched<'a>(
    records: &'a [TraceRecord],
    test: &SelfTest,
    tables: Tables,
    port: u16,
) -> Option<Vec<&'a TableRule>> {
    let (name, _) = test.met();
    let entered = records.iter().find_map(|record| match &record.what {
        Record::Table(entry)
            if entry.table.table == name
                && entry.table.hook == LOCAL_OUT
                && entry.table.family == family(tables).nfproto()
                && test.port(&entry.packet.frame) == Some(port) =>
        {
            Some(record.head)
        }
        _ => None,
    })?;
    let rules = records.iter().filter_map(|record| match &record.what {
        Record::TableRule(rule)
            if (record.head.skb, record.head.start, record.head.traversal)
                == (entered.skb, entered.start, entered.traversal) =>
        {
            Some(rule)
        }
        _ => None,
    });
    Some(rules.collect())
}

/// Whether every packet has met its last rule.
pub(super) fn complete(test: &SelfTest, tables: Tables, records: &[TraceRecord]) -> bool {
    let ended = |rules: &[&TableRule]| {
        rules.last().is_some_and(|rule| matches!(rule.decision, TableDecision::Verdict(_)))
    };
    let (_, mut trials) = test.met();
    trials.all(|(port, ..)| matched(records, test, tables, port).is_some_and(|r| ended(&r)))
}

/// What is wrong with the records, if anything.
pub(super) fn judge(
    test: &SelfTest,
    tables: Tables,
    records: &[TraceRecord],
) -> Result<(), CollectError> {
    let (_, trials) = test.met();
    for (port, shape, placed) in trials {
        let rules = matched(records, test, tables, port);
        if !rules.as_ref().is_some_and(|rules| right(shape, placed, rules)) {
            let reason = format!(
                "the self-test failed: the packet to port {port}, which met {shape:?} at {:?}, \
                 was said to match {rules:?}",
                placed.entry
            );
            return Err(CollectError::Backend { backend: "legacy", reason });
        }
    }
    Ok(())
}

fn right(shape: Shape, placed: &Placed, rules: &[&TableRule]) -> bool {
    let known = |rule: &&TableRule| {
        (rule.size, rule.entries) == (placed.size, placed.entries) && rule.change.is_some()
    };
    let Some((last, before)) = rules.split_last() else { return false };
    let (decision, jumps) = match shape {
        Shape::Jump => (NF_DROP, 1),
        Shape::Rule | Shape::Policy => (NF_DROP, 0),
        Shape::Accept | Shape::Empty => (NF_ACCEPT, 0),
    };
    rules.iter().all(known)
        && before.len() == jumps
        && before.iter().all(|rule| rule.decision == TableDecision::Jump && !rule.policy)
        && last.decision == decision
        && last.policy == (shape == Shape::Policy)
        && placed.entry.is_none_or(|entry| last.entry == Some(entry))
}
