//! Finds the place in an expression that libpcap's message is about.
//!
//! libpcap gives no position. Two things are known of its parser: it works from
//! left to right, and it stops at the first mistake. So the place is found by
//! asking it again:
//!
//! - A *syntax error* is at the first token for which no continuation would be
//!   accepted. Whether one would is tried out with continuations for every state
//!   of the grammar: an operand of each kind, then what closes open brackets.
//! - Any *other* message names the word that it is about, or is about the last
//!   token of the shortest part of the expression that gives the same message.
//!
//! Asking may repeat slow name look-ups: after [`PATIENCE`] the place is given up.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::tokens::{Token, tokens};

/// How long to look for the place.
const PATIENCE: Duration = Duration::from_millis(500);

/// What libpcap puts in front of its parser's messages.
const PREFIX: &str = "can't parse filter expression: ";

/// A message about the whole expression, found after parsing.
const NEVER_TRUE: &str = "expression rejects all packets";

/// An operand for every state of the grammar: none, a primitive, a number, IPv4,
/// IPv6 and MAC addresses, what can follow `src`, a range, a name, a frame type.
const OPERANDS: [&str; 13] = [
    "",
    "ip",
    "1",
    "1.2.3.4",
    "::1",
    "1:2:3:4:5:6",
    "host 1.2.3.4",
    "port 1",
    "proto 6",
    "1-2",
    "x",
    "broadcast",
    "mgt",
];

/// No token of the language: ends an expression so that nothing is right behind it.
const POISON: &str = " $";

/// The message for the user.
pub(crate) fn tidy(message: &str) -> &str {
    message.strip_prefix(PREFIX).unwrap_or(message)
}

/// The byte range that `message` is about, if it can be found. `ask` gives
/// libpcap's message to an expression, `None` if it is accepted.
pub(crate) fn locate(
    expression: &str,
    message: &str,
    ask: &dyn Fn(&str) -> Option<String>,
) -> Option<Range<usize>> {
    let search =
        Search { expression, tokens: tokens(expression), deadline: Instant::now() + PATIENCE, ask };
    if message.contains("syntax error") {
        search.syntax_error()
    } else if message.contains(NEVER_TRUE) {
        None
    } else {
        search.other_error(message)
    }
}

struct Search<'a> {
    expression: &'a str,
    tokens: Vec<Token>,
    deadline: Instant,
    ask: &'a dyn Fn(&str) -> Option<String>,
}

impl Search<'_> {
    /// libpcap's answer, or nothing when time is up.
    fn ask(&self, expression: &str) -> Option<Option<String>> {
        (Instant::now() < self.deadline).then(|| (self.ask)(expression))
    }

    /// The expression's first `count` tokens.
    fn prefix(&self, count: usize) -> &str {
        let end = count
            .checked_sub(1)
            .and_then(|last| self.tokens.get(last))
            .map_or(0, |token| token.range.end);
        self.expression.get(..end).unwrap_or_default()
    }

    fn syntax_error(&self) -> Option<Range<usize>> {
        // What begins a valid expression also begins with one: halve the interval.
        let (mut good, mut bad) = (0, self.tokens.len() + 1);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if self.can_continue(middle)? {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Some(match self.tokens.get(good) {
            Some(token) => token.range.clone(),
            None => self.expression.trim_end().len()..self.expression.trim_end().len(),
        })
    }

    /// Whether some continuation of the first `count` tokens is accepted, or refused
    /// for another reason than its syntax.
    fn can_continue(&self, count: usize) -> Option<bool> {
        let prefix = self.prefix(count);
        let closers = self.closers(count);
        for operand in OPERANDS {
            for comparison in std::iter::once(None).chain((0..=closers.len()).map(Some)) {
                let mut text = format!("{prefix} {operand}");
                for (position, closer) in closers.iter().enumerate() {
                    if comparison == Some(position) {
                        text.push_str(" = 0");
                    }
                    text.push(*closer);
                }
                if comparison == Some(closers.len()) {
                    text.push_str(" = 0");
                }
                match self.ask(&text)? {
                    Some(message) if message.contains("syntax error") => {}
                    _ => return Some(true),
                }
            }
        }
        Some(false)
    }

    /// What closes the brackets that are open behind the first `count` tokens.
    fn closers(&self, count: usize) -> Vec<char> {
        let mut open = Vec::new();
        for token in self.tokens.iter().take(count) {
            match self.text(token) {
                "(" => open.push(')'),
                "[" => open.push(']'),
                ")" | "]" => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.reverse();
        open
    }

    fn text(&self, token: &Token) -> &str {
        self.expression.get(token.range.clone()).unwrap_or_default()
    }

    fn other_error(&self, message: &str) -> Option<Range<usize>> {
        let named = named_words(message);
        let places: Vec<Range<usize>> =
            named.iter().flat_map(|word| self.occurrences(word)).collect();
        if let [only] = places.as_slice() {
            return Some(only.clone());
        }
        let count = self.shortest_with(message)?;
        let end = self.prefix(count).len();
        if let Some(last) = places.into_iter().rfind(|place| place.end <= end) {
            return Some(last);
        }
        let last = count.checked_sub(1)?;
        let start = self.opener(last).unwrap_or(last);
        Some(self.tokens.get(start)?.range.start..end)
    }

    /// Number of tokens after which libpcap says `message`.
    fn shortest_with(&self, message: &str) -> Option<usize> {
        for count in 1..=self.tokens.len() {
            let text = format!("{}{POISON}", self.prefix(count));
            if self.ask(&text)?.is_some_and(|other| other == message) {
                return Some(count);
            }
        }
        None
    }

    /// The bracket that the closing bracket at `last` belongs to.
    fn opener(&self, last: usize) -> Option<usize> {
        if !matches!(self.text(self.tokens.get(last)?), ")" | "]") {
            return None;
        }
        let mut depth = 0;
        (0..=last).rev().find(|at| {
            match self.tokens.get(*at).map(|token| self.text(token)) {
                Some(")" | "]") => depth += 1,
                Some("(" | "[") => depth -= 1,
                _ => {}
            }
            depth == 0
        })
    }

    /// Where a word of the message stands in the expression, as whole tokens.
    fn occurrences(&self, word: &str) -> Vec<Range<usize>> {
        let starts = |at: usize| self.tokens.iter().any(|token| token.range.start == at);
        let ends = |at: usize| self.tokens.iter().any(|token| token.range.end == at);
        self.expression
            .match_indices(word)
            .map(|(at, _)| at..at + word.len())
            .filter(|place| starts(place.start) && ends(place.end))
            .collect()
    }
}

/// The words that a message quotes, or a number that it says is out of range.
fn named_words(message: &str) -> Vec<String> {
    let mut words = Vec::new();
    for quote in ['\'', '"'] {
        words.extend(
            message
                .split(quote)
                .skip(1)
                .step_by(2)
                .filter(|word| !word.is_empty())
                .map(str::to_string),
        );
    }
    if !words.is_empty() {
        return words;
    }
    let mut before = "";
    for word in message.split_whitespace() {
        if matches!(before, "number" | "tag" | "label" | "VNI")
            && word.starts_with(|c: char| c.is_ascii_digit())
        {
            words.push(word.to_string());
        }
        before = word;
    }
    words
}
