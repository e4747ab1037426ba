//! The text of `nft -s -a monitor`, transaction by transaction, statement by
//! statement.
//!
//! ```text
//! add table inet t # handle 5
//! add set inet t s { # handle 4 type ipv4_addr; flags interval; }
//! add element inet t s { 10.0.0.1 }
//! add rule inet t x handle 9 tcp dport 23 drop # handle 10
//! delete rule inet t x handle 9
//! # new generation 17 by process 293 (nft)
//! ```
//! Comments may hold anything, also line ends and what looks like a statement:
//! statements are believed where they fit the kernel's own announcement.

use std::collections::VecDeque;

use crate::netlink::{Object, Operation};
use crate::nft::listing::{family_of, handle_behind, quotes_closed};

/// Blocks that nobody asks for are kept so long.
const MOST_BLOCKS: usize = 256;
/// More than this without an end is none of nft's.
const LONGEST: usize = 1 << 28;

/// What nft said of one transaction.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    begun: String,
    whole: VecDeque<(u32, String)>,
}

impl Blocks {
    /// Takes complete lines.
    pub(super) fn push(&mut self, lines: &str) {
        for line in lines.split_inclusive('\n') {
            match generation(line) {
                Some(number) => {
                    self.whole.push_back((number, std::mem::take(&mut self.begun)));
                    if self.whole.len() > MOST_BLOCKS {
                        self.whole.pop_front();
                    }
                }
                None if self.begun.len() < LONGEST => self.begun.push_str(line),
                None => {}
            }
        }
    }

    /// What it said of a generation; older ones are forgotten.
    pub(super) fn take(&mut self, generation: u32) -> Option<String> {
        let at = self.whole.iter().position(|(number, _)| *number == generation)?;
        self.whole.drain(..=at).next_back().map(|(_, text)| text)
    }
}

fn generation(line: &str) -> Option<u32> {
    line.strip_prefix("# new generation ")?.split([' ', '\n']).next()?.parse().ok()
}

/// One statement of nft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// As nft prints it, without the handle behind it.
    pub(super) line: String,
    /// What it is about, in nft's word.
    pub(super) object: String,
    /// Of a rule that comes: its text.
    pub(super) rule: Option<String>,
    /// Of a rule that comes: the handle of the one before it.
    pub(super) behind: Option<u64>,
    /// The line without that handle.
    pub(super) appended: Option<String>,
    /// Of a rule that comes without one: it is the chain's first.
    pub(super) first: bool,
}

/// The statements of a block with the operations that they are about; of elements
/// there may be several of one or one of several. `None` if it is not what the
/// kernel announced.
pub(super) fn statements<'a>(
    block: &str,
    operations: &'a [Operation],
) -> Option<Vec<(&'a Operation, Statement)>> {
    let mut left = operations.iter();
    let mut elements: Option<&Operation> = None;
    let mut all = Vec::new();
    for text in split(block, operations) {
        let (new, object, rest) = words(&text)?;
        if object == "element" {
            // the kernel's messages of one set stand behind each other
            let next = left.clone().next().filter(|o| o.object == Object::Elements);
            if let Some(next) = next {
                elements = Some(next);
                left.next();
            }
            let operation = elements.filter(|o| o.new == new && is_of(o, rest))?;
            all.push((operation, plain(&text, object)));
            continue;
        }
        elements = None;
        let operation = left.find(|o| o.object != Object::Elements)?;
        if operation.new != new || kind(object) != operation.object {
            return None;
        }
        let statement = match operation.object {
            Object::Rule => rule(&text, rest, operation)?,
            _ => is_of(operation, rest).then(|| plain(&text, object))?,
        };
        all.push((operation, statement));
    }
    left.all(|o| o.object == Object::Elements).then_some(all)
}

/// The lines as statements.
fn split(block: &str, operations: &[Operation]) -> Vec<String> {
    let known = |handle| operations.iter().any(|o| o.new && o.handle == Some(handle));
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    for line in block.lines() {
        match all.last_mut().filter(|_| open) {
            Some(last) => {
                last.push('\n');
                last.push_str(line);
            }
            None => all.push(line.to_owned()),
        }
        let last = all.last().map_or("", String::as_str);
        let ended = || handle_behind(last).is_some_and(|(_, handle)| known(handle));
        open = !quotes_closed(last) && !ended();
    }
    all
}

/// Whether it comes, what it is, and the words behind that.
fn words(text: &str) -> Option<(bool, &str, &str)> {
    let (verb, rest) = text.split_once(' ')?;
    let new = match verb {
        "add" | "insert" | "create" | "replace" => true,
        "delete" | "destroy" => false,
        _ => return None,
    };
    let (object, rest) = rest.split_once(' ')?;
    // `ct helper`, `ct timeout`
    let rest = if object == "ct" { rest.split_once(' ')?.1 } else { rest };
    Some((new, object, rest))
}

fn kind(object: &str) -> Object {
    match object {
        "table" => Object::Table,
        "chain" => Object::Chain,
        "rule" => Object::Rule,
        "set" | "map" | "meter" => Object::Set,
        "flowtable" => Object::Flowtable,
        _ => Object::Stateful,
    }
}

/// Whether the words name the operation's object.
fn is_of(operation: &Operation, words: &str) -> bool {
    let Some(rest) = words.split_once(' ').filter(|(f, _)| family_of(f) == Some(operation.family))
    else {
        return false;
    };
    let rest = rest.1;
    let Some(rest) = rest.strip_prefix(operation.table.as_str()) else { return false };
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\n']);
    if operation.object == Object::Table {
        return ends(rest);
    }
    let name = rest.strip_prefix(' ').and_then(|r| r.strip_prefix(operation.name.as_str()));
    name.is_some_and(ends)
}

