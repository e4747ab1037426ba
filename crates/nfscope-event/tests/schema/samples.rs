//! Events of every kind.

use nfscope_event::{
    Arp, Backend, CallStack, Called, Cause, ChainEnd, ChainRef, Cloned, Conntrack, Delivered,
    Device, Drop, Dropped, Ended, Enter, EnterTable, Evaluation, Event, ExpressionOutcome,
    ExpressionResult, Family, Frame, Freed, Icmp, Ip, KernelDrop, Link, LossPlace, Lost, Mapped,
    Missing, Netns, NftPolicy, NftRule, NftVerdict, NoMatch, Notice, Packet, Passed, Ports,
    Process, RuleText, Sent, Socket, StackContext, StackCount, StackState, Step, TableEnd,
    TablePolicy, TableRule, Tcp, Trace, TracePolicy, TraceRule, Transport, Tuple, Verdict, Vlan,
    Why, XtPlace, XtPolicy, XtRule, XtVerdict,
};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn place() -> ChainRef {
    ChainRef {
        family: Family::Inet,
        table: "filter".into(),
        chain: text("services"),
        base_chain: text("input"),
        hook: text("input"),
        priority: Some(-10),
    }
}

fn rule(verdict: NftVerdict) -> Cause {
    Cause::NftRule(NftRule {
        place: place(),
        handle: 7,
        verdict,
        rule: text("tcp dport 10000 drop"),
        text_unknown: text("gone"),
        iptables: text("-A INPUT -j DROP"),
        comment: text("no\u{1b}"),
        element: text("10000 : drop"),
        sent: text("tcp reset"),
    })
}

fn bare_rule(family: Family) -> Cause {
    let place =
        ChainRef { family, chain: None, base_chain: None, hook: None, priority: None, ..place() };
    Cause::NftRule(NftRule {
        place,
        handle: u64::MAX,
        verdict: NftVerdict::Unknown,
        rule: None,
        text_unknown: None,
        iptables: None,
        comment: None,
        element: None,
        sent: None,
    })
}

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

fn legacy_causes() -> Vec<Cause> {
    use XtVerdict::*;
    let place = |chain| XtPlace {
        family: Family::Ip6,
        table: "filter".into(),
        chain,
        hook: text("output"),
    };
    let whole = |verdict| XtRule {
        place: place(text("OUTPUT")),
        number: Some(1),
        verdict,
        target: text("REJECT"),
        rule: text("-A OUTPUT -j REJECT"),
        outline: true,
        text_unknown: text("gone"),
        comment: text("no\u{1b}"),
        sent: text("tcp reset"),
    };
    let bare = XtRule {
        place: XtPlace { hook: None, ..place(None) },
        number: None,
        verdict: Unknown,
        target: None,
        rule: None,
        outline: false,
        text_unknown: None,
        comment: None,
        sent: None,
    };
    let mut causes: Vec<Cause> =
        [Drop, Reject, Queue, Target].map(|verdict| Cause::XtRule(whole(verdict))).into();
    causes.push(Cause::XtRule(bare));
    let policy = XtPolicy { place: place(text("OUTPUT")), policy: "drop".into() };
    causes.push(Cause::XtPolicy(policy));
    causes
}

fn causes() -> Vec<Cause> {
    use NftVerdict::*;
    let mut causes: Vec<Cause> =
        [Drop, Reject, VerdictMap, Queue, Synproxy, Fwd, Unknown].map(rule).into();
    causes.extend([1, 2, 3, 5, 7, 10].into_iter().filter_map(Family::from_nfproto).map(bare_rule));
    causes.push(Cause::NftPolicy(NftPolicy { place: place(), policy: "drop".into() }));
    causes.extend(legacy_causes());
    causes.push(Cause::Kernel(KernelDrop {
        reason: text("NO_SOCKET"),
        explanation: text("no socket"),
        hint: text("ss"),
        function: text("tcp_v4_rcv+0x1a2"),
        location: u64::MAX,
        hook_function: text("nf_conntrack_in"),
    }));
    causes.push(Cause::Kernel(KernelDrop {
        reason: None,
        explanation: None,
        hint: None,
        function: None,
        location: 1,
        hook_function: None,
    }));
    causes.push(Cause::Freed(Freed { function: text("f+0x1"), location: 2 }));
    causes.push(Cause::Freed(Freed { function: None, location: 2 }));
    causes
}

