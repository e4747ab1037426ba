//! Records of a packet's way, and the steps made of them.

mod tables;

use nfscope_collect::drop::{DropRecord, NftPart, Note};
use nfscope_collect::trace::{
    Call, Decision, DecisionKind, Entry, Fate, FateKind, Head, Record, TraceRecord,
};
use nfscope_event::{Backend, Missing, Step, Verdict};

use super::{Shows, TraceResolver, Unresolved};
use crate::functions::FunctionNames;
use crate::resolve::ReasonNames;

fn resolver() -> TraceResolver {
    TraceResolver::new(
        ReasonNames::default(),
        Backend::TraceHook,
        FunctionNames::default(),
        true,
        Shows::default(),
    )
}

/// Records of one packet, numbered.
struct Packet(u64, u32);

impl Packet {
    fn record(&mut self, traversal: u32, what: Record) -> TraceRecord {
        self.1 += 1;
        let head = Head {
            cpu: Some(0),
            monotonic_ns: 1000 * u64::from(self.1),
            earliest_ns: 1000 * u64::from(self.1),
            skb: self.0,
            start: 1,
            sequence: self.1,
            traversal,
        };
        TraceRecord { head, what }
    }

    fn enter(&mut self, traversal: u32, chain: &str) -> TraceRecord {
        let chain = NftPart {
            note: Note::None,
            age_ns: 0,
            family: 2,
            hook: 1,
            pf: 2,
            rule: 0,
            table_handle: 5,
            chain_handle: 6,
            priority: Some(0),
            chain_is_base: true,
            input: Some((2, "eth0".into())),
            output: None,
            table: "filter".into(),
            chain: chain.into(),
            cut: false,
            registers: [0; 20],
        };
        let packet = self.arrived();
        let entry = Entry { connection: None, packet, chain, hash: None, generation: Some(0) };
        self.record(traversal, Record::Entry(Box::new(entry)))
    }

    fn arrived(&self) -> DropRecord {
        DropRecord {
            cpu: 0,
            monotonic_ns: 0,
            skb: self.0,
            location: 0,
            reason: 0,
            netns: 7,
            length: 60,
            mark: 0,
            device: None,
            process: None,
            preemptible: false,
            ethertype: 0x0800,
            tag: None,
            has_link: false,
            frame: Vec::new(),
            nft: None,
            legacy: None,
            hook_function: None,
            stack: Vec::new(),
        }
    }

    fn decide(
        &mut self,
        traversal: u32,
        kind: DecisionKind,
        code: i32,
        target: &str,
    ) -> TraceRecord {
        let target = (!target.is_empty()).then(|| target.to_owned());
        let rule = if kind == DecisionKind::Rule { 9 } else { 0 };
        self.record(
            traversal,
            Record::Decision(Decision { kind, rule, code, target, registers: None }),
        )
    }

    fn rule(&mut self, traversal: u32, code: i32, target: &str) -> TraceRecord {
        self.decide(traversal, DecisionKind::Rule, code, target)
    }

    fn fate(&mut self, kind: FateKind) -> TraceRecord {
        let fate =
            Fate { kind, location: 0, callers: Vec::new(), process: None, preemptible: false };
        self.record(0, Record::Fate(fate))
    }
}

fn steps(resolver: &mut TraceResolver, records: &[TraceRecord]) -> Vec<(u64, Step)> {
    let all = records.iter().flat_map(|r| resolver.steps(r));
    all.map(|u| (u.trace.packet_id, u.trace.step)).collect()
}