/// A statement about anything but a rule.
fn plain(text: &str, object: &str) -> Statement {
    let line = handle_behind(text).map_or(text, |(line, _)| line).trim_end();
    // `{ # handle 4 type ipv4_addr; }`
    let line = match line.split_once("{ # handle ") {
        Some((head, rest)) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{head}{{{rest}")
        }
        None => line.to_owned(),
    };
    let (object, rule) = (object.to_owned(), None);
    Statement { line, object, rule, behind: None, appended: None, first: false }
}

fn rule(text: &str, words: &str, operation: &Operation) -> Option<Statement> {
    if !is_of(operation, words) {
        return None;
    }
    let object = "rule".to_owned();
    if !operation.new {
        let (_, handle) = text.rsplit_once(" handle ")?;
        let same = handle.trim_end().parse().ok() == operation.handle;
        let line = text.trim_end().to_owned();
        return same.then_some(Statement {
            line,
            object,
            rule: None,
            behind: None,
            appended: None,
            first: false,
        });
    }
    let (line, handle) = handle_behind(text)?;
    let words = handle_behind(words)?.0;
    let rule = words.splitn(4, ' ').nth(3)?;
    let (behind, rule) = position(rule);
    let first = behind.is_none() && text.starts_with("insert ");
    // the words before the rule, and the rule
    let head = line.len() - words.splitn(4, ' ').nth(3)?.len();
    let appended = behind.is_some().then(|| format!("{}{rule}", &line[..head]));
    (Some(handle) == operation.handle).then(|| Statement {
        line: line.to_owned(),
        object,
        rule: Some(rule.to_owned()),
        behind,
        appended,
        first,
    })
}

/// Takes `handle N ` off the front.
fn position(text: &str) -> (Option<u64>, &str) {
    let rest = text.strip_prefix("handle ").and_then(|rest| rest.split_once(' '));
    match rest.map(|(number, rest)| (number.parse(), rest)) {
        Some((Ok(number), rest)) => (Some(number), rest),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use nfscope_event::Family;
    use proptest::prelude::*;

    use super::*;

    fn operation(new: bool, object: Object, name: &str, handle: Option<u64>) -> Operation {
        let (family, table) = (Family::Inet, "t".to_owned());
        Operation { new, object, family, table, name: name.into(), handle, placed: true }
    }

    fn rule_op(new: bool, handle: u64) -> Operation {
        operation(new, Object::Rule, "x", Some(handle))
    }

    #[test]
    fn statements_with_their_operations() {
        let text = "\
add table inet t # handle 5
add set inet t s { # handle 4 type ipv4_addr; flags interval; } \n\
add element inet t s { 10.0.0.1 }
add element inet t s { 10.1.0.0/16 }
add rule inet t x handle 9 tcp dport 23 drop # handle 10
insert rule inet t x drop comment \"two # handle 6
delete table inet t\" # handle 11
delete rule inet t x handle 9
# new generation 17 by process 293 (nft)
";
        let mut blocks = Blocks::default();
        blocks.push(text);
        let block = blocks.take(17).unwrap();
        let operations = [
            operation(true, Object::Table, "t", None),
            operation(true, Object::Set, "s", None),
            operation(true, Object::Elements, "s", None),
            operation(true, Object::Elements, "s", None),
            operation(true, Object::Elements, "s", None),
            rule_op(true, 10),
            rule_op(true, 11),
            rule_op(false, 9),
        ];
        let all = statements(&block, &operations).unwrap();
        let lines: Vec<&str> = all.iter().map(|(_, s)| s.line.as_str()).collect();
        assert_eq!(
            lines,
            [
                "add table inet t",
                "add set inet t s { type ipv4_addr; flags interval; }",
                "add element inet t s { 10.0.0.1 }",
                "add element inet t s { 10.1.0.0/16 }",
                "add rule inet t x handle 9 tcp dport 23 drop",
                "insert rule inet t x drop comment \"two # handle 6\ndelete table inet t\"",
                "delete rule inet t x handle 9",
            ]
        );
        assert_eq!(
            (all[4].1.rule.as_deref(), all[4].1.behind),
            (Some("tcp dport 23 drop"), Some(9))
        );
        assert!(all[5].1.first && !all[4].1.first);
        assert_eq!(all[4].1.appended.as_deref(), Some("add rule inet t x tcp dport 23 drop"));
        assert!(blocks.take(17).is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_believed() {
        let add = "add rule inet t x drop # handle 10\n";
        assert!(statements(add, &[rule_op(true, 10)]).is_some());
        for operations in [
            vec![],
            vec![rule_op(true, 11)],
            vec![rule_op(false, 10)],
            vec![rule_op(true, 10), rule_op(true, 11)],
            vec![operation(true, Object::Rule, "y", Some(10))],
        ] {
            assert_eq!(statements(add, &operations), None);
        }
    }

    proptest! {
        #[test]
        fn any_lines_are_survived(lines in proptest::collection::vec("[ -~]{0,80}", 0..8)) {
            let operations = [rule_op(true, 1), operation(true, Object::Set, "s", None)];
            let mut blocks = Blocks::default();
            for line in &lines {
                blocks.push(&format!("{line}\n"));
                for verb in ["", "add rule ", "add rule inet t x ", "add element inet t s ", "add ct "] {
                    let _ = statements(&format!("{verb}{line}\n{line}"), &operations);
                }
            }
        }
    }
}
