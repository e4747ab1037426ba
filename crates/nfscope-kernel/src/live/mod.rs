//! Functions out of the running kernel's memory, where there is no module file to read: nf_tables built
//! in, or a package that was updated since boot.
//!
//! Memory is read through a [`TextSource`]: `/proc/kcore` ([`KCore`]) or a BPF program. Live text differs
//! from a file's: calls are resolved, jump labels may be switched, alternatives are applied.

mod kcore;

use std::collections::BTreeMap;

use crate::btf::Btf;
use crate::isa::{Arch, Flow};
use crate::symbols::{Found, Names, Near, SymbolError, Wanted, find_symbols, nearest};
use crate::text::{FunctionText, JumpSite, TextSource};

pub use kcore::{KCore, KCoreError};

/// No function of interest is longer; a symbol's end is only known as the next symbol's start.
const MAX_FUNCTION: u64 = 256 << 10;

/// More than any kernel's jump table has (10,000 to 20,000 entries).
const MAX_TABLE: u64 = 16 << 20;

/// Bytes of `struct jump_entry` with relative references (`include/linux/jump_label.h`).
const ENTRY: usize = 16;

/// Why a function could not be read from the running kernel.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Symbols are missing.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
    /// A symbol is not there.
    #[error("the running kernel has no symbol {0}")]
    Missing(String),
    /// This machine's instruction set is not supported.
    #[error("nfscope does not know this machine's instruction set")]
    Arch,
    /// Memory could not be read.
    #[error("cannot read kernel memory at {address:#x}: {source}")]
    Read {
        /// Where.
        address: u64,
        /// Why.
        source: std::io::Error,
    },
    /// A size that cannot be right.
    #[error("the {what} of the running kernel would be {size} bytes long: not read")]
    Size {
        /// Function or table.
        what: &'static str,
        /// Its size.
        size: u64,
    },
    /// The module's own data cannot be found.
    #[error("the kernel's type information does not describe struct module's jump table")]
    ModuleLayout,
}

/// Reads a function of the kernel (`module` is `None`) or of a loaded module. `btf` tells where a
/// module's jump table is; it is not needed for the kernel itself.
pub fn function(
    source: &mut dyn TextSource,
    name: &str,
    module: Option<&str>,
    btf: Option<&Btf>,
) -> Result<FunctionText, LiveError> {
    let mut wanted = vec![Wanted { name, module }];
    wanted.extend(table_symbols(module));
    let found = find_symbols(&wanted)?;
    let address = |n: usize| {
        let found: Option<Found> = found.get(n).copied().flatten();
        found.ok_or_else(|| LiveError::Missing(wanted[n].name.to_owned()))
    };
    let Found { address: start, next } = address(0)?;
    let table = match module {
        None => {
            let (first, last) = (address(1)?.address, address(2)?.address);
            (first, last.saturating_sub(first))
        }
        Some(_) => module_table(source, address(1)?.address, btf)?,
    };
    take(source, (name, module), (start, next.saturating_sub(start)), table)
}

/// Reads a function by its address and size, where several have its name.
pub fn function_at(
    source: &mut dyn TextSource,
    name: &str,
    module: Option<&str>,
    range: (u64, u64),
    btf: Option<&Btf>,
) -> Result<FunctionText, LiveError> {
    let wanted = table_symbols(module);
    let found = find_symbols(&wanted)?;
    let address = |n: usize| {
        let found: Option<Found> = found.get(n).copied().flatten();
        found
            .map(|found| found.address)
            .ok_or_else(|| LiveError::Missing(wanted[n].name.to_owned()))
    };
    let table = match module {
        None => (address(0)?, address(1)?.saturating_sub(address(0)?)),
        Some(_) => module_table(source, address(0)?, btf)?,
    };
    take(source, (name, module), range, table)
}

/// The symbols that tell where the jump table is.
fn table_symbols(module: Option<&str>) -> Vec<Wanted<'_>> {
    match module {
        None => vec![
            Wanted { name: "__start___jump_table", module: None },
            Wanted { name: "__stop___jump_table", module: None },
        ],
        Some(_) => vec![Wanted { name: "__this_module", module }],
    }
}

/// Reads a function's code, and its part of a jump table.
fn take(
    source: &mut dyn TextSource,
    (name, module): (&str, Option<&str>),
    (start, size): (u64, u64),
    (table, len): (u64, u64),
) -> Result<FunctionText, LiveError> {
    let arch = Arch::native().ok_or(LiveError::Arch)?;
    if size > MAX_FUNCTION {
        return Err(LiveError::Size { what: "function", size });
    }
    let code = read(source, start, size)?;
    if len > MAX_TABLE {
        return Err(LiveError::Size { what: "jump table", size: len });
    }
    let jump_sites = jump_sites(&read(source, table, len)?, table, start, size);
    let keys: Vec<u64> = jump_sites.iter().map(|(_, key)| *key).collect();
    let names = if keys.is_empty() { BTreeMap::new() } else { nearest(&keys)? };
    // code in front of a variable says that variables are not among the symbols
    let key = |key: &u64| names.get(key).filter(|near| !near.text).map(in_module(module));
    let jump_sites = jump_sites
        .into_iter()
        .map(|(site, address)| JumpSite { key: key(&address), ..site })
        .collect();
    let mut text = FunctionText {
        name: name.to_owned(),
        arch,
        code,
        relocations: BTreeMap::new(),
        neighbours: BTreeMap::new(),
        jump_sites,
        patched: Vec::new(),
    };
    name_neighbours(&mut text, start)?;
    Ok(text)
}