/// Chain and depth of the rules and ends among them.
fn chains(steps: &[(u64, Step)]) -> Vec<(String, u32)> {
    let named = |place: &nfscope_event::ChainRef| place.chain.clone().unwrap_or_default();
    steps
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Rule(rule) => Some((named(&rule.place), rule.depth)),
            Step::End(end) => Some((named(&end.place), end.depth)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_function_is_told_where_it_is_passed() {
    let mut resolver = resolver();
    let mut packet = Packet(0x10, 0);
    let call = || Record::Function(Call { address: 0x1234, packet: None });
    let records = [packet.record(0, call()), packet.enter(1, "input"), packet.record(1, call())];
    let steps = steps(&mut resolver, &records);
    let [(1, Step::Function(first)), (1, Step::Enter(_)), (1, Step::Function(second))] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!((first.function.as_str(), first.offset_ns, first.traversal), ("0x1234", 999, None));
    assert_eq!((second.offset_ns, second.traversal), (2999, Some(1)));
}

#[test]
fn jumps_gotos_and_returns_name_the_chain() {
    let mut p = Packet(0x100, 0);
    let records = [
        p.enter(1, "input"),
        p.rule(1, -3, "a"),
        p.rule(1, -4, "b"),
        p.rule(1, -5, ""),
        p.rule(1, -3, "c"),
        p.decide(1, DecisionKind::End, -1, ""),
        p.rule(1, -4, "d"),
        p.decide(1, DecisionKind::End, -1, ""),
        p.decide(1, DecisionKind::Policy, 1, ""),
    ];
    let steps = steps(&mut resolver(), &records);
    let expected =
        [("input", 0), ("a", 1), ("b", 1), ("input", 0), ("c", 1), ("input", 0), ("d", 0)];
    assert_eq!(chains(&steps), expected.map(|(chain, depth)| (chain.to_string(), depth)));
    let Some((1, Step::Policy(policy))) = steps.last() else { panic!("{steps:?}") };
    assert_eq!(policy.verdict, Verdict::Accept);
    assert_eq!(policy.elapsed_ns, Some(8000));
    assert_eq!(policy.place.chain.as_deref(), Some("input"));
}

#[test]
fn a_gap_is_said_where_it_is() {
    let mut p = Packet(0x100, 0);
    let first = p.enter(1, "input");
    p.1 += 3;
    let records = [first, p.rule(1, 1, ""), p.fate(FateKind::Consumed)];
    let steps = steps(&mut resolver(), &records);
    assert!(matches!(&steps[1].1, Step::Missing(missing) if missing.count == Some(3)), "{steps:?}");
    assert!(matches!(&steps[2].1, Step::Rule(_)));
    assert_eq!(steps.len(), 4);
}

#[test]
fn a_decision_without_its_chain_is_missing() {
    let mut p = Packet(0x100, 0);
    let records = [p.enter(1, "input"), p.rule(1, 1, ""), p.rule(2, 0, "")];
    let steps = steps(&mut resolver(), &records);
    assert!(matches!(&steps[2].1, Step::Missing(_)), "{steps:?}");
}

#[test]
fn a_traversal_inside_of_another() {
    let mut p = Packet(0x100, 0);
    let records = [
        p.enter(1, "input"),
        p.enter(2, "egress"),
        p.decide(2, DecisionKind::Policy, 1, ""),
        p.fate(FateKind::Consumed),
        p.rule(1, 2, ""),
    ];
    let mut resolver = resolver();
    let steps = steps(&mut resolver, &records);
    let Some((1, Step::Rule(rule))) = steps.last() else { panic!("{steps:?}") };
    assert_eq!((rule.traversal, rule.verdict), (1, Verdict::Stolen));
    assert_eq!(rule.place.chain.as_deref(), Some("input"));
    // its address may be used again
    let next = resolver.steps(&Packet(0x100, 0).enter(1, "input"));
    assert_eq!(next[0].trace.packet_id, 2);
}

#[test]
fn a_copy_knows_where_it_comes_from() {
    let mut p = Packet(0x100, 0);
    let mut copy = Packet(0x200, 0);
    let records = [
        p.enter(1, "input"),
        p.fate(FateKind::Cloned { skb: 0x200, start: 1 }),
        copy.fate(FateKind::Freed),
        p.fate(FateKind::Dropped { reason: 0 }),
    ];
    let mut resolver = resolver();
    let all: Vec<_> = records.iter().flat_map(|r| resolver.steps(r)).collect();
    assert!(matches!(&all[1].trace.step, Step::Cloned(cloned) if cloned.copy == 2));
    assert_eq!((all[2].trace.packet_id, all[2].trace.parent), (2, Some(1)));
    // a kernel that gives no reasons does not say that it is a drop
    assert!(matches!(&all[3].trace.step, Step::Freed(_)), "{:?}", all[3].trace.step);
}

#[test]
fn what_was_under_way_while_programs_were_skipped_says_so() {
    let mut resolver = resolver();
    let (mut ended, mut open, mut later) = (Packet(0x10, 0), Packet(0x20, 0), Packet(0x30, 0));
    let records = [ended.enter(1, "input"), ended.rule(1, 1, ""), open.enter(1, "input")];
    steps(&mut resolver, &records);
    steps(&mut resolver, &[ended.fate(FateKind::Consumed)]);
    let marks = |steps: Vec<Unresolved>| -> Vec<(u64, u32)> {
        let unknown = Step::Missing(Missing { count: None });
        assert!(steps.iter().all(|s| s.trace.step == unknown), "{steps:?}");
        steps.iter().map(|s| (s.trace.packet_id, s.trace.sequence)).collect()
    };
    assert_eq!(marks(resolver.doubts(true)), [(1, 3), (2, 1)]);
    // once for each, also where older records are read later
    steps(&mut resolver, &[later.enter(1, "input")]);
    assert_eq!(marks(resolver.doubts(false)), [(3, 1)]);
    assert!(marks(resolver.doubts(false)).is_empty());
    steps(&mut resolver, &[later.rule(1, 0, "")]);
    assert!(marks(resolver.doubts(false)).is_empty());
}
