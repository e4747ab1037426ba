//! Stacks as a tree with percentages, drawn as `perf report --stdio` draws it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use nfscope_event::StackCount;

use super::{functions, labels};

/// What a tree grows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The outermost function: below it what it called.
    Callers,
    /// The innermost function: below it who called it.
    Callees,
}

/// A function, and what comes behind it.
#[derive(Default)]
struct Node {
    count: u64,
    next: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, way: &mut dyn Iterator<Item = String>, count: u64) {
        self.count += count;
        if let Some(name) = way.next() {
            self.next.entry(name).or_default().add(way, count);
        }
    }

    /// The most frequent first.
    fn sorted(&self) -> Vec<(&str, &Self)> {
        let mut next: Vec<_> = self.next.iter().map(|(name, node)| (name.as_str(), node)).collect();
        next.sort_by_key(|(_, node)| std::cmp::Reverse(node.count));
        next
    }

    /// What follows in all cases.
    fn only(&self) -> Option<(&str, &Self)> {
        let (name, node) = self.next.first_key_value()?;
        (self.next.len() == 1 && node.count == self.count).then_some((name, node))
    }
}

/// Writes a tree for each label and first function.
///
/// # Errors
/// What the writer says.
pub fn tree(
    out: &mut dyn Write,
    counts: &[StackCount],
    by_reason: bool,
    root: Root,
) -> io::Result<()> {
    let mut roots = Node::default();
    for count in counts {
        let mut way = functions(count);
        if root == Root::Callers {
            way.reverse();
        }
        let mut first = labels(count, by_reason);
        let rest = way.split_off(way.len().min(1));
        first.append(&mut way);
        let entry = first.join("  ");
        roots.add(&mut std::iter::once(entry).chain(rest), count.count);
    }
    writeln!(out, "# Overhead       Events  Function")?;
    writeln!(out, "# ........  ...........  ........")?;
    for (name, node) in roots.sorted() {
        let percent = percent(node.count, roots.count);
        writeln!(out, "{percent:>10}  {:>11}  {name}", node.count)?;
        if !node.next.is_empty() {
            writeln!(out, "{INDENT}|")?;
            start(out, node, roots.count)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

const INDENT: &str = "            ";

/// What follows a root.
fn start(out: &mut dyn Write, node: &Node, total: u64) -> io::Result<()> {
    match node.only() {
        Some((name, next)) => {
            writeln!(out, "{INDENT}---{name}")?;
            line(out, next, &format!("{INDENT}   "), total)
        }
        None => fork(out, node, INDENT, total),
    }
}

/// What follows a function: straight on while there is one way.
fn line(out: &mut dyn Write, mut node: &Node, prefix: &str, total: u64) -> io::Result<()> {
    while let Some((name, next)) = node.only() {
        writeln!(out, "{prefix}{name}")?;
        node = next;
    }
    if !node.next.is_empty() {
        writeln!(out, "{prefix}|")?;
        fork(out, node, prefix, total)?;
    }
    Ok(())
}

fn fork(out: &mut dyn Write, node: &Node, prefix: &str, total: u64) -> io::Result<()> {
    let ways = node.sorted();
    for (number, (name, next)) in ways.iter().enumerate() {
        let last = number + 1 == ways.len();
        let (edge, below) = if last { (" ", " ") } else { ("|", "|") };
        let share = percent(next.count, total);
        writeln!(out, "{prefix}{edge}--{share}--{name}")?;
        let width = share.len() + 4;
        line(out, next, &format!("{prefix}{below}{:width$}", ""), total)?;
        if !last {
            writeln!(out, "{prefix}|")?;
        }
    }
    Ok(())
}

fn percent(count: u64, total: u64) -> String {
    // hundredths of a percent, rounded; no sum is near 2^113
    let all = u128::from(total.max(1));
    let hundredths = (u128::from(count) * 20_000 + all) / (2 * all);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::super::samples::count;
    use super::*;

    fn drawn(root: Root) -> String {
        let all = [
            count(3, &["nft_do_chain", "nf_hook_slow", "ip_rcv"]),
            count(1, &["icmp_rcv", "ip_rcv"]),
            count(4, &["nft_do_chain", "nf_hook_slow", "ip_output", "sendmsg"]),
        ];
        let mut out = Vec::new();
        tree(&mut out, &all, false, root).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn from_the_outermost() {
        insta::assert_snapshot!(drawn(Root::Callers), @r"
        # Overhead       Events  Function
        # ........  ...........  ........
            50.00%            4  ip_rcv
                    |
                    |--37.50%--nf_hook_slow
                    |          nft_do_chain
                    |
                     --12.50%--icmp_rcv

            50.00%            4  sendmsg
                    |
                    ---ip_output
                       nf_hook_slow
                       nft_do_chain
        ");
    }

    #[test]
    fn from_the_innermost() {
        insta::assert_snapshot!(drawn(Root::Callees), @r"
        # Overhead       Events  Function
        # ........  ...........  ........
            87.50%            7  nft_do_chain
                    |
                    ---nf_hook_slow
                       |
                       |--50.00%--ip_output
                       |          sendmsg
                       |
                        --37.50%--ip_rcv

            12.50%            1  icmp_rcv
                    |
                    ---ip_rcv
        ");
    }
}
