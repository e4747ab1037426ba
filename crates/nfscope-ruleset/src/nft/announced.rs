//! The text of `nft -a monitor ruleset`: each rule as it is created.
//!
//! ```text
//! add table inet t # handle 5
//! add chain inet t x # handle 1
//! add rule inet t x tcp dport 22 drop comment "why" # handle 9
//! add rule inet t x handle 9 tcp dport 23 drop # handle 10
//! delete rule inet t x handle 9
//! delete table inet t # handle 5
//! ```
//! nft decodes the kernel's notification, so this text is to be had even of a
//! rule that is gone a moment later. `handle 9` before the text is the rule
//! it was put behind.

use nfscope_event::Family;

use super::listing::{family_of, handle_behind, quotes_closed};

/// No rule is longer than this; what is has lost its end.
const LONGEST: usize = 1 << 20;

/// What nft announced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// A table came (or changed), with its handle.
    Table(Family, String, Option<u64>),
    /// A table went.
    NoTable(Family, String),
    /// A rule came.
    Rule { family: Family, table: String, chain: String, handle: u64, text: String },
}

/// Puts announcements together from lines.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    rule: String,
}

impl Announcements {
    /// Takes the next line. `known` says whether a table has (or had) a rule
    /// of that handle.
    pub(crate) fn line(
        &mut self,
        line: &str,
        known: impl Fn(Family, &str, u64) -> bool,
    ) -> Option<Announcement> {
        if self.rule.is_empty() {
            let (verb, rest) = line.split_once(' ')?;
            let (kind, rest) = rest.split_once(' ')?;
            return match (verb, kind) {
                ("add" | "create", "table") => {
                    let (name, handle) = match handle_behind(rest) {
                        Some((name, handle)) => (name, Some(handle)),
                        None => (rest, None),
                    };
                    let (family, name) = name.split_once(' ')?;
                    let name = name.split(" {").next().unwrap_or(name);
                    Some(Announcement::Table(family_of(family)?, name.into(), handle))
                }
                ("delete", "table") => {
                    let name = handle_behind(rest).map_or(rest, |(name, _)| name);
                    let (family, name) = name.split_once(' ')?;
                    Some(Announcement::NoTable(family_of(family)?, name.into()))
                }
                ("add" | "insert" | "create" | "replace", "rule") => {
                    self.rule.push_str(rest);
                    self.finish(known)
                }
                _ => None,
            };
        }
        self.rule.push('\n');
        self.rule.push_str(line);
        if self.rule.len() > LONGEST {
            self.rule.clear();
        }
        self.finish(known)
    }

    fn finish(&mut self, known: impl Fn(Family, &str, u64) -> bool) -> Option<Announcement> {
        let (rule, handle) = handle_behind(&self.rule)?;
        let mut words = rule.splitn(4, ' ');
        let parts = (words.next().and_then(family_of), words.next(), words.next(), words.next());
        let (Some(family), Some(table), Some(chain), Some(text)) = parts else {
            self.rule.clear();
            return None;
        };
        if !quotes_closed(text) && !known(family, table, handle) {
            return None;
        }
        let text = behind_position(text).to_owned();
        let (table, chain) = (table.to_owned(), chain.to_owned());
        self.rule.clear();
        Some(Announcement::Rule { family, table, chain, handle, text })
    }
}

/// Takes `handle N ` off the front.
fn behind_position(text: &str) -> &str {
    let Some((number, rest)) = text.strip_prefix("handle ").and_then(|t| t.split_once(' ')) else {
        return text;
    };
    if number.bytes().all(|byte| byte.is_ascii_digit()) { rest } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `nft -a monitor ruleset` of nftables 1.0.6 and 1.1.3, shortened.
    const LINES: &str = "\
add table inet t # handle 5
add chain inet t x # handle 1
add chain inet t inp { type filter hook input priority filter; policy drop; } # handle 2
add map inet t vm { # handle 4 type inet_service : verdict; } 
add element inet t vm { 1000 : drop }
add rule inet t x drop comment \"say # handle 4\" # handle 5
add rule inet t x handle 9 tcp dport 22 drop # handle 10
add rule inet t x drop comment \"two # handle 6
delete table inet t\" # handle 11
add rule ip f c log prefix \"a\"b\" # handle 12
delete rule inet t x handle 5
delete table inet t # handle 5
# new generation 17 by process 293 (nft)
";

    fn rule(chain: &str, table: &str, family: Family, handle: u64, text: &str) -> Announcement {
        let (table, chain, text) = (table.into(), chain.into(), text.into());
        Announcement::Rule { family, table, chain, handle, text }
    }

    #[test]
    fn tells_rules_and_tables() {
        let mut announcements = Announcements::default();
        let all: Vec<_> = LINES
            .lines()
            .filter_map(|line| announcements.line(line, |_, _, handle| handle == 12))
            .collect();
        let inet = Family::Inet;
        assert_eq!(
            all,
            [
                Announcement::Table(inet, "t".into(), Some(5)),
                rule("x", "t", inet, 5, "drop comment \"say # handle 4\""),
                rule("x", "t", inet, 10, "tcp dport 22 drop"),
                rule("x", "t", inet, 11, "drop comment \"two # handle 6\ndelete table inet t\""),
                rule("c", "f", Family::Ip, 12, "log prefix \"a\"b\""),
                Announcement::NoTable(inet, "t".into()),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_lines_are_survived(lines in proptest::collection::vec("[ -~]{0,80}", 0..8)) {
            let mut announcements = Announcements::default();
            for line in &lines {
                announcements.line(&format!("add rule {line}"), |_, _, _| false);
                announcements.line(line, |_, _, _| true);
            }
        }
    }
}
