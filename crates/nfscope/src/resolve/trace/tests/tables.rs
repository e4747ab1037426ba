//! Ways through tables of x_tables.

use nfscope_collect::drop::{LegacyPart, Note};
use nfscope_collect::trace::{
    FateKind, Record, TableDecision, TableEntry, TableRule as Matched, TraceRecord,
};
use nfscope_event::{Step, Verdict};

use super::{Packet, resolver, steps};

impl Packet {
    fn table(&mut self, traversal: u32) -> TraceRecord {
        let table = LegacyPart {
            note: Note::None,
            age_ns: 0,
            family: 10,
            hook: 1,
            table: "filter".into(),
            entry: None,
            size: 904,
            entries: 5,
            change: Some(1),
            input: Some((2, "eth0".into())),
            output: None,
        };
        let packet = self.arrived();
        let entry = TableEntry { connection: None, packet, table, hash: None };
        self.record(traversal, Record::Table(Box::new(entry)))
    }

    fn matched(&mut self, traversal: u32, decision: TableDecision, policy: bool) -> TraceRecord {
        let (entry, size, entries, change) = (Some(168), 904, 5, Some(1));
        let matched = Matched { entry, size, entries, change, policy, decision };
        self.record(traversal, Record::TableRule(matched))
    }
}

#[test]
fn depth_follows_jumps_gotos_and_returns() {
    let mut p = Packet(0x100, 0);
    let mut go = |decision| p.matched(1, decision, false);
    use TableDecision::*;
    let rules = [Jump, Continue, Goto, Jump, Return, Return, Return].map(&mut go);
    let first = Packet(0x100, 0).table(1);
    let mut records = vec![first];
    for (n, mut record) in rules.into_iter().enumerate() {
        record.head.sequence = n as u32 + 2;
        records.push(record);
    }
    let mut last = p.matched(1, Verdict(0), true);
    last.head.sequence = 9;
    records.push(last);
    let steps = steps(&mut resolver(), &records);
    let Some((1, Step::EnterTable(enter))) = steps.first() else { panic!("{steps:?}") };
    assert_eq!(enter.place.chain.as_deref(), Some("INPUT"));
    let depths: Vec<u32> = steps
        .iter()
        .filter_map(|(_, step)| match step {
            Step::TableRule(rule) => Some(rule.depth),
            _ => None,
        })
        .collect();
    assert_eq!(depths, [0, 1, 1, 1, 2, 1, 0]);
    let Some((1, Step::TablePolicy(policy))) = steps.last() else { panic!("{steps:?}") };
    assert_eq!(policy.verdict, nfscope_event::Verdict::Drop);
    assert_eq!(policy.elapsed_ns, Some(7000));
}

#[test]
fn a_table_that_a_match_ends_is_over_with_the_packet() {
    let mut p = Packet(0x100, 0);
    let records = [
        p.table(1),
        p.matched(1, TableDecision::Jump, false),
        p.fate(FateKind::Dropped { reason: 0 }),
    ];
    let mut resolver = resolver();
    let told = steps(&mut resolver, &records);
    // a kernel without reasons does not say that it is a drop, and no rule did
    assert!(matches!(&told[2].1, Step::Freed(_)), "{told:?}");
    // its address may be used again
    let next = resolver.steps(&Packet(0x100, 0).table(1));
    assert_eq!(next[0].trace.packet_id, 2);
}

#[test]
fn a_drop_by_a_rule_is_decided() {
    let mut p = Packet(0x100, 0);
    let records = [
        p.table(1),
        p.matched(1, TableDecision::Verdict(0), false),
        p.fate(FateKind::Dropped { reason: 0 }),
    ];
    let steps = steps(&mut resolver(), &records);
    let Step::TableRule(rule) = &steps[1].1 else { panic!("{steps:?}") };
    assert_eq!((rule.verdict, rule.elapsed_ns), (Verdict::Drop, Some(1000)));
    assert!(matches!(&steps[2].1, Step::Dropped(dropped) if dropped.decided), "{steps:?}");
}

#[test]
fn a_rule_without_its_table_is_missing() {
    let mut p = Packet(0x100, 0);
    let records = [p.table(1), p.matched(2, TableDecision::Jump, false)];
    let steps = steps(&mut resolver(), &records);
    assert!(matches!(&steps[1].1, Step::Missing(_)), "{steps:?}");
}
