//! What is said of rules of one condition: that, as nft lists it, and what the
//! packet had.

use std::fmt::Write as _;

use nfscope_ruleset::why::{PacketFacts, explain};

use super::made::*;

/// Rules of one condition: the expression of that name that fails (the last of
/// its kind), what the register held, and what is said.
fn cases() -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let host = |n: u32| n.to_ne_bytes().to_vec();
    let big = |n: u32| n.to_be_bytes().to_vec();
    let port = |n: u16| n.to_be_bytes().to_vec();
    vec![
        ("tcp dport 10000", "cmp", port(9080), "packet has 9080"),
        ("tcp dport != 22", "cmp", port(22), "packet has 22"),
        ("tcp dport 1024-2048", "cmp", port(9080), "packet has 9080"),
        ("tcp dport != 1-5", "range", port(3), "packet has 3"),
        ("tcp dport > 5", "cmp", port(5), "packet has 5"),
        ("tcp dport { 22, 80-90 }", "lookup", port(91), "packet has 91"),
        ("tcp dport != { 22, 80 }", "lookup", port(22), "22 is in the set"),
        ("tcp dport vmap { 80 : drop }", "lookup", port(81), "packet has 81"),
        ("tcp flags syn / syn,rst,ack", "cmp", vec![0x12], "packet has syn,ack of syn,rst,ack"),
        ("tcp flags syn", "cmp", vec![0], "packet has none of syn"),
        ("tcp option maxseg size 1400", "cmp", port(1460), "packet has 1460"),
        ("tcp option sack-perm exists", "cmp", vec![0], "it is missing"),
        ("th dport 53", "cmp", port(54), "packet has 54"),
        ("ip saddr 10.0.0.0/24", "cmp", vec![10, 0, 9], "packet has 10.0.9.0/24"),
        ("ip saddr 10.0.0.0/30", "cmp", vec![10, 0, 0, 4], "packet has 10.0.0.4/30"),
        ("ip saddr 10.0.0.1-10.0.0.9", "cmp", vec![10, 0, 0, 10], "packet has 10.0.0.10"),
        (
            "ip saddr & 0.0.0.255 == 0.0.0.5",
            "cmp",
            vec![0, 0, 0, 6],
            "packet has 0.0.0.6 under the mask 0.0.0.255",
        ),
        (
            "ip saddr @blocked",
            "lookup",
            vec![10, 0, 0, 7],
            "10.0.0.7 is not in the set (3 elements)",
        ),
        (
            "ip saddr != @blocked",
            "lookup",
            vec![192, 0, 2, 1],
            "192.0.2.1 is in the set (3 elements)",
        ),
        (
            "ip saddr . tcp dport @pairs",
            "lookup",
            vec![10, 0, 0, 7, 0, 91, 0, 0],
            "10.0.0.7 . 91 is not in the set (1 element)",
        ),
        (
            "tcp sport . tcp dport { 1 . 2, 3-5 . 4 }",
            "lookup",
            vec![0, 1, 0, 0, 0, 3],
            "packet has 1 . 3",
        ),
        (
            "add @seen { ip saddr }",
            "dynset",
            vec![10, 0, 0, 7],
            "10.0.0.7 could not be added: the set is full (0 elements)",
        ),
        (
            "update @slow { ip saddr limit rate 5/second }",
            "dynset",
            vec![10, 0, 0, 7],
            "10.0.0.7 is beyond its limit, or could not be added: the set is full",
        ),
        ("ip6 saddr fe80::/10", "cmp", vec![0xfe, 0xc0], "packet has fec0::/10"),
        ("ip dscp cs1", "cmp", vec![0x28], "packet has af11"),
        ("ip ttl 64", "cmp", vec![63], "packet has 63"),
        ("ip6 flowlabel 5", "cmp", vec![0, 0, 6], "packet has 6"),
        ("ip protocol tcp", "cmp", vec![17], "packet is udp"),
        ("icmp type echo-request", "cmp", vec![0], "packet has echo-reply"),
        ("icmpv6 type nd-neighbor-solicit", "cmp", vec![128], "packet has echo-request"),
        ("iifname \"eth0\"", "cmp", b"veth0".to_vec(), "arrived on veth0"),
        ("iifname \"eth*\"", "cmp", b"veth0".to_vec(), "arrived on veth0"),
        ("oifname { \"eth0\", \"eth1\" }", "lookup", b"lo".to_vec(), "leaves by lo"),
        ("iif \"lo\"", "cmp", host(0), "no input device"),
        ("iif \"lo\"", "cmp", host(7), "arrived on interface 7"),
        ("ct state established,related", "cmp", host(0), "is none of established,related"),
        ("ct state != new", "cmp", host(8), "is new"),
        ("ct state vmap { new : drop }", "lookup", host(2), "is established"),
        ("ct mark 0x00000010", "cmp", host(0x20), "is 0x00000020"),
        (
            "ct mark & 0x000000ff == 0x00000010",
            "cmp",
            host(0x20),
            "is 0x00000020 under the mask 0x000000ff",
        ),
        ("ct direction original", "cmp", vec![1], "is reply"),
        ("ct status dnat", "cmp", host(0), "is none of dnat"),
        ("ct original ip saddr 192.0.2.1", "cmp", vec![10, 0, 0, 7], "is 10.0.0.7"),
        ("ct bytes > 1000", "cmp", 7u64.to_be_bytes().to_vec(), "is 7"),
        ("ct helper \"ftp\"", "cmp", b"sip".to_vec(), "is \"sip\""),
        ("ct zone 5", "cmp", 6u16.to_ne_bytes().to_vec(), "is 6"),
        ("ct expiration > 30s", "cmp", big(29_500), "is 29s500ms"),
        ("ct label 5", "cmp", vec![0], "is none of 5"),
        (
            "ct mark 0x00000010",
            "ct",
            vec![],
            "packet belongs to no connection (untracked or invalid)",
        ),
        ("meta mark 0x00000005-0x0000000a", "cmp", big(11), "packet has 0x0000000b"),
        ("meta length > 100", "cmp", big(60), "packet has 60"),
        ("meta skuid 0", "cmp", host(1000), "is 1000"),
        ("meta skuid 0", "meta", vec![], "packet belongs to no open local socket"),
        ("meta l4proto { tcp, udp }", "lookup", vec![1], "packet is icmp"),
        ("meta pkttype broadcast", "cmp", vec![0], "is host"),
        ("meta hour \"10:00\"-\"11:00\"", "cmp", big(43_200), "it is \"12:00\""),
        ("meta day \"Monday\"", "cmp", vec![2], "it is \"Tuesday\""),
        (
            "meta time < \"2024-01-01 12:00:00\"",
            "cmp",
            1_704_196_800_000_000_000u64.to_be_bytes().to_vec(),
            "it is \"2024-01-02 12:00:00\"",
        ),
        ("meta priority 1:2", "cmp", host(0), "packet has none"),
        ("meta ipsec exists", "cmp", vec![0], "it is missing"),
        ("fib daddr type local", "cmp", host(1), "is unicast"),
        ("fib saddr . iif oif missing", "cmp", vec![1], "it exists"),
        ("fib daddr oif \"lo\"", "cmp", host(0), "there is none"),
        (
            "fib daddr type local",
            "fib",
            vec![],
            "packet is neither IPv4 nor IPv6, or its header is incomplete",
        ),
        ("rt classid 5", "cmp", host(6), "is 6"),
        ("rt classid 5", "rt", vec![], "packet has no route yet"),
        ("rt ip nexthop 192.0.2.1", "cmp", vec![10, 0, 0, 7], "is 10.0.0.7"),
        ("socket transparent 1", "cmp", vec![0], "is 0"),
        ("socket mark 0x00000005", "socket", vec![], "packet belongs to no open local socket"),
        ("osf name \"Linux\"", "cmp", b"Windows".to_vec(), "is \"Windows\""),
        ("osf name \"Linux\"", "osf", vec![], "packet is no TCP SYN"),
        ("exthdr hbh exists", "cmp", vec![0], "it is missing"),
        ("frag more-fragments 1", "cmp", vec![0], "packet has 0"),
        ("hbh nexthdr tcp", "exthdr", vec![], "packet has no hbh extension header"),
        ("ip option rr exists", "cmp", vec![0], "it is missing"),
        ("sctp chunk data exists", "cmp", vec![0], "it is missing"),
        ("ipsec in reqid 5", "cmp", host(6), "is 6"),
        ("ipsec in reqid 5", "xfrm", vec![], "packet did not come through such an IPsec state"),
        ("limit rate 10/second", "limit", vec![], "the rate is exceeded"),
        (
            "limit rate over 10 mbytes/second burst 100 kbytes",
            "limit",
            vec![],
            "the rate is not exceeded",
        ),
        ("limit name \"lim\"", "objref", vec![], "the limit does not let it pass"),
        ("quota 100 mbytes", "quota", vec![], "the quota is used up"),
        ("quota over 1000 bytes", "quota", vec![], "the quota is not used up yet"),
        ("ct count 5", "connlimit", vec![], "there are more than 5 connections"),
        ("ct count over 5", "connlimit", vec![], "there are no more than 5 connections"),
        ("numgen random mod 10 < 5", "cmp", big(7), "was 7"),
        ("jhash ip saddr mod 2 1", "cmp", host(0), "was 0"),
        ("jhash ip saddr mod 2 seed 0x7 offset 100 1", "cmp", host(100), "was 100"),
        ("tcp option sack left 5", "cmp", big(6), "packet has 6"),
        ("tcp option sack right 5", "cmp", big(6), "packet has 6"),
        ("symhash mod 2 1", "cmp", host(0), "was 0"),
        (
            "ether saddr 00:01:02:03:04:05",
            "cmp",
            vec![0, 1, 2, 3, 4, 6],
            "packet has 00:01:02:03:04:06",
        ),
        ("vlan id 5", "cmp", vec![0, 6], "packet has 6"),
    ]
}