fn transports() -> Vec<Option<Transport>> {
    let ports = Ports { source: 65535, destination: 0 };
    let echo = Icmp { kind: 8, code: 0, id: Some(1), sequence: Some(2) };
    let flags = text("S.");
    let tcp = Tcp { ports, flags, seq: Some(u32::MAX), ack: Some(0), window: Some(65535) };
    let cut_off = Tcp { ports, flags: None, seq: None, ack: None, window: None };
    vec![
        None,
        Some(Transport::Tcp(tcp)),
        Some(Transport::Tcp(cut_off)),
        Some(Transport::Udp(ports)),
        Some(Transport::Sctp(ports)),
        Some(Transport::Icmp(echo)),
        Some(Transport::Icmpv6(Icmp { kind: 135, code: 0, id: None, sequence: None })),
    ]
}

fn full_packet(transport: Option<Transport>) -> Packet {
    let mac = "02:00:00:00:00:01".to_owned();
    Packet {
        skb: u64::MAX,
        length: u32::MAX,
        mark: u32::MAX,
        ethertype: 0x86dd,
        link: Some(Link { source: mac.clone(), destination: mac.clone() }),
        vlan: vec![Vlan { id: 4095, priority: 7, protocol: 0x88a8 }],
        arp: Some(Arp {
            operation: 1,
            sender: [10, 0, 0, 1].into(),
            sender_mac: mac,
            target: [10, 0, 0, 2].into(),
        }),
        ip: Some(Ip {
            source: [0xfd; 16].into(),
            destination: [0xfe; 16].into(),
            protocol: 255,
            ttl: 255,
            id: Some(u32::MAX),
            length: 65575,
            fragment_offset: Some(65528),
            extensions: vec![0, 44],
        }),
        transport,
        bytes: vec![1, 2, 3],
    }
}

fn drop_of(cause: Cause, packet: Packet, full: bool, backend: Backend) -> Event {
    let device = full.then(|| Device { index: 2, name: "eth0".into() });
    Event::Drop(Box::new(Drop {
        time_ns: u64::MAX,
        cpu: 0,
        netns: Netns { inode: 4_026_532_281, name: full.then(|| "blue".into()) },
        device: device.clone(),
        in_device: device.clone(),
        out_device: device,
        cause,
        backend,
        packet,
        process: full.then(|| Process { pid: 1, command: "nc".into() }),
        stack: if full { vec!["f+0x1".into()] } else { Vec::new() },
    }))
}

fn steps() -> Vec<Step> {
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

fn trace_of(step: Step, parent: Option<u64>) -> Event {
    Event::Trace(Box::new(Trace {
        time_ns: u64::MAX,
        cpu: 0,
        packet_id: 2,
        sequence: u32::MAX,
        parent,
        netns: Netns { inode: 1, name: None },
        backend: Backend::TraceHook,
        step,
    }))
}

/// Every kind of event, with and without what may be left out.
pub fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for cause in causes() {
        events.push(drop_of(cause.clone(), full_packet(None), true, Backend::Points));
        events.push(drop_of(cause, Packet::default(), false, Backend::TraceHook));
    }
    let freed = Cause::Freed(Freed { function: None, location: 0 });
    for transport in transports() {
        let packet = full_packet(transport);
        events.push(drop_of(freed.clone(), packet.clone(), true, Backend::NetlinkTrace));
        events.push(drop_of(freed.clone(), packet, false, Backend::Tracepoint));
    }
    events.extend(steps().into_iter().map(|step| trace_of(step, Some(1))));
    use LossPlace::*;
    events.extend(stacks());
    for place in [Ring, Nested, Attribution, Packets, Entries, Netlink, Counts, Stacks] {
        events.push(Event::Lost(Lost { time_ns: 1, place, count: u64::MAX }));
    }
    events.push(Event::Notice(Notice { time_ns: 1, text: "a sentence".into() }));
    events
}

fn stacks() -> Vec<Event> {
    let frame = Frame {
        function: text("nf_hook_slow"),
        offset: Some(63),
        module: text("nf_tables"),
        address: Some(u64::MAX),
    };
    let frames = vec![frame, Frame::default()];
    use StackState::*;
    let states = [Whole, Cut, Missing, Unkept];
    let contexts = [StackContext::Process, StackContext::Interrupt, StackContext::Unknown];
    let of = |(state, context): (&StackState, &StackContext)| {
        let stack = CallStack { frames: frames.clone(), state: *state };
        Event::Stack(Box::new(StackCount {
            time_ns: 1,
            count: 7,
            stack: stack.clone(),
            user_stack: Some(stack),
            reason: text("NO_SOCKET"),
            context: Some(*context),
            process: Some(Process { pid: 1, command: "curl".into() }),
            cpu: Some(0),
            netns: Some(Netns { inode: 1, name: text("blue") }),
        }))
    };
    states.iter().zip(contexts.iter().cycle()).map(of).collect()
}
