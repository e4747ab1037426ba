//! `gdb` beside nfscope: `list *ADDRESS`, all in one process.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    Subject,
    chains::{self, Frame},
    measure::{Measured, measured},
};

/// Where a file that has no addresses is put.
const PUT: u64 = 0x1000_0000;
/// Differences that are shown.
const SHOWN: usize = 5;

/// What gdb says of an address.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// The function that the code was merged into, at the end; none: it names none.
    function: Option<String>,
    file: String,
    line: u64,
    /// Where the line's code begins.
    start: u64,
}

/// What gdb and nfscope say of an address, and the address's number.
type Pair<'a> = (&'a Told, &'a [Frame], usize);

/// Whether at most one of a thousand answers differs, in none of the ways that are known. `doubtful`:
/// those of nfscope's that nobody else has confirmed.
pub fn compare(
    subject: &Subject<'_>,
    offsets: &[u64],
    ours: &[Vec<Frame>],
    doubtful: &HashSet<usize>,
) -> Result<bool> {
    // gdb lays the code of all sections of such a file over each other: what is behind the
    // longest of the others is .text's alone
    let alone = subject.longest_other()?;
    let chosen: Vec<usize> = (0..offsets.len()).filter(|n| offsets[*n] >= alone).collect();
    let base = if subject.base == 0 { PUT } else { subject.base };
    let addresses: Vec<u64> = chosen.iter().map(|n| base + offsets[*n]).collect();
    let answer = ask(subject, &addresses)?;
    let name = subject.name();
    println!("  {name}: {} answers: gdb {answer}", addresses.len());
    let told = parse(&answer.output)?;
    if told.len() != addresses.len() {
        bail!("gdb was asked for {} addresses and told {}", addresses.len(), told.len());
    }
    let (mut pairs, mut one_line, mut different): (Vec<Pair>, _, _) = (Vec::new(), 0, 0);
    for (n, told) in chosen.iter().copied().zip(&told) {
        match (told, ours[n].as_slice()) {
            (Some(told), chain @ [_, ..]) => pairs.push((told, chain, n)),
            (None, []) => {}
            _ if doubtful.contains(&n) => different += 1,
            _ => one_line += 1,
        }
    }
    let (same, unequal): (Vec<&Pair>, Vec<&Pair>) =
        pairs.iter().partition(|(told, chain, _)| agrees(told, chain));
    // gdb's line is that of the row that it takes for the last statement's, where another row of
    // the same address, or a later one, has nfscope's
    let starts = unequal.iter().map(|(told, ..)| told.start - base + subject.base).collect();
    let rows = rows(subject, &starts)?;
    let mut other_rows = 0;
    for (told, chain, n) in &unequal {
        let there = rows.get(&(told.start - base + subject.base)).map(Vec::as_slice);
        let begins = |(file, line): &(String, u64)| {
            *line == told.line && told.file.ends_with(file.trim_start_matches('.'))
        };
        let is_row = there.unwrap_or_default().iter().any(begins);
        if is_row && same_function(told, chain) && !doubtful.contains(n) {
            other_rows += 1;
            continue;
        }
        different += 1;
        if different <= SHOWN {
            println!(
                "    {:#x}: gdb {told:?}\n      nfscope {chain:?}",
                subject.base + offsets[*n]
            );
        }
    }
    println!(
        "  {name}: {} lines of gdb's equal, {other_rows} of another row, {one_line} that one of the \
         two has not, {different} different",
        same.len()
    );
    Ok(different * 1000 <= addresses.len() && same.len() * 2 > addresses.len())
}

fn agrees(told: &Told, chain: &[Frame]) -> bool {
    let Some(inner) = chain.first() else { return false };
    told.file == inner.file && Some(told.line) == inner.line && same_function(told, chain)
}

fn same_function(told: &Told, chain: &[Frame]) -> bool {
    let outer = chain.last().map(|frame| &frame.function);
    told.function.is_none() || told.function.as_ref() == outer
}

