//! Rules of known parts, and packets that meet some of them.

use super::super::table::{Extension, Target};
use super::super::uapi::Family;
use super::*;
use proptest::prelude::*;

/// TCP from 10.0.0.1 port 4000 to 10.0.0.2 port 80, SYN, TTL 64, mark 5, new.
fn packet() -> Packet {
    let mut network = vec![0x45, 0, 0, 40, 0, 7, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    network.extend([0x0f, 0xa0, 0, 80]);
    network.extend([0; 8]);
    network.extend([0x50, 2, 0, 0, 0, 0, 0, 0]);
    Packet {
        network,
        input: Some("eth0".into()),
        output: None,
        mark: 5,
        ct_state: ct_state(2, Some(0)),
    }
}

/// A rule for TCP with these matches.
fn rule(matches: Vec<Extension>) -> Rule {
    let mut header = vec![0; 112];
    header[80..82].copy_from_slice(&6u16.to_ne_bytes());
    Rule { offset: 0, header, matches, target: Target::Drop }
}

fn extension(name: &str, revision: u8, data: Vec<u8>) -> Extension {
    Extension { name: name.into(), revision, data }
}

fn tcp(destination: [u16; 2], flags: [u8; 2], inverted: u8) -> Extension {
    let ports = [0, u16::MAX, destination[0], destination[1]];
    let mut data: Vec<u8> = ports.iter().flat_map(|port| port.to_ne_bytes()).collect();
    data.extend([0, flags[0], flags[1], inverted]);
    extension("tcp", 0, data)
}

fn why(rule: &Rule, line: Option<&str>, targets: &[&str]) -> WhyNot {
    let table = Table {
        family: Family::Ipv4,
        name: "filter".into(),
        entries: 1,
        size: 1,
        chains: Vec::new(),
    };
    explain(&table, rule, line, &packet(), targets.iter().copied())
}

fn words(rule: &Rule) -> String {
    let why = why(rule, None, &[]);
    format!(
        "{} | {}: {}",
        why.part.unwrap_or_default(),
        why.condition.unwrap_or_default(),
        why.reason
    )
}

#[test]
fn parts_of_the_header() {
    let mut source = rule(Vec::new());
    source.header[..4].copy_from_slice(&[10, 1, 0, 0]);
    source.header[8..10].fill(255);
    assert_eq!(words(&source), "source | -s 10.1.0.0/16: packet has 10.0.0.1");
    let mut destination = rule(Vec::new());
    destination.header[4..8].copy_from_slice(&[10, 0, 0, 2]);
    destination.header[12..16].fill(255);
    destination.header[83] = 16;
    assert_eq!(words(&destination), "destination | ! -d 10.0.0.2/32: packet has 10.0.0.2");
    let mut input = rule(Vec::new());
    input.header[16..19].copy_from_slice(b"lo\0");
    input.header[48..51].fill(255);
    assert_eq!(words(&input), "in_interface | -i lo: packet has eth0");
    let mut output = rule(Vec::new());
    output.header[32..35].copy_from_slice(b"eth");
    output.header[64..67].fill(255);
    assert_eq!(words(&output), "out_interface | -o eth+: the hook has no such device");
    let mut protocol = rule(Vec::new());
    protocol.header[80] = 17;
    assert_eq!(words(&protocol), "protocol | -p udp: packet has tcp");
    let mut fragment = rule(Vec::new());
    fragment.header[82] = 1;
    assert_eq!(words(&fragment), "fragment | -f: packet is no fragment, or the first");
}

#[test]
fn matches_that_are_evaluated() {
    for (part, told) in [
        (tcp([81, 90], [0, 0], 0), "tcp | -m tcp --dport 81:90: packet has 80"),
        (tcp([80, 80], [0, 0], 2), "tcp | -m tcp ! --dport 80: packet has 80"),
        (tcp([80, 80], [0x12, 0x10], 0), "tcp | -m tcp --tcp-flags SYN,ACK ACK: packet has SYN"),
        (extension("ttl", 0, vec![2, 64]), "ttl | -m ttl --ttl-lt 64: packet has 64"),
        (
            extension("mark", 1, [[5u8, 0, 0, 0], [255; 4], [1, 0, 0, 0]].concat()),
            "mark | -m mark ! --mark 0x5: packet has 0x5",
        ),
        (
            extension("length", 0, vec![41, 0, 255, 255, 0, 0]),
            "length | -m length --length 41:65535: packet has 40",
        ),
    ] {
        assert_eq!(words(&rule(vec![part])), told);
    }
    let mut data = vec![1, 3];
    data.extend([22u16, 8000, 8080].iter().flat_map(|port| port.to_ne_bytes()));
    data.resize(32, 0);
    data.extend([0, 1, 0]);
    data.resize(48, 0);
    let multiport = rule(vec![extension("multiport", 1, data)]);
    assert_eq!(words(&multiport), "multiport | -m multiport --dports 22,8000:8080: packet has 80");
    let mut data = vec![0; 164];
    data[146..148].copy_from_slice(&1u16.to_ne_bytes());
    data[150..152].copy_from_slice(&6u16.to_ne_bytes());
    let conntrack = rule(vec![extension("conntrack", 3, data)]);
    assert_eq!(
        words(&conntrack),
        "conntrack | -m conntrack --ctstate RELATED,ESTABLISHED: packet has NEW"
    );
}

#[test]
fn what_is_left_over_is_named() {
    let limit = || extension("limit", 0, vec![0; 40]);
    let one = rule(vec![tcp([80, 80], [0, 0], 0), limit()]);
    let line = Some("-A INPUT -p tcp -m tcp --dport 80 -m limit --limit 1/hour -j DROP");
    let told = why(&one, line, &[]);
    assert_eq!(told.part.as_deref(), Some("limit"));
    assert_eq!(told.condition.as_deref(), Some("-m limit --limit 1/hour"));
    let two = rule(vec![limit(), extension("set", 4, vec![0; 16])]);
    let told = why(&two, None, &[]);
    assert_eq!((told.part, told.candidates), (None, vec!["limit".into(), "set".into()]));
    assert_eq!(told.reason, "one of limit, set did not match");
    // a rule that seems to match is not explained
    assert_eq!(why(&rule(Vec::new()), None, &[]).part, None);
}

#[test]
fn what_a_target_may_have_changed_is_not_evaluated() {
    let port = rule(vec![tcp([81, 81], [0, 0], 0), extension("limit", 0, Vec::new())]);
    assert_eq!(why(&port, None, &["MARK", "TTL"]).part.as_deref(), Some("tcp"));
    let told = why(&port, None, &["SOMETHING"]);
    assert_eq!((told.part, told.candidates.len()), (None, 3));
    let ttl = rule(vec![extension("ttl", 0, vec![2, 64]), tcp([80, 80], [0, 0], 0)]);
    assert_eq!(why(&ttl, None, &["TTL"]).reason, "the rest of the rule fits the packet");
}

proptest! {
    #[test]
    fn any_rule_and_packet_are_survived(
        name in "tcp|udp|multiport|icmp|icmp6|ttl|hl|tos|dscp|length|mark|iprange|conntrack|comment",
        revision in 0u8..4,
        data in proptest::collection::vec(any::<u8>(), 0..170),
        header in proptest::collection::vec(any::<u8>(), 0..180),
        network in proptest::collection::vec(any::<u8>(), 0..100),
        family in proptest::sample::select(&Family::ALL[..2]),
    ) {
        let matches = vec![extension(&name, revision, data)];
        let rule = Rule { offset: 0, header, matches, target: Target::Drop };
        let table = Table { family, name: String::new(), entries: 0, size: 0, chains: Vec::new() };
        let packet = Packet { network, ..packet() };
        let _ = explain(&table, &rule, None, &packet, std::iter::empty());
    }
}
