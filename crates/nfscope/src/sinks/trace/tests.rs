//! Trees and lines.

mod expr;
mod tables;

use std::time::Duration;

use nfscope_event::{
    Backend, Called, ChainRef, Cloned, Conntrack, Device, Dropped, Ended, Enter, Evaluation, Event,
    Family, KernelDrop, Mapping, Missing, Netns, Process, RuleText, Sent, Step, Trace, TracePolicy,
    TraceRule, Verdict,
};

use super::super::escape::is_harmful;
use super::super::samples;
use super::super::{Clock, Sink, TextOptions};
use super::{TraceTree, TreeOptions};

fn place(chain: &str) -> ChainRef {
    ChainRef {
        family: Family::Ip,
        table: "filter".into(),
        chain: Some(chain.into()),
        base_chain: None,
        hook: Some("input".into()),
        priority: Some(0),
    }
}

fn rule(depth: u32, text: &str, verdict: Verdict) -> TraceRule {
    TraceRule {
        traversal: 1,
        depth,
        place: place("input"),
        handle: 7,
        verdict,
        target: None,
        queue: None,
        text: RuleText { rule: Some(text.into()), ..RuleText::default() },
        element: None,
        sent: None,
        elapsed_ns: None,
        not_matched: Vec::new(),
        evaluation: Evaluation::default(),
    }
}

fn enter() -> Step {
    Step::Enter(Box::new(Enter {
        traversal: 1,
        place: place("input"),
        conntrack: None,
        in_device: Some(Device { index: 2, name: "eth0".into() }),
        out_device: None,
        packet: samples::drop_of(samples::rule()).packet,
        hash: Some(0x1234),
        generation: Some(1),
        process: None,
    }))
}

fn trace(packet_id: u64, step: Step) -> Event {
    Event::Trace(Box::new(Trace {
        time_ns: samples::TIME,
        cpu: Some(1),
        packet_id,
        sequence: 1,
        parent: (packet_id > 10).then_some(1),
        netns: Netns { inode: 4_026_532_281, name: Some("blue".into()) },
        backend: Backend::TraceHook,
        step,
    }))
}

fn options(linger: Duration) -> TreeOptions {
    let text = TextOptions { color: false, verbose: false, own_netns: None, clock: Clock::utc() };
    TreeOptions { text, linger, expr: false, lists_all: false }
}

