//! What `src/lib.rs` promises about frames, one test for each sentence.

mod common;

use common::interpreter;
use nfscope_filter::{Compiled, MAX_BYTES, compile};

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// A frame with the given bytes behind the MAC addresses.
fn frame(rest: &[u8]) -> Vec<u8> {
    [&MACS[..], rest].concat()
}

/// IPv4 with TCP to port 80, without the Ethernet type.
fn tcp() -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend([0x27, 0x10, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    packet
}

fn filter(expression: &str) -> Compiled {
    compile(expression).unwrap_or_else(|e| panic!("{e}"))
}

/// What the filter says when `caplen` bytes are there.
fn matches(filter: &Compiled, frame: &[u8], caplen: usize) -> bool {
    let mut buffer = frame.to_vec();
    buffer.resize(544, 0);
    interpreter::run(&filter.insns, &buffer, caplen as u32, frame.len() as u32).expect("it runs")
        != 0
}

fn says(expression: &str, frame: &[u8]) -> bool {
    matches(&filter(expression), frame, frame.len())
}

#[test]
fn only_link_addresses_need_a_link_header() {
    for expression in [
        "ether host 02:00:00:00:00:01",
        "not ether src 02:00:00:00:00:01",
        "ether multicast",
        "broadcast",
        "tcp or ether dst ff:ff:ff:ff:ff:ff",
        "ether[0] & 1 = 0",
        "ether[ip[0]] = 1",
    ] {
        assert!(filter(expression).needs_link, "{expression}");
    }
    for expression in [
        "",
        "tcp port 80",
        "arp",
        "ether proto 0x88cc",
        "ether[12:2] = 0x800",
        "vlan 5",
        "ip multicast",
        "ip[ip[0]] = 1",
        "ip6 protochain 6",
        "stp",
    ] {
        assert!(!filter(expression).needs_link, "{expression}");
    }
}

#[test]
fn the_tag_is_wanted_by_who_compares_the_ethernet_type_with_it() {
    for expression in [
        "vlan",
        "not vlan",
        "vlan 5 and tcp",
        "tcp or vlan",
        "ether proto 0x8100",
        "ether proto 0x88a8",
        "ether[12:2] = 0x8100",
        "ether[12:4] = 0x81000005",
        "ether[12:2] & 0xffff = 0x9100",
    ] {
        assert!(filter(expression).wants_vlan_tag, "{expression}");
    }
    for expression in ["", "tcp", "arp or ip6", "ip[2:2] = 0x8100", "port 33024", "len = 33024"] {
        assert!(!filter(expression).wants_vlan_tag, "{expression}");
    }
}

#[test]
fn a_tag_that_is_asked_for_is_part_of_the_frame() {
    let plain = frame(&[&[8, 0][..], &tcp()].concat());
    let tagged = frame(&[&[0x81, 0, 0, 5, 8, 0][..], &tcp()].concat());
    assert!(says("tcp dst port 80", &plain));
    assert!(!says("tcp dst port 80", &tagged));
    for expression in ["vlan", "vlan 5", "vlan and tcp dst port 80", "vlan 5 and host 10.0.0.1"] {
        assert!(says(expression, &tagged), "{expression}");
        assert!(!says(expression, &plain), "{expression}");
    }
    assert!(says("not vlan", &plain));
    // What precedes `vlan` does not look behind the tag.
    assert!(says("tcp or (vlan and tcp)", &tagged));
    assert!(!says("ip or (vlan 6 and ip)", &tagged));
}

#[test]
fn bytes_needed_are_what_the_filter_can_reach() {
    for (expression, bytes) in [
        ("", 0),
        ("len > 100", 0),
        ("1 = 1", 0),
        ("arp", 64),
        ("host 10.0.0.1", 64),
        ("tcp[13] & 2 != 0", 96),
        ("tcp port 80", 96),
        ("tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", 256),
        ("ip[ip[2:2]] = 0", 512),
        ("ether[120] = 0", 128),
        ("ether[511] = 0", 512),
    ] {
        assert_eq!(filter(expression).bytes_needed, bytes, "{expression}");
    }
    assert!(compile("ether[512] = 0").is_err());
    assert!(compile("ether[509:4] = 0").is_err());
    assert!(compile("ether[508:4] = 0").is_ok());
    assert_eq!(MAX_BYTES, 512);
}

#[test]
fn a_load_behind_the_available_bytes_matches_nothing() {
    let packet = frame(&[&[8, 0][..], &tcp()].concat());
    for (expression, needed) in [
        ("ip", 14),
        ("not ip6", 14),
        ("not tcp dst port 81", 38),
        ("tcp dst port 80", 38),
        ("not ip[39] = 1", 54),
        ("not ether[53] = 1", 54),
    ] {
        let filter = filter(expression);
        assert!(matches(&filter, &packet, packet.len()), "{expression}");
        assert!(matches(&filter, &packet, needed), "{expression}");
        for caplen in 0..needed {
            assert!(!matches(&filter, &packet, caplen), "{expression} {caplen}");
        }
    }
    // What needs no byte matches a packet of which nothing is there.
    assert!(matches(&filter(""), &packet, 0));
    assert!(matches(&filter("len = 54"), &packet, 0));
}

#[test]
fn a_division_by_zero_matches_nothing() {
    let packet = frame(&[&[8, 0][..], &tcp()].concat());
    assert!(!says("ip[2:2] / ip[1] = 0", &packet));
    assert!(!says("not ip[2:2] / ip[1] = 0", &packet));
    assert!(!says("not ip[2:2] % ip[1] = 0", &packet));
}

#[test]
fn the_length_is_that_on_the_wire() {
    let packet = frame(&[&[8, 0][..], &tcp()].concat());
    let filter = filter("len = 54 and tcp");
    assert!(matches(&filter, &packet, 40));
    assert!(says("greater 54 and less 54", &packet));
}

#[test]
fn accept_all_looks_at_nothing() {
    let all = Compiled::accept_all().expect("it translates");
    assert_eq!((all.insns.len(), all.bytes_needed), (2, 0));
    assert!(!all.needs_link && !all.wants_vlan_tag);
    assert_eq!(compile("").as_ref(), Ok(&all));
}

#[test]
fn usual_filters_stay_small() {
    for (expression, most) in [
        ("tcp port 10000", 42),
        ("host 10.0.0.1 and tcp dst port 80", 31),
        ("icmp", 10),
        ("arp", 8),
        ("not port 22", 50),
    ] {
        let insns = filter(expression).insns.len();
        assert!(insns <= most, "{expression}: {insns} instructions");
    }
}