#[test]
fn root_conditions_read_as_nft_lists_them() {
    in_namespace(|| {
        let (mut told, mut wrong) = (0, String::new());
        for (text, expression, bytes, reason) in cases() {
            let Some(Made { rule, text }) = made(text) else { continue };
            let all = rule.expressions();
            // Newer nft makes one expression of a range.
            let ranges = expression == "cmp" && all.iter().any(|e| e.name == "range");
            let name = if ranges { "range" } else { expression };
            let failing = all.iter().rposition(|expr| expr.name == name).unwrap();
            let why = why(&rule, failing, &bytes);
            let expected = format!("{text}: {reason}");
            if why.to_string() != expected {
                writeln!(wrong, "{why}\ninstead of\n{expected}\n{all:?}").unwrap();
            }
            assert_eq!((why.index, why.expression.as_str()), (failing, name));
            told += 1;
        }
        assert!(wrong.is_empty(), "{wrong}");
        assert!(told > 70, "this kernel or nft refused too many rules: {told} left");
    });
}

#[test]
fn root_any_expression_and_registers_are_survived() {
    in_namespace(|| {
        for (text, ..) in cases() {
            let Some(Made { rule, .. }) = made(text) else { continue };
            for failing in 0..=rule.expressions().len() + 1 {
                for fill in [0, 0x7f, 0xff] {
                    let registers = [fill; 80];
                    let short = [fill; 9];
                    let packet = PacketFacts {
                        link: Some(&short),
                        network: Some(&short),
                        transport: Some(&[]),
                        ct_state: Some(u32::MAX),
                    };
                    let why = explain(&rule, failing, &registers, &packet);
                    assert!(!why.condition.is_empty() && !why.reason.is_empty());
                }
            }
        }
    });
}
