use super::*;
use nfscope_event::{Device, Family, Netns, ResetCause, SourceFrame};

use super::super::Clock;

fn reset() -> Reset {
    Reset {
        time_ns: 1_700_000_000_104_211_000,
        cpu: 0,
        direction: ResetDirection::Sent,
        netns: Netns { inode: 7, name: Some("web".into()) },
        device: Some(Device { index: 2, name: "eth0".into() }),
        source: Some([10, 0, 0, 2].into()),
        source_port: Some(81),
        destination: Some([10, 0, 0, 1].into()),
        destination_port: Some(4000),
        segment: Some(ResetSegment::new(0x14, Some(0), 8, 0)),
        answers: Some(ResetSegment::new(2, Some(7), 0, 0)),
        cause: ResetCause::NoListener,
        explanation: "no socket listens on this address and port".into(),
        hint: Some("list what listens".into()),
        reason: Some("NO_SOCKET".into()),
        state: None,
        accepted: None,
        context: StackContext::Interrupt,
        process: None,
        owners: Vec::new(),
        conntrack_invalid: None,
        rule: None,
        xt_rule: None,
        rule_unknown: None,
        stack: Vec::new(),
        stack_source: Vec::new(),
    }
}

fn text(verbose: bool, resets: &[Reset]) -> String {
    let mut out = Vec::new();
    let options = TextOptions { color: false, verbose, own_netns: None, clock: Clock::utc() };
    let mut sink = ResetText::new(&mut out, options);
    for reset in resets {
        sink.event(&Event::Reset(Box::new(reset.clone()))).unwrap();
    }
    sink.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_answer_and_its_hint_once() {
    insta::assert_snapshot!(text(false, &[reset(), reset()]), @r"
    22:13:20.104211  netns web  eth0  sent       IP 10.0.0.2.81 > 10.0.0.1.4000: tcp [R.] seq 0 ack 8
        no listener: no socket listens on this address and port (NO_SOCKET)
        answers [S] seq 7 len 0
        hint: list what listens
    22:13:20.104211  netns web  eth0  sent       IP 10.0.0.2.81 > 10.0.0.1.4000: tcp [R.] seq 0 ack 8
        no listener: no socket listens on this address and port (NO_SOCKET)
        answers [S] seq 7 len 0
    ");
}

#[test]
fn a_socket_a_rule_and_what_conntrack_said() {
    let process = |pid, command: &str| Process { pid, command: command.into() };
    let mut active = reset();
    active.answers = None;
    active.device = None;
    active.cause = ResetCause::Linger;
    active.explanation = "closed with SO_LINGER of 0 seconds".into();
    (active.reason, active.hint) = (None, None);
    active.state = Some("established".into());
    active.process = Some(process(5, "cu\x1brl"));
    active.context = StackContext::Process;
    active.stack = vec!["tcp_send_active_reset+0x1".into(), "tcp_disconnect+0x2".into()];
    let at = |function: &str, line, inlined| SourceFrame {
        function: Some(function.into()),
        file: Some("net/ipv4/tcp.c".into()),
        line: Some(line),
        column: None,
        inlined,
    };
    active.stack_source = vec![vec![at("inner", 7, true), at("outer", 9, false)]];
    let mut rule = reset();
    rule.cause = ResetCause::RejectRule;
    rule.explanation = "rejected".into();
    (rule.reason, rule.hint) = (None, None);
    rule.rule = Some(RejectRule {
        family: Family::Inet,
        table: "filter".into(),
        chain: Some("input".into()),
        hook: None,
        handle: 4,
        rule: Some("tcp dport 81 reject with tcp reset".into()),
        iptables: None,
        text_unknown: None,
    });
    rule.conntrack_invalid = Some("SEQ is under the lower bound".into());
    insta::assert_snapshot!(text(true, &[active, rule]), @r"
    22:13:20.104211  netns web  sent       IP 10.0.0.2.81 > 10.0.0.1.4000: tcp [R.] seq 0 ack 8
        linger: closed with SO_LINGER of 0 seconds
        socket established by cu\x1brl (pid 5)
        context   cu\x1brl (pid 5)
        seen      cpu 0
        stack     tcp_send_active_reset+0x1
                      inner at net/ipv4/tcp.c:7 (inlined)
                      outer at net/ipv4/tcp.c:9
                  tcp_disconnect+0x2
    22:13:20.104211  netns web  eth0  sent       IP 10.0.0.2.81 > 10.0.0.1.4000: tcp [R.] seq 0 ack 8
        reject rule: rejected
        inet filter input handle 4: tcp dport 81 reject with tcp reset
        answers [S] seq 7 len 0
        conntrack: INVALID: SEQ is under the lower bound
        context   softirq or interrupt
        seen      cpu 0
    ");
}
