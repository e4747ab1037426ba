//! The ways to end a packet, as rules.

use super::key::{Field, Key};
use super::place::{Network, Transport};
use super::random::{Deck, Random};
use super::slot::{Column, Slot};
use super::table::{Construct, Rule, Table};
use nfscope_event::NftVerdict;

/// What ends the packets that a construct selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// `drop` in a rule
    Drop,
    /// An element of a verdict map
    VerdictMap,
    /// The chain's policy
    Policy,
    /// `reject`
    Reject,
    /// `queue` with nobody listening
    Queue,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Drop, Self::VerdictMap, Self::Policy, Self::Reject, Self::Queue];
}

/// Constructs that lead to a rule with a given end.
const WAYS: [Construct; 11] = [
    Construct::Plain,
    Construct::AnonymousSet,
    Construct::NamedSet,
    Construct::IntervalSet,
    Construct::Range,
    Construct::Mark,
    Construct::Jump,
    Construct::NestedJump,
    Construct::Goto,
    Construct::Return,
    Construct::MapJump,
];
const MAPS: [Construct; 4] = [
    Construct::AnonymousMap,
    Construct::NamedMap,
    Construct::IntervalMap,
    Construct::ConcatenatedMap,
];
const POLICIES: [Construct; 3] =
    [Construct::PolicyAtEnd, Construct::PolicyAfterReturn, Construct::PolicyAfterGoto];

/// Constructs for every cause, each as often as the others for that cause.
pub struct Choice {
    ways: Deck,
    maps: Deck,
    policies: Deck,
}

impl Choice {
    /// Nothing chosen yet.
    pub fn new() -> Self {
        Self { ways: Deck::new(&WAYS), maps: Deck::new(&MAPS), policies: Deck::new(&POLICIES) }
    }

    /// The next construct for `cause`.
    pub fn next(&mut self, random: &mut Random, cause: Cause) -> Construct {
        match cause {
            Cause::Drop | Cause::Reject | Cause::Queue => self.ways.draw(random),
            Cause::VerdictMap => self.maps.draw(random),
            Cause::Policy => self.policies.draw(random),
        }
    }
}

/// The constructs whose drops are by a rule.
pub fn by_rule() -> impl Iterator<Item = Construct> {
    WAYS.into_iter().chain(MAPS)
}

/// The statement that ends a packet.
#[derive(Debug, Clone)]
pub struct Ending {
    /// A match that the statement needs.
    guard: &'static str,
    statement: &'static str,
    verdict: Option<NftVerdict>,
}

impl Ending {
    /// The end that is none.
    pub const ACCEPT: Self = Self { guard: "", statement: "accept", verdict: None };

    /// A statement for `cause` that fits the packets of `key` in `column`.
    /// Narrows `transport` where the statement takes one protocol only.
    pub fn choose(
        random: &mut Random,
        cause: Cause,
        slot: &Slot,
        network: Network,
        transport: &mut Option<Transport>,
    ) -> Self {
        let (guard, statement, verdict) = match cause {
            Cause::Drop | Cause::VerdictMap | Cause::Policy => ("", "drop", NftVerdict::Drop),
            Cause::Queue => {
                let statements = ["queue num 7", "queue num 1-3 fanout", "queue"];
                ("", *random.pick(&statements), NftVerdict::Queue)
            }
            Cause::Reject => {
                let tcp = transport.is_none_or(|t| t == Transport::Tcp);
                if tcp && random.chance(35) {
                    *transport = Some(Transport::Tcp);
                    let reset = "reject with tcp reset";
                    ("meta l4proto tcp", reset, NftVerdict::Reject)
                } else {
                    let statements = unreachable(slot.column, network);
                    ("", *random.pick(statements), NftVerdict::Reject)
                }
            }
        };
        Self { guard, statement, verdict: Some(verdict) }
    }

    /// To a queue without a listener, which then lets the packet go on.
    pub const BYPASS: Self = Self { guard: "", statement: "queue num 9 bypass", verdict: None };

