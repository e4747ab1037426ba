//! Rules that iptables-nft made, in iptables' words; likewise those of
//! ip6tables-nft, arptables-nft and ebtables-nft.
//!
//! iptables-nft-save prints a chain's rules in the kernel's order, one `-A`
//! line each. But it also prints lines for rules that other programs put into
//! its tables, and leaves out what it does not understand (`ip saddr @set
//! drop` becomes `-A INPUT -j DROP`). So a line is believed only for rules
//! made of nothing but what iptables-nft itself makes.

use std::collections::HashMap;

use nfscope_event::Family;

use crate::netlink::{ChainInfo, Ending, Expression, RuleInfo, Verdict};

/// The tables of iptables-nft.
const TABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
/// Those of ebtables-nft; arptables-nft has the first alone.
const BRIDGE_TABLES: [&str; 3] = ["filter", "nat", "broute"];
/// Their base chains.
const CHAINS: [&str; 6] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING"];
/// Kernel names of the expressions that it makes, besides payload, meta and
/// verdicts (iptables/nft-shared.c, iptables/nft.c).
const EXPRESSIONS: [&str; 7] =
    ["counter", "cmp", "bitwise", "match", "immediate", "limit", "range"];
/// `NFT_META_*` keys that it reads: mark, device indices, names and types,
/// transport protocol, packet type.
const META: [u32; 9] = [3, 4, 5, 6, 7, 8, 9, 16, 19];
/// The same of ebtables-nft: names of devices and of their bridges, packet type.
const BRIDGE_META: [u32; 5] = [6, 7, 17, 18, 19];
/// `NFT_META_IIFNAME`, `NFT_META_OIFNAME`: all that arptables-nft reads.
const ARP_META: [u32; 2] = [6, 7];

/// Whether the table's name is one of iptables-nft's.
pub fn is_table(family: Family, table: &str) -> bool {
    match family {
        Family::Ip | Family::Ip6 => TABLES.contains(&table),
        Family::Arp => table == "filter",
        Family::Bridge => BRIDGE_TABLES.contains(&table),
        Family::Inet | Family::Netdev => false,
    }
}

/// Whether every base chain is one of iptables-nft's.
pub(crate) fn are_base_chains(chains: &HashMap<String, ChainInfo>) -> bool {
    let mut base = chains.values().filter(|chain| chain.hook.is_some());
    base.all(|chain| CHAINS.contains(&chain.name.as_str()))
}

/// Whether iptables-nft may have made a rule.
pub(crate) fn may_have_made(rule: &RuleInfo) -> bool {
    let counts = rule.expressions.iter().any(|e| *e == Expression::Other("counter".into()));
    is_table(rule.family, &rule.table)
        && counts
        && rule.expressions.iter().all(|expression| match expression {
            Expression::Ending(Ending::Verdict(verdict)) => !matches!(verdict, Verdict::Other(_)),
            // As xt targets: REJECT, NFQUEUE, SYNPROXY.
            Expression::Ending(Ending::Reject(_) | Ending::Queue(_) | Ending::Synproxy) => true,
            Expression::Ending(Ending::VerdictMap(_) | Ending::Forward) => false,
            Expression::Payload(base, offset) => field(rule.family, *base, *offset),
            Expression::Meta(key) => meta(rule.family).contains(key),
            Expression::Log(_) | Expression::Target(_) => true,
            Expression::Other(name) => EXPRESSIONS.contains(&name.as_str()),
        })
}

fn meta(family: Family) -> &'static [u32] {
    match family {
        Family::Arp => &ARP_META,
        Family::Bridge => &BRIDGE_META,
        _ => &META,
    }
}

/// Whether iptables compares that place of a packet: addresses, protocol and
/// fragment bits; ports and TCP flags; ICMP type and code. ARP's header is read
/// but for nothing behind its addresses; of a frame its addresses and its type.
fn field(family: Family, base: u32, offset: u32) -> bool {
    match (base, family) {
        (1, Family::Arp) => matches!(offset, 0 | 2 | 4..=6 | 8..28),
        (_, Family::Arp) => false,
        (0, Family::Bridge) => matches!(offset, 0..=12),
        (_, Family::Bridge) => false,
        (1, Family::Ip) => matches!(offset, 6 | 9 | 12..20),
        (1, _) => matches!(offset, 6 | 8..40),
        (2, _) => matches!(offset, 0..=3 | 13),
        _ => false,
    }
}

