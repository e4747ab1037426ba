//! Why a rule did not match: which expression did not, in the rule's own
//! words, what it wanted and what the packet had.
//!
//! The kernel leaves a rule at the first expression that does not match; its
//! registers are then as that expression saw them. What a register holds is
//! told by the expressions before.
//!
//! ```
//! use nfscope_event::Family;
//! use nfscope_ruleset::netlink::expr::{Comparison, Expr, Kind, Payload, Register};
//! use nfscope_ruleset::why::{PacketFacts, Rule, explain};
//!
//! let register = Register::from_number(1).unwrap();
//! let port = Payload { base: 2, offset: 2, length: 2 };
//! let rule = Rule::new(
//!     Family::Inet,
//!     vec![
//!         Expr { name: "payload".into(), kind: Kind::Payload(port, register) },
//!         Expr {
//!             name: "cmp".into(),
//!             kind: Kind::Cmp(register, Comparison::Equal, vec![0x27, 0x10]),
//!         },
//!     ],
//!     Vec::new(),
//!     Vec::new(),
//!     0,
//! );
//! let mut registers = [0; 80];
//! registers[16..18].copy_from_slice(&9080u16.to_be_bytes());
//! let why = explain(&rule, 1, &registers, &PacketFacts::default());
//! assert_eq!(why.to_string(), "th dport 10000: packet has 9080");
//! ```

mod answer;
mod compare;
mod condition;
mod evaluation;
mod extensions;
mod field;
mod headers;
mod iptables;
mod loads;
mod rule;
mod sets;
mod track;
mod unavailable;
mod value;
mod view;

use std::fmt;

pub use evaluation::{End, Evaluated, Outcome, code_name, evaluated, expression_index};
pub(crate) use iptables::part as match_words;
pub use rule::{PacketFacts, Rule};

use crate::netlink::expr::{Kind, REGISTERS_SIZE};
use answer::Answer;
use track::Track;

/// Why a rule did not match. Texts hold what rulesets and packets hold: they
/// are to be escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyNot {
    /// Number of the expression in the rule, from 0.
    pub index: usize,
    /// The kernel's name of its type: `cmp`, `lookup`.
    pub expression: String,
    /// The condition in the rule's words: `tcp dport 10000`.
    pub condition: String,
    /// What is compared, if anything: `tcp dport`; for a comparison that nft
    /// put in front of the condition, that one's (`meta l4proto`).
    pub selector: Option<String>,
    /// What was wanted, without the sign of the comparison: `10000`,
    /// `1024-2048`, `@blocked`.
    pub wanted: Option<String>,
    /// What the packet had: `9080`.
    pub actual: Option<String>,
    /// That as a sentence: `packet has 9080`.
    pub reason: String,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.condition, self.reason)
    }
}

/// Says why a rule did not match.
///
/// `failing` is the number of the expression at which the kernel left it,
/// `registers` is `struct nft_regs` at that moment.
pub fn explain(
    rule: &Rule,
    failing: usize,
    registers: &[u8; REGISTERS_SIZE],
    packet: &PacketFacts<'_>,
) -> WhyNot {
    let expr = rule.expressions.get(failing);
    let name = expr.map_or("expression", |expr| expr.name.as_str());
    let answer = expr
        .and_then(|expr| {
            let now = answer(rule, failing, &expr.kind, registers, packet)?;
            let text = rule.text.as_deref().filter(|text| !text.contains(&now.condition));
            let before = text.and_then(|text| {
                let rule = rule.as_before();
                let before = answer(&rule, failing, &expr.kind, registers, packet)?;
                text.contains(&before.condition).then_some(before)
            });
            Some(before.unwrap_or(now))
        })
        .unwrap_or_else(|| unknown(name, registers));
    let Answer { condition, reason, selector, wanted, actual } = answer;
    WhyNot { index: failing, expression: name.into(), condition, selector, wanted, actual, reason }
}

fn answer(
    rule: &Rule,
    index: usize,
    kind: &Kind,
    registers: &[u8; REGISTERS_SIZE],
    packet: &PacketFacts<'_>,
) -> Option<Answer> {
    let track = Track::after(rule.family, &rule.expressions[..index]);
    match kind {
        Kind::Cmp(..) | Kind::Range { .. } => {
            let answer = compare::explain(rule, &track, index, registers, packet)?;
            // nft can also write the test itself.
            let written = rule.text.as_ref().is_some_and(|text| text.contains(&answer.condition));
            let implied = if written { None } else { condition::implied(rule, index) };
            Some(match implied {
                Some(condition) => Answer { condition, ..answer },
                None => answer,
            })
        }
        _ if kind.set().is_some() => sets::explain(rule, &track, kind, registers),
        _ => {
            let reason = unavailable::reason(&track, kind, packet)?;
            let line = || Some((rule.iptables.as_deref()?, unavailable::xt_match(kind)?));
            let stands_for_itself = line()
                .and_then(|(line, name)| iptables::part(line, name))
                .or_else(|| unavailable::words(kind, rule.names.style));
            let condition = stands_for_itself
                .or_else(|| condition::fed_by(rule, index))
                .or_else(|| track.words_of_load(kind))?;
            Some(Answer::plain(condition, reason))
        }
    }
}

/// An expression of which it is not known when it fails.
fn unknown(name: &str, registers: &[u8; REGISTERS_SIZE]) -> Answer {
    let (_verdict, data) = registers.split_at(16);
    let words: Vec<String> = data.chunks(4).map(|word| value::hex(word)[2..].into()).collect();
    let reason = format!("why it does not match is not known; registers: {}", words.join(" "));
    Answer::plain(name, reason)
}

#[cfg(test)]
mod tests;
