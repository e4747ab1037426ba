//! Kernel symbols from `/proc/kallsyms`: names to addresses and back, in single passes over the file.
//! The table (200,000 lines) is never kept.

mod names;
mod nearest;

use std::io::{BufRead, BufReader};

pub use names::{Names, Resolved};
pub use nearest::{Near, nearest, nearest_in};

/// Where the kernel lists its symbols.
const KALLSYMS: &str = "/proc/kallsyms";

/// Large reads: the kernel makes the text as it is read.
const BUFFER: usize = 256 << 10;

/// Why symbols could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SymbolError {
    /// The file is not readable.
    #[error("cannot read /proc/kallsyms: {0}")]
    Read(#[from] std::io::Error),
    /// All addresses are zero.
    #[error("/proc/kallsyms hides its addresses (kernel.kptr_restrict, or CAP_SYSLOG is missing)")]
    Hidden,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Address.
    pub address: u64,
    /// Kind as `nm` shows it: `T` and `t` text, `D` and `d` data, …
    pub kind: char,
    /// Name.
    pub name: &'a str,
    /// The module, if it belongs to one.
    pub module: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// Reads `ADDRESS KIND NAME[\t[MODULE]]`.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (address, rest) = line.split_once(' ')?;
        let (kind, rest) = rest.split_once(' ')?;
        let (name, module) = match rest.split_once('\t') {
            Some((name, module)) => {
                (name, Some(module.trim_end().strip_prefix('[')?.strip_suffix(']')?))
            }
            None => (rest.trim_end(), None),
        };
        let address = u64::from_str_radix(address, 16).ok()?;
        Some(Self { address, kind: kind.chars().next()?, name, module })
    }

    /// Whether it is code.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, 'T' | 't' | 'W' | 'w')
    }
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The symbol's name.
    pub name: &'a str,
    /// The module it must belong to; `None` for the kernel itself.
    pub module: Option<&'a str>,
}

/// A symbol that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its address.
    pub address: u64,
    /// The next higher address of a symbol seen: the symbol ends there at the latest.
    pub next: u64,
}

/// The running kernel's table.
fn open() -> Result<impl BufRead, SymbolError> {
    Ok(BufReader::with_capacity(BUFFER, std::fs::File::open(KALLSYMS)?))
}

/// Calls `each` for every symbol of the running kernel.
pub fn each(each: impl FnMut(Line)) -> Result<(), SymbolError> {
    scan(open()?, each)
}

/// Looks symbols up in one pass, the first of each name; `None` where there is none.
pub fn find_symbols(wanted: &[Wanted]) -> Result<Vec<Option<Found>>, SymbolError> {
    find_in(open()?, wanted)
}

/// The same, in a table given by its text.
pub fn find_in(table: impl BufRead, wanted: &[Wanted]) -> Result<Vec<Option<Found>>, SymbolError> {
    let mut out: Vec<Option<Found>> = vec![None; wanted.len()];
    // A symbol's end may be listed before it: modules are not in order. Keep what is close behind.
    let mut earlier: Vec<u64> = Vec::new();
    scan(table, |line| {
        for (want, found) in wanted.iter().zip(&mut out) {
            match found {
                None if want.name == line.name && want.module == line.module => {
                    let next = earlier.iter().copied().filter(|a| *a > line.address).min();
                    *found = Some(Found { address: line.address, next: next.unwrap_or(u64::MAX) });
                }
                Some(found) if line.address > found.address && line.address < found.next => {
                    found.next = line.address;
                }
                _ => {}
            }
        }
        if line.module.is_some() && wanted.iter().any(|want| want.module == line.module) {
            earlier.push(line.address);
        }
    })?;
    Ok(out)
}

/// Calls `each` for every line.
fn scan(mut table: impl BufRead, mut each: impl FnMut(Line)) -> Result<(), SymbolError> {
    let mut text = String::new();
    let (mut any, mut shown) = (false, false);
    loop {
        text.clear();
        if table.read_line(&mut text)? == 0 {
            break;
        }
        if let Some(line) = Line::parse(&text) {
            any = true;
            shown |= line.address != 0;
            each(line);
        }
    }
    if any && !shown { Err(SymbolError::Hidden) } else { Ok(()) }
}
