//! Stacks as folded lines, which flame graphs are made of.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Context as _;
use inferno::flamegraph::{self as graph, Options};
use nfscope_event::StackCount;

use super::{functions, labels};

/// Each stack in a line, the outermost function first: `a;b;c 12`.
///
/// # Errors
/// What the writer says.
pub fn folded(out: &mut dyn Write, counts: &[StackCount], by_reason: bool) -> io::Result<()> {
    lines(counts, by_reason).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The stacks as a flame graph (SVG).
///
/// # Errors
/// What the writer says.
pub fn flamegraph(
    out: &mut dyn Write,
    counts: &[StackCount],
    by_reason: bool,
    title: &str,
) -> anyhow::Result<()> {
    let mut options = Options::default();
    options.title = title.to_owned();
    options.count_name = "events".to_owned();
    let lines = lines(counts, by_reason);
    let lines = lines.iter().map(String::as_str);
    graph::from_lines(&mut options, lines, out).context("cannot draw the flame graph")
}

fn lines(counts: &[StackCount], by_reason: bool) -> Vec<String> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for count in counts {
        let calls = functions(count).into_iter().rev();
        let way: Vec<String> = labels(count, by_reason)
            .into_iter()
            .chain(calls)
            .map(|f| f.replace(';', ":"))
            .collect();
        *sums.entry(way.join(";")).or_default() += count.count;
    }
    sums.into_iter().map(|(way, count)| format!("{way} {count}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{count, with_lines};
    use super::*;

    #[test]
    fn lines_stand_for_their_function() {
        let all = [with_lines(1, &["f", "g"])];
        let wanted = "g;outer at net/core.c:9;inner at net/core.c:7 (inlined) 1";
        assert_eq!(lines(&all, false), [wanted]);
    }

    #[test]
    fn the_same_functions_are_one_line() {
        let mut other = count(2, &["b", "a;"]);
        other.stack.frames[0].offset = Some(1);
        let all = [count(1, &["b", "a;"]), other, count(5, &["c"])];
        assert_eq!(lines(&all, false), ["a:;b 3", "c 5"]);
        let mut svg = Vec::new();
        flamegraph(&mut svg, &all, false, "t").unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.starts_with("<?xml") && svg.contains("a:"));
    }
}
