//! `nfscope-guest trees`

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Errors shown when trees are wrong.
const SHOWN: usize = 5;

/// Check that each packet's steps in `nfscope trace --json` fit together: where
/// some are lacking, a step `missing` must say so.
///
/// Prints how many packets there are, and how many of them are whole, have
/// missing steps, or have not ended.
#[derive(clap::Args)]
pub struct Arguments {
    /// The output, one JSON object a line.
    file: PathBuf,
    /// All of them must be whole and have an end.
    #[arg(long)]
    whole: bool,
    /// Print what nftables decided instead, a line each, as `nft monitor trace`
    /// words it: `FAMILY TABLE CHAIN verdict jump TARGET`.
    #[arg(long)]
    decisions: bool,
    /// With --decisions: of this namespace.
    #[arg(long)]
    netns: Option<String>,
}

/// A passage through a base chain: from that to the current one.
struct Passage {
    number: u64,
    chains: Vec<String>,
}

/// One packet, as far as its steps were read.
#[derive(Default)]
struct Tree {
    sequence: u64,
    open: Vec<Passage>,
    /// Since a step `missing` it is not known which passages are open.
    unsure: bool,
    missing: bool,
    ended: bool,
}

fn text<'a>(step: &'a Value, name: &str) -> &'a str {
    step.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(step: &Value, name: &str) -> u64 {
    step.get(name).and_then(Value::as_u64).unwrap_or_default()
}