/// Program that saves a family's tables.
pub(crate) fn program(family: Family) -> &'static str {
    match family {
        Family::Ip6 => "ip6tables-nft-save",
        Family::Arp => "arptables-nft-save",
        Family::Bridge => "ebtables-nft-save",
        _ => "iptables-nft-save",
    }
}

/// How it is asked for a table; arptables-nft-save knows one alone.
pub(crate) fn arguments(family: Family, table: &str) -> Vec<&str> {
    if family == Family::Arp { Vec::new() } else { vec!["-t", table] }
}

/// The `-A` lines of one saved table by chain, in order.
pub(crate) fn parse(saved: &str, table: &str) -> HashMap<String, Vec<String>> {
    let mut lines: HashMap<String, Vec<String>> = HashMap::new();
    let mut within = false;
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            within = name == table;
        } else if within && line.starts_with("-A ") {
            let chain = line.split(' ').nth(1).unwrap_or_default();
            lines.entry(chain.into()).or_default().push(line.trim_end().into());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `iptables-nft-save` of iptables 1.8.9, two tables.
    const SAVED: &str = "\
# Generated by iptables-nft-save v1.8.9 (nf_tables) on Sat Nov 21 11:02:49 2026
*filter
:INPUT ACCEPT [0:0]
:foo - [0:0]
-A INPUT -s 1.1.1.1/32 -j foo
-A INPUT -p tcp -m tcp --dport 33 -m comment --comment \"hi \\\" there\" -j DROP
-A foo -j REJECT --reject-with icmp-port-unreachable
COMMIT
*raw
-A PREROUTING -j DROP
COMMIT
";

    #[test]
    fn lines_are_counted_by_chain_within_a_table() {
        let lines = parse(SAVED, "filter");
        assert_eq!(lines["INPUT"].len(), 2);
        assert!(lines["INPUT"][1].ends_with("--comment \"hi \\\" there\" -j DROP"));
        assert_eq!(lines["foo"], ["-A foo -j REJECT --reject-with icmp-port-unreachable"]);
        assert_eq!(parse(SAVED, "raw")["PREROUTING"], ["-A PREROUTING -j DROP"]);
        assert!(!lines.contains_key("PREROUTING"));
    }

    fn rule(table: &str, expressions: Vec<Expression>) -> RuleInfo {
        RuleInfo {
            family: Family::Ip,
            table: table.into(),
            chain: "INPUT".into(),
            handle: 1,
            expressions,
            comment: None,
        }
    }

    #[test]
    fn a_rule_with_foreign_parts_is_not_believed() {
        let other = |name: &str| Expression::Other(name.into());
        let drop = || Expression::Ending(Ending::Verdict(Verdict::Drop));
        let ports = Expression::Payload(2, 2);
        let own = vec![ports.clone(), other("cmp"), other("match"), other("counter"), drop()];
        assert!(may_have_made(&rule("filter", own.clone())));
        assert!(!may_have_made(&rule("mine", own)));
        let with_set = vec![Expression::Payload(1, 12), other("lookup"), other("counter"), drop()];
        assert!(!may_have_made(&rule("filter", with_set)));
        let dscp = vec![Expression::Payload(1, 1), other("cmp"), other("counter"), drop()];
        assert!(!may_have_made(&rule("filter", dscp)));
        assert!(!may_have_made(&rule("filter", vec![ports, other("cmp"), drop()])));
    }

    #[test]
    fn arp_and_bridge_have_tables_and_fields_of_their_own() {
        let other = |name: &str| Expression::Other(name.into());
        let of = |family, table: &str, field| RuleInfo {
            family,
            ..rule(table, vec![field, other("cmp"), other("counter")])
        };
        let sender = || Expression::Payload(1, 14);
        assert!(may_have_made(&of(Family::Arp, "filter", sender())));
        assert!(!may_have_made(&of(Family::Arp, "nat", sender())));
        assert!(!may_have_made(&of(Family::Arp, "filter", Expression::Payload(2, 2))));
        assert!(may_have_made(&of(Family::Bridge, "nat", Expression::Payload(0, 6))));
        assert!(may_have_made(&of(Family::Bridge, "filter", Expression::Meta(17))));
        assert!(!may_have_made(&of(Family::Bridge, "filter", sender())));
        assert!(!may_have_made(&of(Family::Inet, "filter", sender())));
    }
}
