//! Steps of traced packets.

use nfscope_event::{
    Backend, Called, ChainEnd, Cloned, Conntrack, Delivered, Device, Dropped, Ended, Enter,
    EnterTable, Evaluation, Event, ExpressionOutcome, ExpressionResult, Family, KernelDrop, Mapped,
    Missing, Netns, NoMatch, Passed, Process, RuleText, Sent, Socket, Step, TableEnd, TableNoMatch,
    TablePolicy, TableRule, TableWhy, Trace, TracePolicy, TraceRule, Tuple, Verdict, Why, XtPlace,
};

use super::samples::{full_packet, place, text};

fn table_place() -> XtPlace {
    let (chain, hook) = (text("web"), text("input"));
    XtPlace { family: Family::Ip6, table: "filter".into(), chain, hook }
}

fn table_rule(verdict: Verdict) -> TableRule {
    TableRule {
        traversal: 1,
        depth: 2,
        place: table_place(),
        number: Some(3),
        verdict,
        target: text("REJECT"),
        queue: Some(u16::MAX),
        rule: text("-A web -j REJECT"),
        outline: true,
        text_unknown: text("gone"),
        comment: text("no\u{1b}"),
        sent: text("tcp reset"),
        elapsed_ns: Some(u64::MAX),
    }
}

