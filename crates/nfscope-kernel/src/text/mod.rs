//! The machine code of one function, and everything known about it: what its calls refer to, its jump
//! labels, the places the kernel itself patches.

mod dump;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::isa::{Arch, Ins};

pub use dump::DumpError;

/// One jump label (static key site) inside a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JumpSite {
    /// Byte offset of the patched instruction.
    pub offset: u32,
    /// Byte offset of the out-of-line block.
    pub target: i64,
    /// The key's symbol, where it is known.
    pub key: Option<String>,
}

/// A place the kernel rewrites or takes for itself, where no probe may sit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patched {
    /// Byte offset.
    pub offset: u32,
    /// Bytes, at least 1.
    pub len: u32,
    /// The table that says so: `.altinstructions`, `__bug_table`, …
    pub table: String,
}

/// One function's code. All offsets count from its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionText {
    /// The function's symbol.
    pub name: String,
    /// Its instruction set.
    pub arch: Arch,
    /// Its bytes.
    pub code: Vec<u8>,
    /// Relocations inside it: offset of the patched field, symbol (empty if it has no name).
    pub relocations: BTreeMap<u32, String>,
    /// Functions that it calls or jumps to without a relocation, by their offset from its start.
    pub neighbours: BTreeMap<i64, String>,
    /// Its jump labels, by offset.
    pub jump_sites: Vec<JumpSite>,
    /// Where the kernel patches it.
    pub patched: Vec<Patched>,
}

impl FunctionText {
    /// The symbol of a relocation inside a byte range.
    pub fn relocation(&self, offset: u32, len: u32) -> Option<&str> {
        let end = offset.saturating_add(len);
        self.relocations.range(offset..end).next().map(|(_, symbol)| symbol.as_str())
    }

    /// The symbol that a call or jump out of the function goes to. `target` is its decoded target.
    pub fn symbol(&self, ins: &Ins, target: Option<i64>) -> Option<&str> {
        match self.relocation(ins.offset, u32::from(ins.len)) {
            Some(symbol) => Some(symbol).filter(|s| !s.is_empty()),
            None => self.neighbours.get(&target?).map(String::as_str),
        }
    }
}

/// Reads kernel memory: `/proc/kcore`, a BPF program, a file.
pub trait TextSource {
    /// Reads `len` bytes at a kernel virtual address.
    fn read(&mut self, address: u64, len: usize) -> std::io::Result<Vec<u8>>;
}