fn read(source: &mut dyn TextSource, address: u64, len: u64) -> Result<Vec<u8>, LiveError> {
    source.read(address, len as usize).map_err(|source| LiveError::Read { address, source })
}

/// Address and length in bytes of a module's jump table, from its `struct module`.
fn module_table(
    source: &mut dyn TextSource,
    this_module: u64,
    btf: Option<&Btf>,
) -> Result<(u64, u64), LiveError> {
    let member =
        |name| btf.and_then(|btf| btf.offset("module", name)).ok_or(LiveError::ModuleLayout);
    let (entries, count) = (member("jump_entries")?, member("num_jump_entries")?);
    let mut number = |offset: u32, len: u64| -> Result<u64, LiveError> {
        let bytes = read(source, this_module + u64::from(offset), len)?;
        let mut word = [0; 8];
        word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok(u64::from_le_bytes(word))
    };
    Ok((number(entries, 8)?, number(count, 4)? * ENTRY as u64))
}

/// The entries of a jump table that lie in a function. Each is s32 code, s32 target, s64 key, every one
/// relative to its own address. With the address of its key, whose two lowest bits are flags.
pub fn jump_sites(table: &[u8], table_address: u64, start: u64, size: u64) -> Vec<(JumpSite, u64)> {
    let mut out: Vec<(JumpSite, u64)> = table
        .chunks_exact(ENTRY)
        .enumerate()
        .filter_map(|(n, entry)| {
            let at = table_address + (n * ENTRY) as u64;
            let (code, target) = entry.get(..8)?.split_at(4);
            let relative =
                |bytes: &[u8]| Some(i64::from(i32::from_le_bytes(bytes.try_into().ok()?)));
            let site = at.wrapping_add_signed(relative(code)?).wrapping_sub(start);
            let target = (at + 4).wrapping_add_signed(relative(target)?).wrapping_sub(start);
            let key = i64::from_le_bytes(entry.get(8..)?.try_into().ok()?);
            let key = (at + 8).wrapping_add_signed(key) & !3;
            let found = JumpSite { offset: site as u32, target: target as i64, key: None };
            (site < size).then_some((found, key))
        })
        .collect();
    out.sort_by_key(|(site, _)| site.offset);
    out
}

/// A key as its module's file names it.
fn in_module(module: Option<&str>) -> impl Fn(&Near) -> String {
    move |near| {
        let own = near.module.as_deref() == module;
        let module = near.module.clone().filter(|_| !own);
        Near { module, ..near.clone() }.to_string()
    }
}

/// Names everything outside the function that its code goes to.
fn name_neighbours(text: &mut FunctionText, start: u64) -> Result<(), LiveError> {
    // Code that cannot be decoded is the locator's to refuse.
    let Ok(code) = text.arch.decode(&text.code, |_, _| false) else { return Ok(()) };
    let len = text.code.len() as i64;
    let outside: Vec<i64> = code
        .iter()
        .filter_map(|ins| match ins.flow {
            Flow::Branch { target, .. } | Flow::Jump { target } => Some(target),
            Flow::Call { target } => target,
            _ => None,
        })
        .filter(|target| !(0..len).contains(target))
        .collect();
    let address = |target: i64| start.wrapping_add_signed(target);
    let mut names = Names::new();
    names.learn(&outside.iter().map(|target| address(*target)).collect::<Vec<_>>())?;
    for target in outside {
        // Only a function's first byte has its name.
        if let Some(found) = names.cached(address(target)).filter(|found| found.offset == 0) {
            text.neighbours.insert(target, found.name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_entries_are_relative_to_their_own_places() {
        let (table, start) = (0x1000u64, 0x2000u64);
        let mut bytes = vec![0; ENTRY];
        // The second entry: code at start + 0x10, target at start - 8.
        let second = table + ENTRY as u64;
        bytes.extend_from_slice(&((start + 0x10 - second) as i32).to_le_bytes());
        bytes.extend_from_slice(&((start - 8 - (second + 4)) as i32).to_le_bytes());
        bytes.extend_from_slice(&0x101u64.to_le_bytes());
        let sites = jump_sites(&bytes, table, start, 0x40);
        assert_eq!(sites, [(JumpSite { offset: 0x10, target: -8, key: None }, second + 0x108)]);
    }
}