/// Every kind of step.
pub fn steps() -> Vec<Step> {
    let device = || Device { index: 2, name: "eth0".into() };
    let process = || Some(Process { pid: 1, command: "nc".into() });
    let rule_text = RuleText {
        rule: text("tcp dport 10000 drop"),
        text_unknown: text("gone"),
        iptables: text("-A INPUT -j DROP"),
        comment: text("no"),
    };
    use ExpressionOutcome::{Code, NotReached, Unknown};
    let outcomes = [Code("NFT_BREAK".into()), NotReached, Unknown];
    let expression = |result| ExpressionResult { kind: "cmp".into(), result };
    let evaluation = Evaluation {
        code: text("NFT_BREAK"),
        expressions: outcomes.map(expression).into(),
        rules_left: Some(u32::MAX),
        returns_to: text("input"),
        next: Some(u64::MAX),
    };
    let passed = || vec![Passed { chain: "input".into(), rules: u32::MAX }];
    let rule = TraceRule {
        traversal: 1,
        depth: 2,
        place: place(),
        handle: 7,
        verdict: Verdict::Drop,
        target: text("services"),
        queue: Some(u16::MAX),
        text: rule_text.clone(),
        element: text("10000 : drop"),
        sent: text("tcp reset"),
        elapsed_ns: Some(u64::MAX),
        not_matched: passed(),
        evaluation: evaluation.clone(),
    };
    let verdicts = [-1, -3, -4, -5, 0, 1, 2, 3, i32::MIN].map(Verdict::from_code);
    let rules = verdicts.into_iter().map(|verdict| {
        Step::Rule(Box::new(TraceRule {
            verdict,
            target: None,
            text: RuleText::default(),
            ..rule.clone()
        }))
    });
    let kernel = KernelDrop {
        reason: text("NO_SOCKET"),
        explanation: text("no socket"),
        hint: text("ss"),
        function: text("tcp_v4_rcv+0x1a2"),
        location: u64::MAX,
        hook_function: text("nf_conntrack_in"),
    };
    let ended = Ended { function: text("tcp_ack+0x1"), process: process() };
    let tuple = |from: [u8; 4], to: [u8; 4], source_port, destination_port| {
        let (source, destination) = (from.into(), to.into());
        Some(Tuple { protocol: 6, source, source_port, destination, destination_port })
    };
    let mut conntrack = Conntrack {
        state: "new".into(),
        is_reply: false,
        id: Some(u32::MAX),
        address: Some(u64::MAX),
        zone: 1,
        mark: 2,
        source_nat: None,
        destination_nat: None,
        original: tuple([10, 0, 0, 1], [10, 0, 0, 2], 1, 80),
        reply: tuple([10, 1, 0, 5], [10, 0, 0, 2], 8080, 7),
    };
    let (source, destination) = conntrack.mappings(false);
    (conntrack.source_nat, conntrack.destination_nat) = conntrack.mappings(true);
    let mut steps = vec![
        Step::Enter(Box::new(Enter {
            traversal: 1,
            place: place(),
            conntrack: Some(conntrack.clone()),
            in_device: Some(device()),
            out_device: Some(device()),
            packet: full_packet(None),
            hash: Some(u32::MAX),
            generation: Some(1),
            process: process(),
        })),
        Step::Rule(Box::new(rule.clone())),
        Step::NoMatch(Box::new(NoMatch {
            traversal: 1,
            depth: 2,
            place: place(),
            handle: 7,
            text: rule_text,
            expression: Some(3),
            why: Some(Why {
                expression: "cmp".into(),
                condition: "tcp dport 10000".into(),
                selector: text("tcp dport"),
                wanted: text("10000"),
                actual: text("9080"),
                reason: "packet has 9080".into(),
            }),
            registers: text("00ff"),
            evaluation: evaluation.clone(),
        })),
        Step::End(Box::new(ChainEnd {
            traversal: 1,
            depth: 1,
            place: place(),
            not_matched: passed(),
            evaluation: evaluation.clone(),
        })),
        Step::Policy(Box::new(TracePolicy {
            traversal: 1,
            place: place(),
            verdict: Verdict::Accept,
            elapsed_ns: None,
            evaluation,
        })),
        Step::Mapped(Box::new(Mapped {
            traversal: 1,
            source,
            destination,
            conntrack: conntrack.clone(),
        })),
        Step::EnterTable(Box::new(EnterTable {
            traversal: 1,
            place: table_place(),
            conntrack: Some(conntrack),
            in_device: Some(device()),
            out_device: Some(device()),
            packet: full_packet(None),
            hash: Some(u32::MAX),
            process: process(),
        })),
        Step::TableRule(Box::new(table_rule(Verdict::Drop))),
        Step::TableRule(Box::new(TableRule {
            number: None,
            target: None,
            queue: None,
            rule: None,
            outline: false,
            text_unknown: None,
            comment: None,
            sent: None,
            elapsed_ns: None,
            ..table_rule(Verdict::Goto)
        })),
        Step::TableNoMatch(Box::new(TableNoMatch {
            traversal: 1,
            depth: 2,
            place: table_place(),
            number: Some(3),
            rule: text("-A web -s 10.0.0.0/8 -j DROP"),
            outline: true,
            text_unknown: text("steps before were lost"),
            comment: text("bad"),
            why: Some(TableWhy {
                part: text("source"),
                candidates: vec!["limit".into()],
                condition: text("-s 10.0.0.0/8"),
                wanted: text("10.0.0.0/8"),
                actual: text("192.0.2.1"),
                reason: "packet has 192.0.2.1".into(),
            }),
        })),
        Step::TableEnd(Box::new(TableEnd { traversal: 1, depth: 2, place: table_place() })),
        Step::TablePolicy(Box::new(TablePolicy {
            traversal: 1,
            place: table_place(),
            verdict: Verdict::Accept,
            elapsed_ns: Some(1),
        })),
        Step::Function(Box::new(Called {
            function: "ip_rcv".into(),
            module: text("bridge"),
            offset_ns: u64::MAX,
            traversal: Some(1),
            packet: Some(full_packet(None)),
            process: process(),
        })),
        Step::Function(Box::new(Called {
            function: "ip_rcv".into(),
            module: None,
            offset_ns: 0,
            traversal: None,
            packet: None,
            process: None,
        })),
        Step::Sent(Sent { device: device() }),
        Step::Delivered(Delivered {
            socket: Socket {
                family: "inet".into(),
                kind: text("dgram"),
                protocol: text("udp"),
                local: Some([10, 0, 0, 2].into()),
                local_port: Some(u16::MAX),
                remote: Some([10, 0, 0, 1].into()),
                remote_port: Some(0),
                inode: Some(u64::MAX),
                owners: process().into_iter().collect(),
            },
        }),
        Step::Delivered(Delivered {
            socket: Socket { family: "packet".into(), ..Socket::default() },
        }),
        Step::Cloned(Cloned { copy: 2 }),
        Step::Dropped(Dropped { decided: true, kernel, process: process() }),
        Step::Consumed(ended.clone()),
        Step::Freed(ended),
        Step::Missing(Missing { count: Some(3) }),
        Step::Missing(Missing { count: None }),
    ];
    steps.extend(rules);
    steps
}

/// A step as an event.
pub fn trace_of(step: Step, parent: Option<u64>) -> Event {
    Event::Trace(Box::new(Trace {
        time_ns: u64::MAX,
        cpu: Some(0),
        packet_id: 2,
        sequence: u32::MAX,
        parent,
        netns: Netns { inode: 1, name: None },
        backend: Backend::TraceHook,
        step,
    }))
}
