//! Resets of every kind.

use nfscope_event::{
    Device, Event, Family, Netns, Process, RejectRule, Reset, ResetCause, ResetDirection,
    ResetSegment, StackContext, XtPlace, XtRule, XtVerdict,
};

use super::samples::{source_lines, text};

const CAUSES: [ResetCause; 18] = [
    ResetCause::NoListener,
    ResetCause::NoConnection,
    ResetCause::OutOfWindow,
    ResetCause::ListenQueue,
    ResetCause::InvalidSyn,
    ResetCause::TimeWait,
    ResetCause::DataAfterClose,
    ResetCause::UnreadData,
    ResetCause::Linger,
    ResetCause::Closed,
    ResetCause::Disconnected,
    ResetCause::Aborted,
    ResetCause::Timeout,
    ResetCause::OutOfMemory,
    ResetCause::RejectRule,
    ResetCause::Forged,
    ResetCause::Peer,
    ResetCause::Unknown,
];

fn whole(cause: ResetCause) -> Reset {
    let process = Process { pid: 1, command: "curl".into() };
    Reset {
        time_ns: 1,
        cpu: 0,
        direction: ResetDirection::Sent,
        netns: Netns { inode: 1, name: text("blue") },
        device: Some(Device { index: 2, name: "eth0".into() }),
        source: Some([10, 0, 0, 2].into()),
        source_port: Some(80),
        destination: Some([10, 0, 0, 1].into()),
        destination_port: Some(4000),
        segment: Some(ResetSegment::new(0x14, Some(0), 8, 0)),
        answers: Some(ResetSegment::new(0x02, Some(7), 0, 0)),
        cause,
        explanation: "no socket listens".into(),
        hint: text("ss -tlnp"),
        reason: text("NO_SOCKET"),
        state: text("established"),
        accepted: Some(false),
        context: StackContext::Process,
        process: Some(process.clone()),
        owners: vec![process],
        conntrack_invalid: text("SEQ is under the lower bound"),
        rule: Some(RejectRule {
            family: Family::Inet,
            table: "filter".into(),
            chain: text("services"),
            hook: text("input"),
            handle: 7,
            rule: text("reject with tcp reset"),
            iptables: text("-A INPUT -j REJECT"),
            text_unknown: text("gone"),
        }),
        xt_rule: Some(XtRule {
            place: XtPlace {
                family: Family::Ip6,
                table: "filter".into(),
                chain: text("INPUT"),
                hook: text("input"),
            },
            number: Some(1),
            verdict: XtVerdict::Reject,
            target: text("REJECT"),
            rule: text("-A INPUT -j REJECT --reject-with tcp-reset"),
            outline: true,
            text_unknown: text("gone"),
            comment: text("no"),
            sent: text("tcp reset"),
        }),
        rule_unknown: text("iptables-legacy"),
        stack: vec!["tcp_v4_send_reset+0x1".into()],
        stack_source: vec![source_lines()],
    }
}

/// With all that there can be, and with as little as there can be.
pub fn resets() -> Vec<Event> {
    let bare = Reset {
        direction: ResetDirection::Forwarded,
        netns: Netns { inode: 0, name: None },
        device: None,
        source: None,
        source_port: None,
        destination: None,
        destination_port: None,
        segment: None,
        answers: None,
        hint: None,
        reason: None,
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
        ..whole(ResetCause::Peer)
    };
    let mut all: Vec<Reset> = CAUSES.map(whole).into();
    all.push(Reset { direction: ResetDirection::Received, ..bare.clone() });
    all.push(bare);
    all.into_iter().map(|reset| Event::Reset(Box::new(reset))).collect()
}

#[test]
fn a_cause_has_one_name_in_text_and_in_json() {
    for cause in CAUSES {
        let json = serde_json::to_value(cause).unwrap();
        let words = cause.as_str().to_lowercase().replace(' ', "_");
        assert_eq!(json.as_str(), Some(words.as_str()));
    }
}
