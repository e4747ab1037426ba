//! A rule in iptables' words, where no iptables-legacy-save prints it. What a
//! match or target has beside its name is known for a few; the others' is left
//! out, which is said.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::arp;
use super::bridge;
use super::header;
use super::table::{Extension, Rule, Target};
use super::uapi::{Family, name_at, u16_at, u32_at};

/// Stands for options that are not known.
pub(super) const LEFT_OUT: &str = "[…]";

/// `enum ipt_reject_with`
const REJECT_IPV4: [&str; 9] = [
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-proto-unreachable",
    "icmp-port-unreachable",
    "echo-reply",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "tcp-reset",
    "icmp-admin-prohibited",
];
/// `enum ip6t_reject_with`
const REJECT_IPV6: [&str; 9] = [
    "icmp6-no-route",
    "icmp6-adm-prohibited",
    "icmp6-not-neighbour",
    "icmp6-addr-unreachable",
    "icmp6-port-unreachable",
    "echo-reply",
    "tcp-reset",
    "icmp6-policy-fail",
    "icmp6-reject-route",
];

/// The rule as a line, and whether nothing was left out of it.
pub(super) fn line(family: Family, chain: &str, rule: &Rule) -> (String, bool) {
    match family {
        Family::Arp => return arp::line(chain, rule),
        Family::Bridge => return bridge::line(chain, rule),
        Family::Ipv4 | Family::Ipv6 => {}
    }
    let mut out = format!("-A {chain}");
    let mut whole = true;
    for condition in header::conditions(family, rule) {
        out.push_str(&format!(" {}", condition.text()));
    }
    for part in &rule.matches {
        whole &= matching(part, &mut out);
    }
    let target = match &rule.target {
        Target::Continue => return (out, whole),
        Target::Chain { name, goto: true } => {
            out.push_str(&format!(" -g {name}"));
            return (out, whole);
        }
        other => target_name(other),
    };
    out.push_str(&format!(" -j {target}"));
    if let Target::Extension(part) = &rule.target {
        match reject(family, part) {
            Some(with) => out.push_str(&format!(" --reject-with {with}")),
            None if part.data.is_empty() => {}
            None => {
                out.push_str(&format!(" {LEFT_OUT}"));
                whole = false;
            }
        }
    }
    (out, whole)
}

/// A target as it stands behind `-j`.
pub(super) fn target_name(target: &Target) -> String {
    match target {
        Target::Accept => "ACCEPT".into(),
        Target::Drop => "DROP".into(),
        Target::Queue => "QUEUE".into(),
        Target::Return => "RETURN".into(),
        Target::Continue => String::new(),
        Target::Verdict(n) => n.to_string(),
        Target::Chain { name, .. } => name.clone(),
        Target::Extension(part) => part.name.clone(),
    }
}

/// What a REJECT target answers, as `--reject-with` has it.
pub(super) fn reject(family: Family, target: &Extension) -> Option<&'static str> {
    if target.name != "REJECT" {
        return None;
    }
    let with = usize::try_from(u32_at(&target.data, 0)?).ok()?;
    let names = match family {
        Family::Ipv4 => &REJECT_IPV4,
        Family::Ipv6 => &REJECT_IPV6,
        Family::Arp | Family::Bridge => return None,
    };
    names.get(with).copied()
}

/// The rule's comment.
pub(super) fn comment(rule: &Rule) -> Option<String> {
    let part = rule.matches.iter().find(|part| part.name == "comment")?;
    name_at(&part.data, 0, part.data.len())
}

fn not(inverted: bool) -> &'static str {
    if inverted { " !" } else { "" }
}

pub(super) fn show_address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(four).to_string();
    }
    <[u8; 16]>::try_from(bytes).map_or_else(|_| "?".into(), |all| Ipv6Addr::from(all).to_string())
}

/// A prefix length, or the mask itself if it is none.
pub(super) fn show_mask(mask: &[u8]) -> String {
    let ones: u32 = mask.iter().map(|b| b.leading_ones()).sum();
    let leading = mask.iter().take_while(|b| **b == 0xff).count();
    let rest = mask.get(leading).map_or(0, |b| b.leading_ones());
    let prefix = leading as u32 * 8 + rest;
    let set: u32 = mask.iter().map(|b| b.count_ones()).sum();
    if set == prefix && ones == prefix { prefix.to_string() } else { show_address(mask) }
}

/// Adds a match; says whether it is all there.
fn matching(part: &Extension, out: &mut String) -> bool {
    out.push_str(&format!(" -m {}", part.name));
    let options = match (part.name.as_str(), part.revision) {
        ("tcp", 0) => tcp(&part.data),
        // struct xt_udp: spts[2] dpts[2] invflags
        ("udp", 0) => part.data.get(8).and_then(|inverted| ports(&part.data, *inverted)),
        ("comment", 0) => name_at(&part.data, 0, part.data.len())
            .map(|text| format!(" --comment {}", quoted(&text))),
        _ => None,
    };
    match options {
        Some(options) => {
            out.push_str(&options);
            true
        }
        None => {
            out.push_str(&format!(" {LEFT_OUT}"));
            false
        }
    }
}

/// `struct xt_tcp`: spts[2] dpts[2] option flg_mask flg_cmp invflags. Only what
/// has ports alone is told.
fn tcp(data: &[u8]) -> Option<String> {
    let [option, mask, _, inverted] = *data.get(8..12)? else { return None };
    if option != 0 || mask != 0 || inverted & !3 != 0 {
        return None;
    }
    ports(data, inverted)
}

fn ports(data: &[u8], inverted: u8) -> Option<String> {
    let mut out = String::new();
    for (at, option, bit) in [(0, "--sport", 1), (4, "--dport", 2)] {
        let (low, high) = (u16_at(data, at)?, u16_at(data, at + 2)?);
        if (low, high) == (0, u16::MAX) && inverted & bit == 0 {
            continue;
        }
        let range = if low == high { low.to_string() } else { format!("{low}:{high}") };
        out.push_str(&format!("{} {option} {range}", not(inverted & bit != 0)));
    }
    Some(out)
}

/// As iptables-save quotes: nothing that is one plain word.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if "\"\\'".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
#[path = "print_tests.rs"]
mod tests;
