//! Events for the sinks' tests, one of each kind.

use nfscope_event::decode::Frame;
use nfscope_event::{
    Backend, Cause, ChainRef, Device, Drop, Event, Family, Freed, KernelDrop, LossPlace, Lost,
    Netns, NftPolicy, NftRule, NftVerdict, Notice, Packet, Process, XtPlace, XtPolicy, XtRule,
    XtVerdict,
};

/// 2023-11-14 22:13:20.104211 UTC
pub(super) const TIME: u64 = 1_700_000_000_104_211_000;

pub(super) fn all() -> Vec<Event> {
    vec![
        rule(),
        reject(),
        verdict_map(),
        unknown_rule(),
        iptables(),
        policy(),
        no_socket(),
        conntrack(),
        freed(),
        lost(LossPlace::Ring, 12),
        notice(),
    ]
}

pub(super) fn drop_of(event: Event) -> Drop {
    match event {
        Event::Drop(drop) => *drop,
        other => panic!("not a drop: {other:?}"),
    }
}

pub(super) fn drop_with(cause: Cause) -> Event {
    let mut bytes = vec![0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    bytes.extend([0xa8, 0xca, 0x27, 0x10, 0, 0, 0, 123, 0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0]);
    let frame = Frame { ethertype: 0x0800, has_link: false, bytes: &bytes, offloaded_vlan: None };
    let eth0 = Device { index: 2, name: "eth0".into() };
    Event::Drop(Box::new(Drop {
        time_ns: TIME,
        cpu: 1,
        netns: Netns { inode: 4_026_532_281, name: Some("blue".into()) },
        device: Some(eth0.clone()),
        in_device: Some(eth0),
        out_device: None,
        cause,
        backend: Backend::Points,
        packet: Packet::from_frame(0xffff_8880_0123_4500, 60, 0x10, &frame),
        process: None,
        stack: Vec::new(),
        stack_source: Vec::new(),
    }))
}

fn input(family: Family, chain: &str) -> ChainRef {
    ChainRef {
        family,
        table: "filter".into(),
        chain: Some(chain.into()),
        base_chain: None,
        hook: Some("input".into()),
        priority: Some(0),
    }
}

fn nft(place: ChainRef, handle: u64, verdict: NftVerdict, text: &str) -> NftRule {
    NftRule {
        place,
        handle,
        verdict,
        rule: Some(text.into()),
        text_unknown: None,
        iptables: None,
        comment: None,
        element: None,
        sent: None,
    }
}

pub(super) fn rule() -> Event {
    let rule = nft(input(Family::Ip, "input"), 7, NftVerdict::Drop, "tcp dport 10000 drop");
    drop_with(Cause::NftRule(rule))
}

pub(super) fn reject() -> Event {
    let text = "tcp dport 22 reject with tcp reset";
    let rule = nft(input(Family::Inet, "input"), 9, NftVerdict::Reject, text);
    drop_with(Cause::NftRule(NftRule { sent: Some("tcp reset".into()), ..rule }))
}

pub(super) fn verdict_map() -> Event {
    let place = ChainRef { base_chain: Some("input".into()), ..input(Family::Ip, "ports") };
    let rule = nft(place, 12, NftVerdict::VerdictMap, "tcp dport vmap @verdicts");
    drop_with(Cause::NftRule(NftRule { element: Some("10000 : drop".into()), ..rule }))
}

pub(super) fn unknown_rule() -> Event {
    let place = ChainRef { chain: None, hook: None, priority: None, ..input(Family::Ip, "") };
    let why = "the rule was gone or replaced before its text was known";
    let rule = nft(place, 8, NftVerdict::Unknown, "");
    drop_with(Cause::NftRule(NftRule { rule: None, text_unknown: Some(why.into()), ..rule }))
}

pub(super) fn iptables() -> Event {
    let rule = NftRule {
        iptables: Some("-A INPUT -p tcp --dport 10000 -j DROP".into()),
        comment: Some("no \x1b[31mred".into()),
        ..nft(input(Family::Ip, "INPUT"), 4, NftVerdict::Drop, "tcp dport 10000 counter drop")
    };
    drop_with(Cause::NftRule(rule))
}

pub(super) fn policy() -> Event {
    let place = input(Family::Inet, "input");
    drop_with(Cause::NftPolicy(NftPolicy { place, policy: "drop".into() }))
}

pub(super) fn legacy_rule() -> Event {
    drop_with(Cause::XtRule(XtRule {
        place: XtPlace {
            family: Family::Ip,
            table: "filter".into(),
            chain: Some("OUTPUT".into()),
            hook: Some("output".into()),
        },
        number: Some(1),
        verdict: XtVerdict::Reject,
        target: Some("REJECT".into()),
        rule: Some("-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset".into()),
        outline: false,
        text_unknown: None,
        comment: None,
        sent: Some("tcp reset".into()),
    }))
}

pub(super) fn legacy_table() -> Event {
    drop_with(Cause::XtRule(XtRule {
        place: XtPlace {
            family: Family::Ip,
            table: "filter".into(),
            chain: None,
            hook: Some("output".into()),
        },
        number: None,
        verdict: XtVerdict::Drop,
        target: None,
        rule: None,
        outline: false,
        text_unknown: Some("it cannot be seen".into()),
        comment: None,
        sent: None,
    }))
}

pub(super) fn legacy_policy() -> Event {
    drop_with(Cause::XtPolicy(XtPolicy {
        place: XtPlace {
            family: Family::Ip6,
            table: "filter".into(),
            chain: Some("INPUT".into()),
            hook: Some("input".into()),
        },
        policy: "drop".into(),
    }))
}

pub(super) fn no_socket() -> Event {
    let event = drop_with(Cause::Kernel(KernelDrop {
        reason: Some("NO_SOCKET".into()),
        explanation: Some("no socket listens on this port".into()),
        hint: Some("list what listens: ss -tulnp".into()),
        function: Some("tcp_v4_rcv+0x1a2".into()),
        location: 0xffff_ffff_8123_4567,
        hook_function: None,
    }));
    let process = Some(Process { pid: 1234, command: "nc\n".into() });
    let stack = vec!["tcp_v4_rcv+0x1a2".into(), "ip_local_deliver+0x10".into()];
    Event::Drop(Box::new(Drop { process, stack, backend: Backend::Tracepoint, ..drop_of(event) }))
}

pub(super) fn conntrack() -> Event {
    drop_with(Cause::Kernel(KernelDrop {
        reason: Some("NETFILTER_DROP".into()),
        explanation: Some("a netfilter hook dropped it".into()),
        hint: None,
        function: Some("nf_hook_slow+0xa6".into()),
        location: 0xffff_ffff_8123_4568,
        hook_function: Some("nf_conntrack_in".into()),
    }))
}

pub(super) fn freed() -> Event {
    let function = Some("skb_release+0x10".into());
    drop_with(Cause::Freed(Freed { function, location: 0xffff_ffff_8123_4569 }))
}

pub(super) fn lost(place: LossPlace, count: u64) -> Event {
    Event::Lost(Lost { time_ns: TIME, place, count })
}

pub(super) fn notice() -> Event {
    let text = "rule texts are unknown: the program nft was not found".into();
    Event::Notice(Notice { time_ns: TIME, text })
}
