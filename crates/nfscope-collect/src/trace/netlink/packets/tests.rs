use nfscope_ruleset::netlink::Verdict;

use super::*;

fn message(table: &str, chain: &str) -> TraceMessage {
    TraceMessage {
        id: 7,
        family: Family::Inet,
        table: table.into(),
        chain: chain.into(),
        rule_handle: None,
        kind: TraceType::Policy,
        verdict: None,
        policy: Some(Verdict::Accept),
        nfproto: Some(2),
        mark: None,
        iif: None,
        iif_type: None,
        oif: None,
        oif_type: None,
        link_header: Vec::new(),
        network_header: Vec::new(),
        transport_header: Vec::new(),
    }
}

fn mark(chain: &str) -> TraceMessage {
    message(MARK_TABLE, chain)
}

/// The rule that marks.
fn marks() -> TraceMessage {
    TraceMessage { rule_handle: Some(2), kind: TraceType::Rule, ..message(MARK_TABLE, MARK_CHAIN) }
}

/// A rule of the user's, the first of its traversal or not.
fn rule(first: bool, verdict: Verdict) -> TraceMessage {
    let network_header = if first { vec![0x45; 40] } else { Vec::new() };
    TraceMessage {
        rule_handle: Some(4),
        kind: TraceType::Rule,
        verdict: Some(verdict),
        policy: None,
        network_header,
        ..message("filter", "input")
    }
}

fn told(message: TraceMessage, device: &str) -> Told {
    Told { message, after_ns: 1, until_ns: 2, input: Some((3, device.into())), output: None }
}

fn take(packets: &mut Packets, messages: Vec<TraceMessage>) -> Vec<TraceRecord> {
    let mut records = Vec::new();
    messages.into_iter().for_each(|m| packets.take(&told(m, "eth0"), &mut records));
    records
}

fn numbers(records: &[TraceRecord]) -> Vec<(u64, u32, u32)> {
    records.iter().map(|r| (r.head.start, r.head.traversal, r.head.sequence)).collect()
}

#[test]
fn packets_of_one_number_are_told_apart() {
    let mut packets = Packets::new(9, None);
    let way = || {
        let rule = rule(true, Verdict::Continue);
        vec![marks(), mark("hook0"), rule, message("filter", "input")]
    };
    let records = take(&mut packets, [way(), vec![mark("hook1")], way()].concat());
    assert_eq!(
        numbers(&records),
        [(1, 1, 1), (1, 1, 2), (1, 1, 3), (2, 1, 1), (2, 1, 2), (2, 1, 3)]
    );
    // the same packet at its next hook
    let records = take(&mut packets, [vec![mark("hook1")], way()[2..].to_vec()].concat());
    assert_eq!(numbers(&records), [(2, 2, 4), (2, 2, 5), (2, 2, 6)]);
}

#[test]
fn what_was_dropped_does_not_come_again() {
    let mut packets = Packets::new(9, None);
    let dropped = vec![marks(), mark("hook0"), rule(true, Verdict::Drop)];
    let later = vec![marks(), mark("hook1"), rule(true, Verdict::Accept)];
    let records = take(&mut packets, [dropped, later].concat());
    assert_eq!(numbers(&records), [(1, 1, 1), (1, 1, 2), (2, 1, 1), (2, 1, 2)]);
}

#[test]
fn a_traversal_whose_beginning_is_lost_has_no_entry() {
    let mut packets = Packets::new(9, None);
    let records = take(&mut packets, vec![marks(), mark("hook0"), rule(false, Verdict::Continue)]);
    assert_eq!(numbers(&records), [(1, 1, 1)]);
    assert!(matches!(records[0].what, Record::Decision(_)));
    // but for a packet that the rule took
    let records = take(&mut packets, vec![marks(), mark("hook0"), rule(false, Verdict::Stolen)]);
    assert!(matches!(records[0].what, Record::Entry(_)));
}

#[test]
fn a_packet_is_selected_at_its_device() {
    let mut packets = Packets::new(9, Some("eth1".into()));
    let mut records = take(&mut packets, vec![marks(), mark("hook0")]);
    packets.take(&told(rule(true, Verdict::Accept), "eth0"), &mut records);
    assert!(records.is_empty());
    packets.take(&told(rule(true, Verdict::Accept), "eth1"), &mut records);
    packets.take(&told(rule(true, Verdict::Accept), "eth0"), &mut records);
    assert_eq!(numbers(&records), [(1, 2, 1), (1, 2, 2), (1, 3, 3), (1, 3, 4)]);
}

#[test]
fn what_others_have_marked_is_not_told() {
    let mut packets = Packets::new(9, None);
    let theirs = vec![mark("hook0"), rule(true, Verdict::Accept), mark("hook1")];
    assert!(take(&mut packets, theirs).is_empty());
    // the next one of that number is ours, too
    let ours = vec![marks(), mark("hook0"), rule(true, Verdict::Accept)];
    assert_eq!(numbers(&take(&mut packets, ours)), [(2, 1, 1), (2, 1, 2)]);
}

#[test]
fn headers_are_put_together() {
    let mut ipv4 = [0x45; 40];
    ipv4[20] = 1;
    assert_eq!(headers(&ipv4, &[2; 20])[20..], [2; 20]);
    assert_eq!(headers(&ipv4, &[]), ipv4);
    // options reach beyond what the message has
    assert_eq!(headers(&[0x4f; 40], &[2; 20]), [0x4f; 40]);
    assert_eq!(headers(&[], &[2; 20]), []);
    // a VLAN tag that the kernel has put back
    let link_header = [[1; 12].as_slice(), &[0x81, 0, 0, 5, 8, 0]].concat();
    let mut message = rule(true, Verdict::Accept);
    (message.link_header, message.iif_type) = (link_header, Some(ETHERNET));
    let packet = packet(&told(message, "eth0"), 9);
    assert_eq!((packet.tag, packet.ethertype), (Some((0x8100, 5)), 0x0800));
}