    fn rule(
        &self,
        table: &mut Table,
        random: &mut Random,
        construct: Construct,
        test: &str,
    ) -> Rule {
        let counter = match random.below(6) {
            0..3 => "counter".to_owned(),
            3 => format!("counter name \"{}\"", table.add_counter()),
            _ => String::new(),
        };
        Rule {
            counted: counter == "counter" && self.verdict.is_some(),
            text: words(&[test, self.guard, &counter, self.statement]),
            verdict: self.verdict.clone(),
            construct,
        }
    }
}

/// The rejects other than a reset that fit the packets.
fn unreachable(column: Column, network: Network) -> &'static [&'static str] {
    const ICMP: &[&str] = &[
        "reject",
        "reject with icmp port-unreachable",
        "reject with icmp host-unreachable",
        "reject with icmp net-unreachable",
        "reject with icmp prot-unreachable",
        "reject with icmp net-prohibited",
        "reject with icmp host-prohibited",
        "reject with icmp admin-prohibited",
    ];
    const ICMPV6: &[&str] = &[
        "reject",
        "reject with icmpv6 no-route",
        "reject with icmpv6 admin-prohibited",
        "reject with icmpv6 addr-unreachable",
        "reject with icmpv6 port-unreachable",
    ];
    const ICMPX: &[&str] = &[
        "reject with icmpx port-unreachable",
        "reject with icmpx no-route",
        "reject with icmpx host-unreachable",
        "reject with icmpx admin-prohibited",
    ];
    match (column, network) {
        (Column::Ip, _) => ICMP,
        (Column::Ip6, _) => ICMPV6,
        _ => ICMPX,
    }
}

/// The parts that are not empty, with a space between.
pub fn words(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
    parts.join(" ")
}

/// Writes rules of one base chain.
pub struct Writer<'a> {
    /// The table that takes sets and chains.
    pub table: &'a mut Table,
    /// The base chain's rules.
    pub base: &'a mut Vec<Rule>,
    /// Tests that the packets for the policy fail, so that all others can be
    /// accepted before the policy: network protocol, expression, values.
    pub spared: &'a mut Vec<Key>,
    /// The seed's numbers.
    pub random: &'a mut Random,
    /// What the rules count for.
    pub column: Column,
}