fn text(linger: Duration, events: &[Event]) -> String {
    let mut out = Vec::new();
    let mut sink = TraceTree::new(&mut out, options(linger));
    events.iter().for_each(|event| sink.event(event).unwrap());
    sink.finish().unwrap();
    String::from_utf8(out).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

fn two_packets() -> Vec<Event> {
    let jump = TraceRule { target: Some("ports".into()), ..rule(0, "jump ports", Verdict::Jump) };
    let drop = TraceRule { elapsed_ns: Some(4_260), ..rule(1, "tcp dport 1 drop", Verdict::Drop) };
    let kernel = KernelDrop {
        reason: Some("NETFILTER_DROP".into()),
        explanation: None,
        hint: None,
        function: None,
        location: 1,
        hook_function: None,
    };
    let policy = TracePolicy {
        traversal: 1,
        place: place("input"),
        verdict: Verdict::Accept,
        elapsed_ns: Some(1_260_000),
        evaluation: Evaluation::default(),
    };
    let process = Some(Process { pid: 7, command: "nc".into() });
    let consumed = Ended { function: Some("udp_recvmsg+0x1".into()), process };
    vec![
        trace(1, enter()),
        trace(2, enter()),
        trace(1, Step::Rule(Box::new(jump))),
        trace(2, Step::Policy(Box::new(policy))),
        trace(1, Step::Rule(Box::new(drop))),
        trace(2, Step::Sent(Sent { device: Device { index: 3, name: "eth1".into() } })),
        trace(2, Step::Cloned(Cloned { copy: 11 })),
        trace(1, Step::Missing(Missing { count: Some(2) })),
        trace(11, Step::Consumed(consumed)),
        trace(1, Step::Dropped(Dropped { decided: true, kernel, process: None })),
    ]
}

#[test]
fn packets_that_interleave_are_told_one_after_the_other() {
    insta::assert_snapshot!(text(HOUR, &two_packets()), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
      input  ip filter input, priority 0  eth0 in
        rule 7: jump ports -> jump ports
          rule 7: tcp dport 1 drop -> drop (4.2 us)
      -- 2 steps lost here
      dropped
    22:13:20.104211  packet 2  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
      input  ip filter input, priority 0  eth0 in
        policy accept (1.2 ms)
      sent on eth1
      copied: packet 11
      -- not ended yet
    22:13:20.104211  packet 11  netns blue  copy of packet 1
      consumed in udp_recvmsg+0x1 by nc (pid 7)
    ");
}

#[test]
fn a_stream_is_told_as_it_comes() {
    insta::assert_snapshot!(text(Duration::ZERO, &two_packets()), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
    22:13:20.104211  1  input  ip filter input, priority 0  eth0 in
    22:13:20.104211  packet 2  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
    22:13:20.104211  2  input  ip filter input, priority 0  eth0 in
    22:13:20.104211  1    rule 7: jump ports -> jump ports
    22:13:20.104211  2    policy accept (1.2 ms)
    22:13:20.104211  1      rule 7: tcp dport 1 drop -> drop (4.2 us)
    22:13:20.104211  2  sent on eth1
    22:13:20.104211  2  copied: packet 11
    22:13:20.104211  1  -- 2 steps lost here
    22:13:20.104211  packet 11  netns blue  copy of packet 1
    22:13:20.104211  11  consumed in udp_recvmsg+0x1 by nc (pid 7)
    22:13:20.104211  1  dropped
    ");
}

#[test]
fn a_packet_that_goes_on_says_so() {
    let mut out = Vec::new();
    let mut sink = TraceTree::new(&mut out, options(Duration::from_millis(1)));
    sink.event(&trace(1, enter())).unwrap();
    sink.flush().unwrap();
    std::thread::sleep(Duration::from_millis(2));
    sink.flush().unwrap();
    sink.event(&trace(1, Step::Rule(Box::new(rule(0, "accept", Verdict::Accept))))).unwrap();
    sink.finish().unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("packet 1").count(), 2, "{text}");
    assert!(text.contains("packet 1 goes on\n    rule 7: accept -> accept\n"), "{text}");
}

#[test]
fn a_mapping_is_told_once() {
    let mapping = Mapping {
        from: [10, 0, 0, 254].into(),
        from_port: 80,
        to: [10, 0, 0, 2].into(),
        to_port: 8080,
    };
    let conntrack = Conntrack {
        state: "established".into(),
        is_reply: false,
        id: None,
        address: None,
        zone: 0,
        mark: 0,
        source_nat: None,
        destination_nat: Some(mapping),
        original: None,
        reply: None,
    };
    let Step::Enter(mut entered) = enter() else { panic!() };
    entered.conntrack = Some(conntrack);
    let entered = || trace(1, Step::Enter(entered.clone()));
    insta::assert_snapshot!(text(HOUR, &[entered(), entered()]), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
      input  ip filter input, priority 0  eth0 in  ct established
        nat: destination 10.0.0.254.80 -> 10.0.0.2.8080
      input  ip filter input, priority 0  eth0 in  ct established
      -- not ended yet
    ");
}

#[test]
fn functions_stand_between_the_hooks() {
    let passed = |name: &str, module: Option<&str>, offset_ns, traversal| Called {
        function: name.into(),
        module: module.map(str::to_owned),
        offset_ns,
        traversal,
        packet: None,
        process: None,
    };
    let first = Called {
        packet: Some(samples::drop_of(samples::rule()).packet),
        ..passed("ip_rcv", None, 0, None)
    };
    let events = [first, passed("nft_do_chain_ipv4", Some("nf_tables"), 12_345, Some(1))]
        .map(|passed| trace(1, Step::Function(Box::new(passed))));
    insta::assert_snapshot!(text(HOUR, &events), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
      22:13:20.104211       +0.0 us  ip_rcv
        22:13:20.104211      +12.3 us  nft_do_chain_ipv4 [nf_tables]
      -- not ended yet
    ");
    insta::assert_snapshot!(text(Duration::ZERO, &events), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
    22:13:20.104211  1       +0.0 us  ip_rcv
    22:13:20.104211  1        +12.3 us  nft_do_chain_ipv4 [nf_tables]
    ");
}

#[test]
fn nothing_harmful_reaches_a_terminal() {
    let nasty = "\x1b[31m\u{202e}\nx";
    let mut nasty_rule = rule(0, nasty, Verdict::Jump);
    nasty_rule.target = Some(nasty.into());
    nasty_rule.element = Some(nasty.into());
    nasty_rule.place.chain = Some(nasty.into());
    let process = Some(Process { pid: 7, command: nasty.into() });
    let events = [
        trace(1, Step::Rule(Box::new(nasty_rule))),
        trace(1, Step::Sent(Sent { device: Device { index: 3, name: nasty.into() } })),
        trace(1, Step::Freed(Ended { function: Some(nasty.into()), process })),
        trace(
            1,
            Step::Function(Box::new(Called {
                function: nasty.into(),
                module: Some(nasty.into()),
                offset_ns: 0,
                traversal: None,
                packet: None,
                process: None,
            })),
        ),
    ];
    for linger in [HOUR, Duration::ZERO] {
        let text = text(linger, &events);
        assert!(!text.lines().any(|line| line.contains(is_harmful)), "{text:?}");
    }
}
