//! Events of every kind.

use nfscope_event::{
    Arp, Backend, CallStack, Cause, ChainRef, Device, Drop, Event, Family, Frame, Freed, Icmp, Ip,
    KernelDrop, Link, LossPlace, Lost, Netns, NftPolicy, NftRule, NftVerdict, Notice, Packet,
    Ports, Process, SourceFrame, StackContext, StackCount, StackState, Tcp, Transport, Vlan,
    XtPlace, XtPolicy, XtRule, XtVerdict,
};

use super::resets::resets;
use super::steps::{steps, trace_of};

pub fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn place() -> ChainRef {
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

pub fn full_packet(transport: Option<Transport>) -> Packet {
    let mac = "02:00:00:00:00:01".to_owned();
    Packet {
        skb: Some(u64::MAX),
        length: Some(u32::MAX),
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
        stack_source: if full { vec![source_lines(), Vec::new()] } else { Vec::new() },
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
    events.extend(super::changes::changes());
    events.extend(resets());
    events.extend(super::probes::probes());
    let places =
        [Ring, Nested, Attribution, Packets, Entries, Netlink, Counts, Stacks, Transactions];
    for place in places {
        events.push(Event::Lost(Lost { time_ns: 1, place, count: u64::MAX }));
    }
    events.push(Event::Notice(Notice { time_ns: 1, text: "a sentence".into() }));
    events
}

pub fn source_lines() -> Vec<SourceFrame> {
    let full = SourceFrame {
        function: text("nf_hook_entry_hookfn"),
        file: text("include/linux/netfilter.h"),
        line: Some(154),
        column: Some(9),
        inlined: true,
    };
    vec![full, SourceFrame::default()]
}

fn stacks() -> Vec<Event> {
    let frame = Frame {
        function: text("nf_hook_slow"),
        offset: Some(63),
        module: text("nf_tables"),
        address: Some(u64::MAX),
        source: source_lines(),
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
