//! A listing as text.

use std::io::{self, Write};

use nfscope_symbols::{Frame, Source};

use crate::sinks::escape;

use super::code::CodeFrom;
use super::listing::{Line, Listing};

/// Tables that say something to people, and what.
const TABLES: [(&str, &str); 3] = [
    (".altinstructions", "the kernel may replace it by another for this processor"),
    ("__bug_table", "BUG or WARN"),
    ("__ex_table", "a fault here is handled (exception table)"),
];

/// Prints a listing.
pub(super) fn page<W: Write>(
    out: &mut W,
    listing: &Listing,
    source: &mut Source,
) -> io::Result<()> {
    heading(out, listing)?;
    let mut lines: &[Frame] = &[];
    for line in &listing.instructions {
        if !line.frames.is_empty() && !same_lines(&line.frames, lines) {
            lines = &line.frames;
            source_line(out, lines, source)?;
        }
        marks(out, line)?;
        instruction(out, line)?;
    }
    listing.notes.iter().try_for_each(|note| writeln!(out, "note: {}", escape(note)))
}

fn heading<W: Write>(out: &mut W, listing: &Listing) -> io::Result<()> {
    write!(out, "{}", escape(&listing.function))?;
    if let Some(module) = &listing.module {
        write!(out, " [{}]", escape(module))?;
    }
    if let Some(address) = listing.address {
        write!(out, "  {address:#x}")?;
    }
    writeln!(out, "  {:#x} bytes", listing.size)?;
    match &listing.code {
        CodeFrom::Memory => writeln!(out, "from the running kernel's memory"),
        CodeFrom::File { path } => writeln!(out, "from {}", escape(&path.display().to_string())),
        CodeFrom::ModuleFile { path, verified } => {
            write!(out, "from {}", escape(&path.display().to_string()))?;
            if *verified {
                write!(out, " (build id checked)")?;
            }
            if listing.compared {
                write!(out, "; \"now\" is what memory has instead")?;
            }
            writeln!(out)
        }
    }
}

/// Whether both are of the same lines; compilers tell columns, too.
fn same_lines(a: &[Frame], b: &[Frame]) -> bool {
    let line = |frame: &Frame| (frame.function.clone(), frame.file.clone(), frame.line);
    a.iter().map(line).eq(b.iter().map(line))
}

/// The innermost line, and what it was inlined into.
fn source_line<W: Write>(out: &mut W, frames: &[Frame], source: &mut Source) -> io::Result<()> {
    for (n, frame) in frames.iter().enumerate() {
        let by = if n == 0 { "" } else { "  inlined by " };
        let function = escape(frame.function.as_deref().unwrap_or("??"));
        write!(out, "{by}{function} at {}", escape(frame.file.as_deref().unwrap_or("??")))?;
        match frame.line {
            Some(line) => write!(out, ":{line}")?,
            None => write!(out, ":?")?,
        }
    }
    writeln!(out)?;
    let Some(innermost) = frames.first() else { return Ok(()) };
    if let (Some(file), Some(line)) = (&innermost.file, innermost.line)
        && let Some(text) = source.line(file, line)
    {
        writeln!(out, "  {line:>5}: {}", escape(text))?;
    }
    Ok(())
}

/// What is known of an instruction, in front of it.
fn marks<W: Write>(out: &mut W, line: &Line) -> io::Result<()> {
    let known = |state: Option<bool>, on: &'static str, off: &'static str| match state {
        Some(true) => on,
        Some(false) => off,
        None => "not known whether now",
    };
    if let Some(site) = &line.ftrace_site {
        writeln!(out, "    # ftrace site: {}", known(site.calls, "on now", "off now"))?;
    }
    if let Some(label) = &line.jump_label {
        let key = label.key.as_deref().map(escape).unwrap_or_default();
        let sign = if label.target < 0 { '-' } else { '+' };
        let state = known(label.jumps, "jumps now", "does not jump now");
        let space = if key.is_empty() { "" } else { " " };
        let target = label.target.unsigned_abs();
        writeln!(out, "    # jump label{space}{key} to {sign}{target:#x}: {state}")?;
    }
    for (table, text) in TABLES {
        if line.tables.iter().any(|own| own == table) {
            writeln!(out, "    # {text}")?;
        }
    }
    for mark in &line.points {
        write!(out, "    # probe point {}:", mark.point)?;
        mark.holds.iter().try_for_each(|held| write!(out, " {}={}", held.value, held.at))?;
        writeln!(out)?;
    }
    Ok(())
}

fn instruction<W: Write>(out: &mut W, line: &Line) -> io::Result<()> {
    write!(out, "{}", if line.asked { "=> " } else { "   " })?;
    if let Some(address) = line.address {
        write!(out, "{address:016x} ")?;
    }
    write!(out, "{:>8}  ", format!("+{:#x}", line.offset))?;
    match line.text.split_once(' ') {
        Some((mnemonic, operands)) => write!(out, "{mnemonic:<6} {}", escape(operands))?,
        None => write!(out, "{}", line.text)?,
    }
    if let Some(refers) = &line.refers {
        write!(out, "  # {}", escape(refers))?;
    }
    if !line.now.is_empty() {
        write!(out, "  # now: {}", escape(&line.now.join("; ")))?;
    } else if line.overwritten {
        write!(out, "  # now: overwritten by the one before")?;
    }
    writeln!(out)
}
