//! A packet's way through the tables of x_tables: records, probes, their trial.

mod attach;
mod probes;
mod self_test;

use crate::drop::{DropRecord, LegacyPart};
use crate::reader::Reader;

use super::{Connection, Entry};

pub(super) use probes::TableProbes;

/// A packet enters a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// The packet's connection, where conntrack has one.
    pub connection: Option<Connection>,
    /// The packet, as the drop records have it.
    pub packet: DropRecord,
    /// The table and the hook that calls it; no rule.
    pub table: LegacyPart,
    /// `skb->hash`, if it was computed.
    pub hash: Option<u32>,
}

/// What a rule that matched says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableDecision {
    /// On with the next rule.
    Continue,
    /// To a chain and, behind its end, to the next rule.
    Jump,
    /// To a chain, whose end is that of this one.
    Goto,
    /// To the rule behind the one that jumped here; in a built-in chain to its
    /// policy.
    Return,
    /// The table is left with this: `NF_*` and what stands in its upper half.
    Verdict(i32),
}

/// A rule of a table matched; policies and the ends of user chains are rules, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRule {
    /// Where its entry is among the table's entries, in bytes; none: the table
    /// was just being replaced.
    pub entry: Option<u32>,
    /// Bytes of all entries.
    pub size: u32,
    /// How many entries there are.
    pub entries: u32,
    /// How many tables had been replaced until then; none: one was just being
    /// replaced.
    pub change: Option<u64>,
    /// It is the policy of the built-in chain.
    pub policy: bool,
    /// What it says.
    pub decision: TableDecision,
}

pub(super) fn table_entry(entry: Entry) -> TableEntry {
    let Entry { connection, packet, chain, hash, .. } = entry;
    TableEntry { connection, packet, table: LegacyPart::of(chain), hash }
}

/// From `struct table_rule` behind its head.
pub(super) fn table_rule(r: &mut Reader<'_>) -> Option<TableRule> {
    let change = Some(r.u64()?).filter(|count| *count != u64::MAX);
    let entry = Some(r.u32()?).filter(|at| *at != u32::MAX);
    let (size, entries) = (r.u32()?, r.u32()?);
    let (kind, code) = (r.u32()?, r.u32()?.cast_signed());
    let policy = r.u32()? != 0 && entry.is_some();
    let decision = match kind {
        1 => TableDecision::Continue,
        2 => TableDecision::Jump,
        3 => TableDecision::Goto,
        4 => TableDecision::Return,
        5 => TableDecision::Verdict(code),
        _ => return None,
    };
    Some(TableRule { entry, size, entries, change, policy, decision })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(change: u64, words: [u32; 6]) -> Option<TableRule> {
        let mut bytes = change.to_ne_bytes().to_vec();
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        table_rule(&mut Reader(&bytes))
    }

    #[test]
    fn a_policy_and_what_was_being_replaced() {
        let policy = parse(7, [304, 904, 5, 5, 0, 1]).unwrap();
        assert_eq!((policy.entry, policy.size, policy.entries), (Some(304), 904, 5));
        assert_eq!((policy.change, policy.policy), (Some(7), true));
        assert_eq!(policy.decision, TableDecision::Verdict(0));
        // a table that is not the one the rule is of has no policy there
        let between = parse(u64::MAX, [u32::MAX, 904, 5, 2, 0, 1]).unwrap();
        assert_eq!((between.entry, between.change, between.policy), (None, None, false));
        assert_eq!(between.decision, TableDecision::Jump);
        assert_eq!(parse(7, [304, 904, 5, 6, 0, 0]), None);
    }
}