/// Files' names and lines of the rows at these addresses, as readelf prints the line table:
/// `core.c  154  0x16fa9  1  x`.
fn rows(subject: &Subject<'_>, starts: &HashSet<u64>) -> Result<HashMap<u64, Vec<(String, u64)>>> {
    let mut readelf = Command::new("readelf");
    readelf.args(["-W", "--debug-dump=decodedline"]).arg(subject.file);
    let readelf = readelf.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut readelf = readelf.context("cannot run readelf; install binutils")?;
    let output = readelf.stdout.take().context("readelf has no output")?;
    let mut rows: HashMap<u64, Vec<(String, u64)>> = HashMap::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        let words: Vec<&str> = text.split_whitespace().collect();
        let [file, number, address, ..] = words.as_slice() else { continue };
        let address = address.strip_prefix("0x").and_then(|at| u64::from_str_radix(at, 16).ok());
        if let (Some(address), Ok(number)) = (address, number.parse())
            && starts.contains(&address)
        {
            rows.entry(address).or_default().push(((*file).to_owned(), number));
        }
    }
    readelf.wait()?;
    Ok(rows)
}

fn ask(subject: &Subject<'_>, addresses: &[u64]) -> Result<Measured> {
    let script = subject.work.join("script.gdb");
    let mut text = String::new();
    let mut gdb = Command::new("gdb");
    // nowhere is any source, which it would print
    gdb.args(["-nx", "-batch"]).current_dir(subject.work).stderr(Stdio::null());
    if subject.base == 0 {
        writeln!(text, "add-symbol-file {} {PUT:#x}", subject.file.display())?;
        gdb.arg("-x").arg(&script);
    } else {
        gdb.arg("-x").arg(&script).arg(subject.file);
    }
    for address in addresses {
        writeln!(text, "echo @\\n\nlist *{address:#x}\ninfo line *{address:#x}")?;
    }
    fs::write(&script, text)?;
    measured(&mut gdb, &subject.work.join("gdb"))
}

/// Blocks that begin with `@`.
fn parse(output: &str) -> Result<Vec<Option<Told>>> {
    let mut out = Vec::new();
    let mut function = None;
    for line in output.lines() {
        if line == "@" {
            out.push(None);
            function = None;
        } else if let Some((_, rest)) =
            line.split_once(" is in ").filter(|_| line.starts_with("0x"))
        {
            // 0xffffffff81aa670f is in nf_hook_slow (include/linux/netfilter.h:154).
            function = rest.rsplit_once(" (").map(|(function, _)| function.to_owned());
        } else if let Some(rest) = line.strip_prefix("Line ") {
            let last = out.last_mut().context("gdb's output begins without an address")?;
            *last = place(rest, function.take());
        }
    }
    Ok(out)
}

/// `154 of "include/linux/netfilter.h" starts at address 0x12 <nf_hook_slow+43> and ends at …`
fn place(text: &str, function: Option<String>) -> Option<Told> {
    let (line, rest) = text.split_once(" of \"")?;
    let (file, rest) = rest.split_once('"')?;
    let (_, start) = rest.split_once("starts at address 0x")?;
    let start = start.split_once(' ')?.0;
    Some(Told {
        function,
        file: chains::simplified(file),
        line: line.parse().ok()?,
        start: u64::from_str_radix(start, 16).ok()?,
    })
}

/// Whether there is a gdb.
pub fn is_there() -> bool {
    Path::new("/usr/bin/gdb").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let told = parse(
            "add symbol table from file \"x\"\n@\n0x12 is in outer (./include/a.h:3).\n\
             Line 3 of \"./include/a.h\" starts at address 0x10 <outer+1> and ends at 0x14 <o>.\n\
             @\nNo line number information available for address 0x99\n",
        );
        let told = told.unwrap();
        assert_eq!((told.len(), &told[1]), (2, &None));
        let frame = |function: &str, file: &str, line| Frame {
            function: function.into(),
            file: file.into(),
            line: Some(line),
        };
        let chain = [frame("inner", "include/a.h", 3), frame("outer", "b.c", 9)];
        let first = told[0].as_ref().unwrap();
        assert!(agrees(first, &chain) && first.start == 0x10);
        assert!(!agrees(first, &chain[..1]));
    }
}