impl Writer<'_> {
    fn push(&mut self, construct: Construct, text: String) {
        self.base.push(through(construct, text));
    }

    fn ending(&mut self, construct: Construct, ending: &Ending, test: &str) -> Rule {
        ending.rule(self.table, self.random, construct, test)
    }

    fn end(&mut self, construct: Construct, ending: &Ending, test: &str) {
        let rule = self.ending(construct, ending, test);
        self.base.push(rule);
    }

    /// Writes `construct` for the packets of `key`.
    pub fn write(&mut self, construct: Construct, key: &Key, ending: &Ending) {
        use Construct as C;
        let test = key.matches();
        let expression = key.expression();
        match construct {
            C::Plain | C::Accept | C::Noise => self.end(construct, ending, &test),
            C::AnonymousSet => {
                let test = format!("{expression} {}", key.set());
                self.end(construct, ending, &test);
            }
            C::NamedSet => {
                let set = self.table.add_set("set", key.set_type(), "", &key.set());
                self.end(construct, ending, &format!("{expression} @{set}"));
            }
            C::IntervalSet => {
                let range = format!("{{ {} }}", key.range(&key.selectors));
                let set = self.table.add_set("set", key.set_type(), "flags interval;", &range);
                self.end(construct, ending, &format!("{expression} @{set}"));
            }
            C::Range => {
                let test = format!("{expression} {}", key.range(&key.selectors));
                self.end(construct, ending, &test);
            }
            C::Mark => {
                let mark = key.selectors.first().copied().unwrap_or_default();
                self.push(construct, format!("{test} meta mark set {mark}"));
                self.end(construct, ending, &format!("meta mark {mark}"));
            }
            C::Jump | C::Goto | C::NestedJump => self.write_jump(construct, &test, ending),
            C::Return => {
                let back = through(construct, format!("{test} return"));
                let last = through(construct, "accept".to_owned());
                let chain = self.table.add_chain(self.column, vec![back, last]);
                self.push(construct, format!("{test} jump {chain}"));
                self.end(construct, ending, &test);
            }
            C::MapJump => self.write_map_jump(key, ending),
            C::AnonymousMap | C::NamedMap | C::IntervalMap | C::ConcatenatedMap => {
                self.write_map(construct, key);
            }
            C::PolicyAtEnd => self.spared.push(key.clone()),
            C::PolicyAfterReturn => self.push(construct, format!("{test} return")),
            C::PolicyAfterGoto => {
                let counter = through(construct, "counter".to_owned());
                let chain = self.table.add_chain(self.column, vec![counter]);
                self.push(construct, format!("{test} goto {chain}"));
            }
        }
    }

    fn write_jump(&mut self, construct: Construct, test: &str, ending: &Ending) {
        let last = self.ending(construct, ending, "");
        let mut chain = self.table.add_chain(self.column, vec![last]);
        if construct == Construct::NestedJump {
            for _ in 0..1 + self.random.below(3) {
                let rules = vec![
                    through(construct, "meta mark 4294967295 accept".to_owned()),
                    through(construct, format!("jump {chain}")),
                ];
                chain = self.table.add_chain(self.column, rules);
            }
        }
        let word = if construct == Construct::Goto { "goto" } else { "jump" };
        self.push(construct, format!("{test} {word} {chain}"));
    }

    fn write_map_jump(&mut self, key: &Key, ending: &Ending) {
        let construct = Construct::MapJump;
        let mut elements = Vec::new();
        for (index, selector) in key.selectors.iter().enumerate() {
            let last = self.ending(construct, ending, "");
            let chain = self.table.add_chain(self.column, vec![last]);
            let word = ["jump", "goto"][index % 2];
            elements.push(format!("{} : {word} {chain}", key.value(*selector)));
        }
        let elements = elements.join(", ");
        let text = format!("{} vmap {{ {elements} }}", key.expression());
        self.push(construct, text);
    }

    fn write_map(&mut self, construct: Construct, key: &Key) {
        let mut expression = key.expression();
        let (dropped, accepted) = map_elements(construct, &key.selectors);
        let concatenated = construct == Construct::ConcatenatedMap
            && key.network != Network::Arp
            && key.field == Field::Address;
        if concatenated {
            let port = if key.reply { "tcp sport" } else { "tcp dport" };
            expression = format!("{expression} . {port}");
        }
        let value = |selector: u16| match concatenated {
            true => format!("{} . {selector}", key.value(selector)),
            false => key.value(selector),
        };
        let mut elements: Vec<String> = match construct {
            Construct::IntervalMap => vec![format!("{} : drop", key.range(dropped))],
            _ => dropped.iter().map(|s| format!("{} : drop", value(*s))).collect(),
        };
        elements.extend(accepted.map(|s| format!("{} : accept", value(s))));
        let elements = format!("{{ {} }}", elements.join(", "));
        let named = construct != Construct::AnonymousMap && !concatenated;
        let map = if named {
            let flags = match construct {
                Construct::IntervalMap => "flags interval;",
                _ => "",
            };
            let types = format!("{} : verdict", key.set_type());
            format!("@{}", self.table.add_set("map", &types, flags, &elements))
        } else {
            elements
        };
        self.base.push(Rule {
            text: format!("{expression} vmap {map}"),
            verdict: Some(NftVerdict::VerdictMap),
            construct,
            counted: false,
        });
    }
}

/// The selectors that a construct drops, and the last one if it is there to be
/// accepted: verdict maps have such an element.
pub fn map_elements(construct: Construct, selectors: &[u16]) -> (&[u16], Option<u16>) {
    match selectors {
        [dropped @ .., last] if MAPS.contains(&construct) && !dropped.is_empty() => {
            (dropped, Some(*last))
        }
        all => (all, None),
    }
}

/// A rule that ends no packet.
pub fn through(construct: Construct, text: String) -> Rule {
    Rule { text, verdict: None, construct, counted: false }
}
