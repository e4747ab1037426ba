//! The rules that mark packets for the kernel's own trace: those of the filter
//! and no others, as far as rules can tell.

use nfscope_event::Family;
use nfscope_filter::{Comparison, Decision, Decisions, Outcome, Place};
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::scratch::{Base, ChainSpec, HookSpec, Relation, RuleSpec, TableSpec};

/// Name of the table in the traced namespace.
pub const TABLE: &str = "nfscope-trace";
/// The chain that marks.
pub const MARK: &str = "mark";
/// Names of the base chains: with the hook's number, and whether it is the second.
const HOOK: &str = "hook";
const NAT: &str = "-nat";
/// The kernel refuses deeper jumps (`NFT_JUMP_STACK_SIZE`); the base chain and
/// the chain that marks take two.
const DEEPEST: usize = 14;
/// Behind destination NAT, whose priority is -100, the packet is another one.
const BEHIND_NAT: i32 = -99;

/// Whether rules mark the packets that a filter takes and no others.
pub fn tells(decisions: &Decisions) -> bool {
    decisions.exact && decisions.depth() <= DEEPEST
}

/// The table for one family. Without decisions, or where they go too deep,
/// every packet is marked.
///
/// The mark must be there before any other chain sees the packet, and a packet
/// that NAT has changed may match where it did not before: every hook has a
/// chain in front of all others, and hooks with destination NAT one behind it.
pub(super) fn table(family: Family, owned: bool, decisions: Option<&Decisions>) -> TableSpec {
    let decisions = decisions.filter(|decisions| decisions.depth() <= DEEPEST);
    let mut chains = vec![ChainSpec {
        name: MARK.into(),
        hook: None,
        rules: vec![RuleSpec::new().set_nftrace(true)],
    }];
    let start = match decisions {
        None => Outcome::Match,
        Some(decisions) => {
            chains.extend(decisions.list.iter().enumerate().map(|(at, d)| chain(at, d)));
            decisions.start
        }
    };
    for (number, priority) in hooks(family, start == Outcome::Match) {
        chains.push(ChainSpec {
            name: format!("{HOOK}{number}{}", if *priority == i32::MIN { "" } else { NAT }),
            hook: Some(HookSpec {
                number: *number,
                priority: *priority,
                policy: Verdict::Accept,
                device: None,
            }),
            rules: goes_on(RuleSpec::new(), start).into_iter().collect(),
        });
    }
    TableSpec { family, name: TABLE.into(), owned, chains, maps: Vec::new() }
}

/// Number and priority of the hooks: prerouting, input, forward, output,
/// postrouting; ARP has input and output alone. Where every packet is marked,
/// those are enough that each packet passes first.
fn hooks(family: Family, every_packet: bool) -> &'static [(u32, i32)] {
    const FIRST: i32 = i32::MIN;
    match family {
        Family::Arp => &[(0, FIRST), (1, FIRST)],
        _ if every_packet => &[(0, FIRST), (3, FIRST)],
        Family::Bridge => &[(0, FIRST), (1, FIRST), (2, FIRST), (3, FIRST), (4, FIRST)],
        _ => &[
            (0, FIRST),
            (0, BEHIND_NAT),
            (1, FIRST),
            (2, FIRST),
            (3, FIRST),
            (3, BEHIND_NAT),
            (4, FIRST),
        ],
    }
}

/// Where a packet that passes a base chain of the table is on its way: the later,
/// the larger. None for other chains.
pub fn place_of_mark(chain: &str) -> Option<u32> {
    let hook = chain.strip_prefix(HOOK)?;
    let (number, behind) = match hook.strip_suffix(NAT) {
        Some(number) => (number, 1),
        None => (hook, 0),
    };
    Some(number.parse::<u32>().ok()?.checked_mul(2)? + behind)
}

fn name(decision: usize) -> String {
    format!("test{decision}")
}

/// A chain for one comparison: what holds goes one way, the rest another.
fn chain(at: usize, decision: &Decision) -> ChainSpec {
    let rules = [goes_on(test(decision), decision.yes), goes_on(RuleSpec::new(), decision.no)];
    // where nothing follows if it holds, the packet must not fall through
    let rules = match decision.yes {
        Outcome::NoMatch => {
            vec![Some(test(decision).verdict(Verdict::Return)), rules[1].clone()]
        }
        _ => rules.into(),
    };
    ChainSpec { name: name(at), hook: None, rules: rules.into_iter().flatten().collect() }
}

fn goes_on(rule: RuleSpec, outcome: Outcome) -> Option<RuleSpec> {
    match outcome {
        Outcome::Match => Some(rule.verdict(Verdict::Goto(MARK.into()))),
        Outcome::Decide(next) => Some(rule.verdict(Verdict::Goto(name(next)))),
        Outcome::NoMatch => None,
    }
}

fn test(decision: &Decision) -> RuleSpec {
    let length = decision.bytes;
    let number = |value: u32| value.to_be_bytes()[4 - length as usize..].to_vec();
    let all = u32::MAX >> (32 - 8 * length);
    let rule = match decision.place {
        Place::Protocol => RuleSpec::new().load_protocol(),
        Place::Network(offset) => RuleSpec::new().load_payload(Base::Network, offset, length),
        Place::Transport(offset) => RuleSpec::new().load_payload(Base::Transport, offset, length),
    };
    let (mask, relation, operand) = match decision.comparison {
        Comparison::Equal => (decision.mask, Relation::Equal, decision.operand),
        Comparison::Greater => (decision.mask, Relation::Greater, decision.operand),
        Comparison::GreaterOrEqual => (decision.mask, Relation::GreaterOrEqual, decision.operand),
        Comparison::AnyBit => (decision.mask & decision.operand, Relation::NotEqual, 0),
    };
    let rule = if mask & all == all { rule } else { rule.mask(&number(mask)) };
    rule.compare(relation, &number(operand))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_becomes_chains_that_lead_to_the_mark() {
        let filter = nfscope_filter::compile("udp port 53").unwrap();
        let spec = table(Family::Inet, true, Some(&filter.decisions));
        let names: Vec<&str> = spec.chains.iter().map(|chain| chain.name.as_str()).collect();
        assert_eq!(names[..2], [MARK, "test0"]);
        assert_eq!(spec.chains.len(), 1 + filter.decisions.list.len() + 7);
        let places: Vec<u32> = names.iter().filter_map(|name| place_of_mark(name)).collect();
        assert_eq!(places, [0, 1, 2, 4, 6, 7, 8]);
        let every = table(Family::Arp, true, None);
        assert_eq!(every.chains.len(), 3);
    }
}
