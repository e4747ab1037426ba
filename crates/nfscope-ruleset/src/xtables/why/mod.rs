//! Why a rule of x_tables did not match.
//!
//! The kernel tells of rules that match only. It compares an entry's own part
//! first (addresses, interfaces, protocol), then asks the matches in their order,
//! and leaves the rule at the first no. What follows from the packet's headers is
//! evaluated here in the same way. Of what is not, the kernel's going on says that
//! one of it said no: if it is one, it was that.

mod changes;
mod matches;
mod outcome;
mod packet;
mod ports;
mod standard;
mod words;

use super::header;
use super::table::{Rule, Table};
use crate::why::match_words;
use changes::Changes;
use matches::Look;
use outcome::Outcome;
pub use packet::{Packet, ct_state};

/// Why a rule did not match. Texts hold what tables and packets hold: they are to
/// be escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WhyNot {
    /// What did not: `source`, `destination`, `in_interface`, `out_interface`,
    /// `protocol`, `fragment`, or a match's name; none if it is not known which.
    pub part: Option<String>,
    /// One of these did not, if it is not known which; empty: nothing that is
    /// known speaks against the rule.
    pub candidates: Vec<String>,
    /// The part in iptables' words: `-s 10.0.0.0/8`, `-m tcp --dport 80`.
    pub condition: Option<String>,
    /// What it wanted, without the sign that inverts it.
    pub wanted: Option<String>,
    /// What the packet had.
    pub actual: Option<String>,
    /// That as a sentence: `packet has 10.1.2.3`.
    pub reason: String,
}

/// Says why a rule that did not match did not. `line`: the rule in iptables' words,
/// if they are known; `targets`: names of those that worked on the packet since it
/// entered the table.
pub(super) fn explain<'a>(
    table: &Table,
    rule: &Rule,
    line: Option<&str>,
    packet: &Packet,
    targets: impl Iterator<Item = &'a str>,
) -> WhyNot {
    let family = table.family;
    let mut changed = targets.map(Changes::by).fold(Changes::default(), Changes::and);
    if table.looks_up_sockets() {
        changed = changed.and(Changes::MARK);
    }
    let fits = packet.is(family);
    // (name, words) of what may have said no
    let mut doubtful: Vec<(String, Option<String>)> = Vec::new();
    let mut told = |name: &str, words: Option<String>, outcome: Outcome| match outcome {
        Outcome::Matches => None,
        Outcome::Unknown => {
            doubtful.push((name.to_owned(), words));
            None
        }
        Outcome::Fails(failure) => Some(WhyNot {
            part: Some(name.to_owned()),
            candidates: Vec::new(),
            condition: Some(failure.condition),
            wanted: failure.wanted,
            actual: failure.actual,
            reason: failure.reason,
        }),
    };
    for condition in header::conditions(family, rule) {
        let outcome = if fits {
            standard::evaluate(family, rule, &condition, packet, changed)
        } else {
            Outcome::Unknown
        };
        if let Some(why) = told(condition.part.name(), Some(condition.text()), outcome) {
            return why;
        }
    }
    let found = fits && packet.transport(family).is_some();
    if standard::asks_for_any_protocol(family, rule) && !found {
        told("protocol", None, Outcome::Unknown);
    }
    let look = Look { family, packet, changed };
    for part in &rule.matches {
        let outcome = if fits { matches::evaluate(part, &look) } else { Outcome::Unknown };
        let words = line.and_then(|line| match_words(line, &part.name));
        let words = words.unwrap_or_else(|| format!("-m {}", part.name));
        if let Some(why) = told(&part.name, Some(words), outcome) {
            return why;
        }
    }
    doubt(doubtful)
}

/// Nothing that was evaluated says no.
fn doubt(mut doubtful: Vec<(String, Option<String>)>) -> WhyNot {
    if doubtful.len() == 1
        && let Some((name, words)) = doubtful.pop()
    {
        return WhyNot {
            condition: words,
            part: Some(name),
            reason: "the rest of the rule fits the packet".into(),
            ..WhyNot::default()
        };
    }
    let mut candidates: Vec<String> = Vec::new();
    for (name, _) in doubtful {
        if !candidates.contains(&name) {
            candidates.push(name);
        }
    }
    let reason = match candidates.as_slice() {
        [] => {
            "it fits the packet as it entered the table; what has changed since is not known".into()
        }
        [one] => format!("one of its matches {one} did not match"),
        all => format!("one of {} did not match", all.join(", ")),
    };
    let part = if candidates.len() == 1 { candidates.pop() } else { None };
    WhyNot { part, candidates, reason, ..WhyNot::default() }
}

impl Table {
    /// Whether a rule may look up a socket, which can set a packet's mark
    /// (`--restore-skmark`).
    fn looks_up_sockets(&self) -> bool {
        let mut rules = self.chains.iter().flat_map(|chain| &chain.rules);
        rules.any(|rule| rule.matches.iter().any(|part| part.name == "socket"))
    }
}

#[cfg(test)]
mod tests;
