//! Where addr2line says something else, and why.

use std::{
    collections::{HashMap, HashSet},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    Subject,
    chains::{self, Frame},
    measure::measured,
};

/// Differences that are shown.
const SHOWN: usize = 10;

/// Numbers of the addresses with each kind of difference.
#[derive(Default)]
pub struct Differences {
    /// addr2line names another file, llvm-symbolizer nfscope's.
    files: Vec<usize>,
    /// Asked for this address alone, addr2line says what nfscope says.
    alone: Vec<usize>,
    /// Two symbols at one address.
    labels: Vec<usize>,
    others: Vec<usize>,
}

impl Differences {
    /// Tells the kinds apart; each is proven by somebody else than nfscope.
    pub fn new(
        subject: &Subject<'_>,
        offsets: &[u64],
        (theirs, ours): (&[Vec<Frame>], &[Vec<Frame>]),
    ) -> Result<Self> {
        let mut out = Self::default();
        let unequal: Vec<usize> = (0..ours.len()).filter(|n| theirs[*n] != ours[*n]).collect();
        let (files, rest): (Vec<usize>, Vec<usize>) =
            unequal.into_iter().partition(|n| differ_in_files(&theirs[*n], &ours[*n]));
        let asked: Vec<u64> = files.iter().map(|n| subject.base + offsets[*n]).collect();
        let third = third_opinion(subject, &asked)?;
        for (at, n) in files.into_iter().enumerate() {
            let agrees = third.get(at).is_some_and(|third| says(third, &ours[n]));
            let kind = if agrees { &mut out.files } else { &mut out.others };
            kind.push(n);
        }
        let names = rest.iter().flat_map(|n| [&theirs[*n], &ours[*n]]).filter_map(|c| c.last());
        let symbols = addresses(subject, &names.map(|frame| frame.function.as_str()).collect())?;
        for n in rest {
            let same = |a: &Frame, b: &Frame| {
                let of = |frame: &Frame| symbols.get(&frame.function).cloned().unwrap_or_default();
                !of(a).is_disjoint(&of(b))
            };
            let kind = if differ_in_labels(&theirs[n], &ours[n], same) {
                &mut out.labels
            } else {
                let again = subject.addr2line(&offsets[n..=n], "alone")?;
                let again = chains::of_addr2line(&again.output)?;
                if again.first() == Some(&ours[n]) { &mut out.alone } else { &mut out.others }
            };
            kind.push(n);
        }
        for n in out.others.iter().copied().take(SHOWN) {
            let address = subject.base + offsets[n];
            println!("    {address:#x}: addr2line {:?}\n      nfscope {:?}", theirs[n], ours[n]);
        }
        Ok(out)
    }

    /// All of them.
    pub fn all(&self) -> HashSet<usize> {
        [&self.files, &self.alone, &self.labels, &self.others]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Those where nobody confirms nfscope's answer.
    pub fn doubtful(&self) -> HashSet<usize> {
        self.others.iter().copied().collect()
    }

    /// Whether they are few enough among so many answers.
    pub fn are_few(&self, answers: usize) -> bool {
        let others = self.alone.len() + self.labels.len() + self.others.len();
        others * 1000 <= answers && self.files.len() * 100 <= answers
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} other files, where llvm-symbolizer names nfscope's; {} told otherwise when \
             addr2line is asked for them alone; {} of two symbols at one address; {} different",
            self.files.len(),
            self.alone.len(),
            self.labels.len(),
            self.others.len()
        )
    }
}

/// Whether two answers have the same functions and lines, and only files differ.
fn differ_in_files(a: &[Frame], b: &[Frame]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.function == b.function && a.line == b.line)
}

/// Whether only the outermost function differs, and both names are of the same code.
fn differ_in_labels(a: &[Frame], b: &[Frame], same: impl Fn(&Frame, &Frame) -> bool) -> bool {
    match (a, b) {
        ([a @ .., outer], [b @ .., other]) => {
            a == b && outer.file == other.file && outer.line == other.line && same(outer, other)
        }
        _ => false,
    }
}

/// Whether llvm-symbolizer's answer is nfscope's. In padding it names the line, but no function.
fn says(third: &[Frame], ours: &[Frame]) -> bool {
    let same = |third: &Frame, ours: &Frame| {
        (third.function == "??" || third.function == ours.function)
            && third.file == ours.file
            && third.line == ours.line
    };
    third.len() == ours.len() && third.iter().zip(ours).all(|(third, ours)| same(third, ours))
}

/// What llvm-symbolizer says.
fn third_opinion(subject: &Subject<'_>, addresses: &[u64]) -> Result<Vec<Vec<Frame>>> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let mut program = Command::new("llvm-symbolizer");
    program.args(["--inlines", "--functions=linkage", "--obj"]).arg(subject.file);
    program.args(addresses.iter().map(|address| format!("{address:#x}")));
    chains::of_llvm(&measured(&mut program, &subject.work.join("third"))?.output)
}

/// Where the symbols of these names are.
fn addresses(
    subject: &Subject<'_>,
    names: &HashSet<&str>,
) -> Result<HashMap<String, HashSet<String>>> {
    let mut out: HashMap<String, HashSet<String>> = HashMap::new();
    if names.is_empty() {
        return Ok(out);
    }
    let output = Command::new("readelf").arg("-sW").arg(subject.file).output();
    let output = output.context("cannot run readelf; install binutils")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // 185967: ffffffff8108e000   115 NOTYPE  GLOBAL DEFAULT    1 relocate_kernel
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, address, .., section, name] = words.as_slice()
            && names.contains(name)
        {
            out.entry((*name).to_owned()).or_default().insert(format!("{section} {address}"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u64) -> Frame {
        Frame { function: function.to_owned(), file: file.to_owned(), line: Some(line) }
    }

    #[test]
    fn kinds() {
        let ours = [frame("inner", "a.h", 1), frame("outer", "b.c", 2)];
        assert!(differ_in_files(&[frame("inner", "b.c", 1), frame("outer", "b.c", 2)], &ours));
        assert!(!differ_in_files(&ours[..1], &ours));
        assert!(says(&[frame("??", "a.h", 1)], &ours[..1]));
        assert!(!says(&[frame("??", "b.c", 1)], &ours[..1]));
        let other = [frame("inner", "a.h", 1), frame("label", "b.c", 2)];
        assert!(differ_in_labels(&other, &ours, |_, _| true));
        assert!(!differ_in_labels(&other, &ours, |_, _| false));
        assert!(!differ_in_labels(&other[1..], &ours, |_, _| true));
    }
}
