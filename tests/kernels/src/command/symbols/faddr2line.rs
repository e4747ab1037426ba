//! The kernel's script faddr2line beside nfscope.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    Subject,
    chains::{self, Frame},
    measure::measured,
};

/// It goes through all symbols of the file for each address: of a kernel that takes seconds.
const OF_KERNEL: usize = 20;
const OF_MODULE: usize = 200;
/// As many are nfscope's, whose time would else be that of its start.
const OURS: usize = 1000;
/// Differences that are shown.
const SHOWN: usize = 5;

/// Whether it says what nfscope says, where addr2line, which it asks, does, and takes ten times as
/// long. `output`: nfscope's answers; `unlike`: those that are not addr2line's.
pub fn compare(
    subject: &Subject<'_>,
    script: &Path,
    output: &str,
    unlike: &HashSet<usize>,
) -> Result<bool> {
    let chains = chains::of_nfscope(output)?;
    let told = |n: &usize| chains.get(*n).filter(|chain| !chain.is_empty());
    let all: Vec<(usize, String)> = output
        .lines()
        .enumerate()
        .filter(|(n, _)| told(n).is_some())
        .filter_map(|(n, line)| Some((n, word(line)?)))
        .collect();
    let number = if subject.base == 0 { OF_MODULE } else { OF_KERNEL };
    let asked = all.get(..number).unwrap_or(&all);
    let mut theirs = Command::new(script);
    theirs.arg(subject.file).args(asked.iter().map(|(_, word)| word)).stderr(Stdio::null());
    let theirs = measured(&mut theirs, &subject.work.join("faddr2line"))?;
    let mut ours = Command::new(&subject.arguments.nfscope);
    ours.args(["symbolize", "--json", "-e"]).arg(subject.file);
    ours.args(all.iter().take(OURS).map(|(_, word)| word));
    let ours = measured(&mut ours, &subject.work.join("functions"))?;
    let name = subject.name();
    println!(
        "  {name}: functions with offsets: nfscope for {} {ours}, faddr2line for {} {theirs}",
        all.len().min(OURS),
        asked.len()
    );
    let blocks = blocks(&theirs.output)?;
    let (mut equal, mut different) = (0, 0);
    for (n, word) in asked {
        // of several functions of one name it tells all
        let Some([theirs]) = blocks.get(word).map(Vec::as_slice) else { continue };
        let Some(chain) = told(n) else { continue };
        if unlike.contains(n) || theirs == chain {
            equal += usize::from(theirs == chain);
            continue;
        }
        different += 1;
        if different <= SHOWN {
            println!("    {word}: faddr2line {theirs:?}\n      nfscope {chain:?}");
        }
    }
    println!("  {name}: {equal} answers of faddr2line's equal, {different} different");
    // what nfscope has told of an address it must tell of the function with offset, too
    let taken = all.get(..OURS).unwrap_or(&all);
    let again = by_input(&ours.output)?;
    let told_again = |(n, word): &&(usize, String)| {
        again.get(word).is_some_and(|found| found.iter().any(|chain| Some(chain) == told(n)))
    };
    let untold = taken.iter().filter(|asked| !told_again(asked)).count();
    if untold > 0 {
        println!(
            "  {name}: of {untold} of its own functions with offsets nfscope tells something else"
        );
    }
    let faster = ours.is_ten_times_faster(taken.len(), &theirs, asked.len());
    if !faster {
        println!("  {name}: faddr2line takes less than ten times nfscope's processor time");
    }
    Ok(different == 0 && equal * 2 > asked.len() && untold == 0 && faster)
}

/// `function+0x12`, as both take it.
fn word(line: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(line).ok()?;
    let symbol = answer.get("symbol")?;
    Some(format!("{}+{:#x}", symbol.get("name")?.as_str()?, symbol.get("offset")?.as_u64()?))
}

/// nfscope's answers by what was asked; of several functions of one name there are several.
fn by_input(output: &str) -> Result<HashMap<String, Vec<Vec<Frame>>>> {
    let mut out: HashMap<String, Vec<Vec<Frame>>> = HashMap::new();
    for (line, chain) in output.lines().zip(chains::of_nfscope(output)?) {
        let answer: Value = serde_json::from_str(line)?;
        let input = answer.get("input").and_then(Value::as_str).context("an answer to nothing")?;
        out.entry(input.to_owned()).or_default().push(chain);
    }
    Ok(out)
}

/// `function+0x12/0x40:`, then a line a frame, the innermost first; what it says of each word.
fn blocks(output: &str) -> Result<HashMap<String, Vec<Vec<Frame>>>> {
    let mut out: HashMap<String, Vec<Vec<Frame>>> = HashMap::new();
    let mut word = None;
    for line in output.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let head = line.strip_suffix(':').and_then(|line| line.rsplit_once('/'));
        if let Some((asked, _)) = head.filter(|(asked, _)| asked.contains('+')) {
            out.entry(asked.to_owned()).or_default().push(Vec::new());
            word = Some(asked.to_owned());
            continue;
        }
        let chain = word.as_ref().and_then(|word| out.get_mut(word)?.last_mut());
        chain.context("faddr2line's output begins without a function")?.extend(frame(line));
    }
    let chains = out.values_mut().flatten();
    chains.for_each(chains::without_guess);
    Ok(out)
}

/// `(inlined by) outer at net/core.c:7 (discriminator 2)`
fn frame(line: &str) -> Option<Frame> {
    let line = line.strip_prefix("(inlined by) ").unwrap_or(line);
    let (function, place) = line.rsplit_once(" at ")?;
    let place = place.split_once(" (").map_or(place, |(place, _)| place);
    let (file, number) = place.rsplit_once(':')?;
    let number = number.parse().ok().filter(|number| *number != 0);
    Some(Frame { function: function.to_owned(), file: chains::simplified(file), line: number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let told = blocks(
            "f+0x3/0x10:\ninner at include/a.h:3 (discriminator 1)\n (inlined by) f at net/b.c:7\n\n\
             g+0x1/0x9:\ng at ??:?\n\ng+0x1/0x10:\ng at net/c.c:2\n",
        );
        let told = told.unwrap();
        let first = &told["f+0x3"][0];
        assert_eq!(
            (first.len(), first[1].line, first[0].file.as_str()),
            (2, Some(7), "include/a.h")
        );
        assert_eq!((told["g+0x1"].len(), told["g+0x1"][0].len()), (2, 0));
        let json = r#"{"symbol":{"name":"f","offset":3,"size":16}}"#;
        assert_eq!(word(json).as_deref(), Some("f+0x3"));
    }
}