impl Tree {
    /// Takes the next step; an error says what does not fit.
    fn step(&mut self, step: &Value) -> Result<(), String> {
        let (sequence, kind) = (number(step, "sequence"), text(step, "step"));
        // a `missing` without a number stands for none, or for some that had none
        let steps = if kind == "missing" { number(step, "count") } else { 1 };
        let before = std::mem::replace(&mut self.sequence, sequence);
        if before + steps != sequence {
            return Err(format!("{sequence} comes behind {before}"));
        }
        if self.ended && self.open.is_empty() && !self.unsure && kind != "missing" {
            return Err(format!("{kind} comes behind the end"));
        }
        match kind {
            "missing" => {
                self.missing = true;
                self.unsure = true;
                self.open.clear();
                Ok(())
            }
            "enter" => {
                let chains = vec![text(step, "chain").to_owned()];
                self.open.push(Passage { number: number(step, "traversal"), chains });
                Ok(())
            }
            "rule" | "no_match" | "end" | "policy" => self.decided(kind, step),
            "dropped" | "consumed" | "freed" => {
                self.ended = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn decided(&mut self, kind: &str, step: &Value) -> Result<(), String> {
        let Some(passage) = self.open.last_mut() else {
            return if self.unsure { Ok(()) } else { Err(format!("{kind} outside of a chain")) };
        };
        let (traversal, depth) = (number(step, "traversal"), number(step, "depth"));
        if passage.number != traversal {
            return if self.unsure { Ok(()) } else { Err(format!("not of passage {traversal}")) };
        }
        let verdict = text(step, "verdict");
        if kind == "policy" {
            if passage.chains.len() > 1 {
                return Err(format!("a policy inside of {:?}", passage.chains));
            }
            self.open.pop();
            return Ok(());
        }
        if passage.chains.last().map(String::as_str) != Some(text(step, "chain"))
            || passage.chains.len() as u64 != depth + 1
        {
            return Err(format!(
                "{:?} at depth {depth} in {:?}",
                text(step, "chain"),
                passage.chains
            ));
        }
        let target = || text(step, "target").to_owned();
        match (kind, verdict) {
            ("no_match", _) | ("rule", "continue") => {}
            ("end", _) | ("rule", "return") => drop(passage.chains.pop()),
            ("rule", "jump") => passage.chains.push(target()),
            ("rule", "goto") => {
                passage.chains.pop();
                passage.chains.push(target());
            }
            _ => drop(self.open.pop()),
        }
        Ok(())
    }
}

/// A decision in the words of `nft monitor trace`.
fn decision(step: &Value) -> Option<String> {
    let place = format!("{} {} {}", text(step, "family"), text(step, "table"), text(step, "chain"));
    let verdict = text(step, "verdict");
    match text(step, "step") {
        "rule" if matches!(verdict, "jump" | "goto") => {
            Some(format!("{place} verdict {verdict} {}", text(step, "target")))
        }
        "rule" => Some(format!("{place} verdict {verdict}")),
        "policy" => Some(format!("{place} policy {verdict}")),
        _ => None,
    }
}

/// Run it.
///
/// # Errors
/// When a tree has a hole that is not marked, or with `--whole` any hole.
pub fn run(arguments: &Arguments) -> Result<()> {
    let file = &arguments.file;
    let lines =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut trees: BTreeMap<u64, Tree> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let step: Value =
            serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        if text(&step, "type") != "trace" {
            continue;
        }
        let netns = step.pointer("/netns/name").and_then(Value::as_str);
        if arguments.decisions {
            if arguments.netns.is_none() || netns == arguments.netns.as_deref() {
                decision(&step).into_iter().for_each(|words| println!("{words}"));
            }
            continue;
        }
        let tree = trees.entry(number(&step, "packet_id")).or_default();
        if let Err(why) = tree.step(&step) {
            wrong.push(format!("{why}: {line}"));
        }
    }
    if arguments.decisions {
        return Ok(());
    }
    for (id, tree) in &trees {
        if tree.ended && !tree.open.is_empty() && !tree.unsure {
            wrong.push(format!("packet {id} has ended inside of a chain"));
        }
    }
    let missing = trees.values().filter(|tree| tree.missing).count();
    let open = trees.values().filter(|tree| !tree.ended && !tree.missing).count();
    let whole = trees.len() - missing - open;
    println!(
        "{} packets, {whole} whole, {missing} with missing steps, {open} not ended",
        trees.len()
    );
    if arguments.whole && whole < trees.len() {
        let not = |tree: &Tree| !tree.ended || tree.missing;
        let ids: Vec<u64> = trees.iter().filter(|(_, tree)| not(tree)).map(|(id, _)| *id).collect();
        for line in lines.lines() {
            let step: Value = serde_json::from_str(line)?;
            if ids.first().copied() == step.get("packet_id").and_then(Value::as_u64) {
                println!("{line}");
            }
        }
        bail!("not whole: packets {ids:?}");
    }
    if !wrong.is_empty() {
        bail!("{} steps do not fit:\n{}", wrong.len(), wrong[..wrong.len().min(SHOWN)].join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steps: &[&str]) -> Result<(), String> {
        let mut tree = Tree::default();
        for (sequence, step) in (1u64..).zip(steps) {
            let mut step: Value = serde_json::from_str(step).unwrap();
            if step.get("sequence").is_none() {
                step["sequence"] = sequence.into();
            }
            tree.step(&step)?;
        }
        if tree.ended && !tree.open.is_empty() { Err("open".into()) } else { Ok(()) }
    }

    const ENTER: &str = r#"{"step":"enter","chain":"a","traversal":1}"#;
    const JUMP: &str =
        r#"{"step":"rule","chain":"a","depth":0,"traversal":1,"verdict":"jump","target":"b"}"#;
    const END: &str = r#"{"step":"end","chain":"b","depth":1,"traversal":1}"#;
    const POLICY: &str = r#"{"step":"policy","chain":"a","traversal":1,"verdict":"accept"}"#;
    const CONSUMED: &str = r#"{"step":"consumed"}"#;

    #[test]
    fn whole_trees_pass() {
        assert_eq!(check(&[ENTER, JUMP, END, POLICY, CONSUMED]), Ok(()));
    }

    #[test]
    fn holes_do_not() {
        check(&[ENTER, JUMP, POLICY]).unwrap_err();
        check(&[ENTER, END]).unwrap_err();
        check(&[ENTER, CONSUMED]).unwrap_err();
        check(&[CONSUMED, ENTER]).unwrap_err();
        check(&[ENTER, r#"{"step":"consumed","sequence":3}"#]).unwrap_err();
    }

    #[test]
    fn marked_holes_pass() {
        let missing = r#"{"step":"missing","count":3,"sequence":4}"#;
        let policy = POLICY.replace("{", r#"{"sequence":5,"#);
        assert_eq!(check(&[ENTER, missing, &policy]), Ok(()));
    }
}
