//! The text of `nft -a list …`, taken apart.
//!
//! ```text
//! table inet t { # handle 17
//! \tmap vm { # handle 7
//! \t\ttype inet_service : verdict
//! \t\telements = { 1000 : drop,
//! \t\t\t     2000 : jump x }
//! \t}
//!
//! \tchain inp { # handle 2
//! \t\ttype filter hook input priority filter; policy drop;
//! \t\tip saddr 10.0.0.1 drop comment "why # handle 4" # handle 11
//! \t}
//! }
//! ```
//! nft does not escape comments and log prefixes: they may hold `# handle 4`,
//! line ends, and (made by other programs) quotes. So a line ends a rule if
//! its quotes are closed, or if the handle behind it is known from elsewhere
//! to be one of that table.

use nfscope_event::Family;

/// What a listing says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) tables: Vec<ListedTable>,
}

/// A table of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListedTable {
    pub(crate) family: Family,
    pub(crate) name: String,
    /// Absent in listings of a single chain or map.
    pub(crate) handle: Option<u64>,
    pub(crate) rules: Vec<ListedRule>,
    pub(crate) verdict_maps: Vec<ListedMap>,
}

/// A rule of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListedRule {
    pub(crate) chain: String,
    pub(crate) handle: u64,
    pub(crate) text: String,
}

/// A named verdict map of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListedMap {
    pub(crate) name: String,
    /// One text an element: `1000 : drop`.
    pub(crate) elements: Vec<String>,
}

/// Reads a listing. `known` says whether a table has a rule of that handle.
pub(crate) fn parse(text: &str, known: impl Fn(Family, &str, u64) -> bool) -> Listing {
    let mut listing = Listing::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(mut table) = table_header(line) {
            read_table(&mut lines, &mut table, &known);
            listing.tables.push(table);
        }
    }
    listing
}

fn table_header(line: &str) -> Option<ListedTable> {
    let rest = line.strip_prefix("table ")?;
    let (head, handle) = block_header(rest)?;
    let (family, name) = head.split_once(' ')?;
    Some(ListedTable {
        family: family_of(family)?,
        name: name.into(),
        handle,
        rules: Vec::new(),
        verdict_maps: Vec::new(),
    })
}

/// `NAME {` or `NAME { # handle N`.
fn block_header(line: &str) -> Option<(&str, Option<u64>)> {
    match handle_behind(line) {
        Some((head, handle)) => Some((head.strip_suffix(" {")?, Some(handle))),
        None => Some((line.strip_suffix(" {")?, None)),
    }
}

/// The family of nft's word for it.
pub(crate) fn family_of(word: &str) -> Option<Family> {
    let all = [Family::Inet, Family::Ip, Family::Arp, Family::Netdev, Family::Bridge, Family::Ip6];
    all.into_iter().find(|family| family.as_str() == word)
}

/// Splits ` # handle N` off the end of a line.
pub(crate) fn handle_behind(line: &str) -> Option<(&str, u64)> {
    let (text, number) = line.rsplit_once("# handle ")?;
    let text = text.strip_suffix(' ')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((text, number.parse().ok()?))
}

/// Whether every quote in a text is closed.
pub(crate) fn quotes_closed(text: &str) -> bool {
    text.bytes().filter(|&byte| byte == b'"').count() % 2 == 0
}

fn read_table<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    table: &mut ListedTable,
    known: &impl Fn(Family, &str, u64) -> bool,
) {
    while let Some(line) = lines.next() {
        if line == "}" {
            return;
        }
        let Some(rest) = line.strip_prefix('\t') else { continue };
        let Some((head, _)) = block_header(rest) else { continue };
        if let Some(chain) = head.strip_prefix("chain ") {
            let known = |handle| known(table.family, &table.name, handle);
            read_chain(lines, chain, &mut table.rules, &known);
        } else {
            read_object(lines, head, &mut table.verdict_maps);
        }
    }
}

fn read_chain<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    chain: &str,
    rules: &mut Vec<ListedRule>,
    known: &impl Fn(u64) -> bool,
) {
    let mut text = String::new();
    for line in lines {
        let in_quotes = !quotes_closed(&text);
        if line == "\t}" && !in_quotes {
            return;
        }
        if in_quotes {
            text.push('\n');
            text.push_str(line);
        } else {
            // A rule over several lines becomes one line, as it would be
            // were the lines' width not limited.
            let line = line.trim_start();
            if !text.is_empty() && !line.is_empty() {
                text.push(' ');
            }
            text.push_str(line);
        }
        let ended = handle_behind(&text).filter(|&(rule, handle)| {
            quotes_closed(rule) || (known(handle) && rules.iter().all(|r| r.handle != handle))
        });
        if let Some((rule, handle)) = ended {
            rules.push(ListedRule { chain: chain.into(), handle, text: rule.into() });
            text.clear();
        } else if quotes_closed(&text) && is_property(&text) {
            text.clear();
        }
    }
}

/// A line of a chain that is not a rule: hook and policy, flags, comment.
fn is_property(text: &str) -> bool {
    text.ends_with(';') || (text.starts_with("comment \"") && text.ends_with('"'))
}

/// Reads a set, map or other object up to its end; keeps verdict maps.
fn read_object<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    head: &str,
    maps: &mut Vec<ListedMap>,
) {
    let name = head.strip_prefix("map ");
    let mut verdicts = false;
    let mut elements: Option<String> = None;
    let mut open = String::new();
    for line in lines {
        if line == "\t}" && quotes_closed(&open) {
            break;
        }
        let trimmed = line.trim_start();
        if let Some(elements) = &mut elements {
            elements.push(' ');
            elements.push_str(trimmed);
        } else if let Some(rest) = trimmed.strip_prefix("elements = {") {
            elements = Some(rest.into());
        } else if trimmed.starts_with("type ") || trimmed.starts_with("typeof ") {
            verdicts = trimmed.ends_with(": verdict");
        }
        if quotes_closed(&open) {
            open.clear();
        }
        open.push_str(line);
    }
    if let (Some(name), true) = (name, verdicts) {
        let text = elements.unwrap_or_default();
        let text = text.trim_end();
        let inside = text.strip_suffix('}').unwrap_or(text);
        maps.push(ListedMap { name: name.into(), elements: split_elements(inside) });
    }
}

/// Splits the inside of `{ … }` at its commas.
pub(crate) fn split_elements(inside: &str) -> Vec<String> {
    let mut quoted = false;
    let pieces = inside.split(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty()).map(String::from).collect()
}

/// The elements of the `n`-th verdict map that is written out in a rule.
pub(crate) fn elements_in_rule(rule: &str, n: usize) -> Option<Vec<String>> {
    let mut start = None;
    let mut seen = 0;
    let mut quoted = false;
    for (at, character) in rule.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' if start.is_none() && rule[..at].ends_with("vmap ") => {
                if seen == n {
                    start = Some(at + 1);
                }
                seen += 1;
            }
            '}' => {
                if let Some(start) = start {
                    return Some(split_elements(&rule[start..at]));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
