//! Conditions of several expressions, and rules of several conditions, in every
//! family.

use crate::skip::skip;
use std::fmt::Write as _;
use std::process::Command;

use nfscope_event::Family;
use nfscope_ruleset::netlink::expr::Kind;

use super::made::*;

/// Rules that nft lists as their conditions, one behind the other.
const RULES: &[(Family, &[&str])] = &[
    (
        Family::Ip,
        &[
            "ip saddr 1.2.3.4",
            "tcp dport 80",
            "tcp dport 80 ip saddr 1.2.3.0/24",
            "icmp type echo-request",
            "ip protocol tcp tcp dport 5",
            "meta l4proto { tcp, udp } th dport 53",
            "ip protocol { tcp, udp }",
            "ip saddr . ip daddr { 1.2.3.4 . 5.6.7.8 }",
            "ip saddr { 1.2.3.0/24, 5.6.7.8-5.6.7.10 }",
            "ct original saddr 1.2.3.4",
            "tcp dport 80 tcp flags & (fin|syn|rst|ack) == syn",
            "ip saddr != 1.2.3.0/24",
            "ip daddr 1.2.3.4 udp dport 5-6",
            "tcp sport . ip saddr { 1 . 1.2.3.4 }",
            "ct state new tcp dport 5",
            "meta mark 5 tcp dport 8",
            "meta mark and 0x3 != 0x1",
            "ct mark != 0",
            "ip length < 100",
            "ip frag-off & 0x1fff != 0",
            "ip id 5",
            "igmp type membership-query",
            "ah spi 5",
            "esp spi 5",
            "dccp type request",
            "meta iif . meta mark { \"lo\" . 0x5 }",
            "meta cgroup 5",
            "meta rtclassid 5",
            "ct status & (snat|dnat) == snat",
            "ct state != { new, established }",
            "tcp dport { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }",
            "meta skgid 5-10",
            "ip ecn ce",
            "ip dscp { cs1, ef }",
            "ip saddr & 255.255.0.255 == 1.2.0.4",
            "tcp option window count 5",
            "tcp option timestamp tsval 5",
            "meta time 1000-2000",
            "ct count over 3",
            "socket wildcard 1",
            "tcp flags != syn",
            "tcp flags { syn, ack }",
            "ct direction reply",
            "ct avgpkt > 5",
            "ct packets 5",
            "ct id 5",
            "rt nexthop 1.2.3.4",
        ],
    ),
    (
        Family::Ip6,
        &[
            "ip6 saddr fe80::/64",
            "tcp dport 80",
            "icmpv6 type echo-request",
            "ip6 nexthdr tcp",
            "ip6 saddr { fe80::/64, ::1 }",
            "frag id 5",
            "rt type 0",
            "exthdr frag missing",
            "mh type 5",
            "dst hdrlength 5",
            "ip6 daddr . tcp dport { ::1 . 80 }",
            "ip6 saddr & ffff:: == fe80::",
            "ip6 saddr fe80::/12",
        ],
    ),
    (
        Family::Bridge,
        &[
            "ip saddr 1.2.3.4",
            "tcp dport 80",
            "ether saddr 00:01:02:03:04:05",
            "ether type arp",
            "vlan id 5 ip saddr 1.2.3.4",
            "vlan id 5 tcp dport 5",
            "arp operation request",
            "arp saddr ip 1.2.3.4",
            "ip6 saddr ::1",
            "icmp type echo-request",
            "ether type vlan",
            "vlan pcp 3",
            "meta protocol ip tcp dport 3",
            "ip saddr . ether saddr { 1.2.3.4 . 00:01:02:03:04:05 }",
        ],
    ),
    (
        Family::Arp,
        &[
            "arp operation request",
            "arp saddr ip 1.2.3.4",
            "arp htype 1",
            "arp daddr ether 00:01:02:03:04:05",
            "iifname \"x\"",
        ],
    ),
    (
        Family::Netdev,
        &[
            "ip saddr 1.2.3.4",
            "tcp dport 80",
            "ether daddr 00:01:02:03:04:05",
            "vlan id 7",
            "ip daddr 10.0.0.0/8 udp dport 5",
            "meta protocol ip6",
            "ip6 saddr ::1 icmpv6 type 128",
        ],
    ),
    (
        Family::Inet,
        &[
            "ip saddr 1.2.3.4 icmp type echo-reply",
            "meta nfproto ipv6 tcp dport 5",
            "ip version 4 ip saddr 1.2.3.4",
            "th sport 5",
            "meta l4proto 50",
            "meta l4proto != tcp",
            "meta l4proto tcp ct state new",
            "ip daddr @blocked tcp dport 5",
            "ip6 daddr ::1 udp dport { 1, 2 }",
            "ether type ip ip saddr 1.2.3.4",
            "ct original ip6 saddr ::1",
            "udp dport 53 ip saddr 1.1.1.1",
            "meta oifkind \"veth\"",
            "tcp dport 22 limit rate 5/minute burst 7 packets",
            "ip saddr . ip daddr vmap { 1.2.3.4 . 4.3.2.1 : jump c2 }",
            "tcp dport != { 1-5, 9 }",
            "ct mark & 0xff != 0x1",
            "socket transparent 1 socket mark 5",
            "meta sdifname \"vrf0\"",
        ],
    ),
];

#[test]
fn root_conditions_make_up_the_rule() {
    /// What does not fail is not explained.
    const NEVER_FAIL: [&str; 3] = ["bitwise", "byteorder", "immediate"];
    in_namespace(|| {
        let (mut told, mut wrong) = (0, String::new());
        for (family, rules) in RULES {
            if *family != Family::Inet {
                nft(&["add", "table", &family.to_string(), "t"]);
                nft(&["add", "chain", &family.to_string(), "t", "c"]);
            }
            nft(&["add", "chain", &family.to_string(), "t", "c2"]);
            for rule in *rules {
                let Some(Made { rule, text }) = made_in(*family, rule) else { continue };
                let mut conditions: Vec<String> = Vec::new();
                for index in 0..rule.expressions().len() {
                    let why = why(&rule, index, &[]);
                    let fails = !NEVER_FAIL.contains(&why.expression.as_str());
                    if fails && !conditions.contains(&why.condition) {
                        conditions.push(why.condition);
                    }
                }
                let joined = conditions.join(" ");
                if joined != text {
                    let all = rule.expressions();
                    writeln!(wrong, "{joined}\ninstead of\n{text}\n{all:?}").unwrap();
                }
                told += 1;
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        assert!(told > 80, "this kernel or nft refused too many rules: {told} left");
    });
}

fn nft(arguments: &[&str]) {
    assert!(Command::new("nft").args(arguments).status().unwrap().success(), "{arguments:?}");
}

#[test]
fn root_tests_that_nft_adds_are_told_by_the_condition_they_are_for() {
    in_namespace(|| {
        let first_cmp = |text: &str, nth: usize, bytes: &[u8]| {
            let made = made(text).unwrap();
            let compares = |at: &usize| matches!(made.rule.expressions()[*at].kind, Kind::Cmp(..));
            let failing = (0..made.rule.expressions().len()).filter(compares).nth(nth).unwrap();
            why(&made.rule, failing, bytes).to_string()
        };
        assert_eq!(first_cmp("tcp dport 80", 0, &[17]), "tcp dport 80: packet is udp");
        assert_eq!(first_cmp("ip saddr 10.0.0.7", 0, &[10]), "ip saddr 10.0.0.7: packet is ipv6");
        let both = "ip saddr 10.0.0.7 tcp dport 80";
        assert_eq!(first_cmp(both, 0, &[10]), "ip saddr 10.0.0.7: packet is ipv6");
        assert_eq!(first_cmp(both, 2, &[17]), "tcp dport 80: packet is udp");
        let ping = "icmp type echo-request";
        assert_eq!(first_cmp(ping, 0, &[10]), "icmp type echo-request: packet is ipv6");
        assert_eq!(first_cmp(ping, 1, &[6]), "icmp type echo-request: packet is tcp");
        let pair = "ip saddr . tcp dport @pairs";
        assert_eq!(first_cmp(pair, 0, &[10]), "ip saddr . tcp dport @pairs: packet is ipv6");
        assert_eq!(first_cmp(pair, 1, &[17]), "ip saddr . tcp dport @pairs: packet is udp");
        // Those that are in the rule's text stand for themselves.
        assert_eq!(
            first_cmp("meta l4proto tcp counter", 0, &[17]),
            "meta l4proto tcp: packet is udp"
        );
        assert_eq!(
            first_cmp("meta nfproto ipv4 counter", 0, &[10]),
            "meta nfproto ipv4: packet is ipv6"
        );
        let ports = first_cmp("tcp sport 1 tcp dport 2", 1, &[0, 1, 0, 3]);
        assert_eq!(ports, "tcp dport 2: packet has 3");
        let ether = "ether saddr 00:01:02:03:04:05";
        let loopback = first_cmp(ether, 0, &772u16.to_ne_bytes());
        assert_eq!(loopback, format!("{ether}: device is of type loopback"));
        assert_eq!(first_cmp("vlan id 5", 1, &[8, 6]), "vlan id 5: packet is arp");
    });
}

#[test]
fn root_iptables_matches_are_named() {
    in_namespace(|| {
        let rule = [
            "-A",
            "INPUT",
            "-m",
            "statistic",
            "--mode",
            "nth",
            "--every",
            "2",
            "--packet",
            "0",
            "-j",
            "DROP",
        ];
        match Command::new("iptables-nft").args(rule).output() {
            Ok(output) if output.status.success() => {}
            other => return skip(&format!("iptables-nft: {other:?}")),
        }
        let list = ["-a", "list", "chain", "ip", "filter", "INPUT"];
        let listing = Command::new("nft").args(list).output().unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        let mut rules = listing.lines().filter(|line| line.starts_with("\t\t"));
        let handle = rules.find_map(|line| line.rsplit_once(" # handle ")).unwrap().1;
        let handle = handle.parse().unwrap();
        let rule = read(Family::Ip, "filter", "INPUT", handle);
        assert_eq!(
            why(&rule, 0, &[]).to_string(),
            "xt match \"statistic\": iptables' match statistic does not match"
        );
        let line = "-A INPUT -m statistic --mode nth --every 2 -j DROP";
        let why = why(&rule.with_iptables(Some(line.into())), 0, &[]);
        assert_eq!(why.condition, "-m statistic --mode nth --every 2");
    });
}
