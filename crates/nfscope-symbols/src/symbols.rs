//! A file's code symbols, by address and by name.

use std::collections::HashMap;

use object::{Object as _, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

use crate::object::Object;

/// One code symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address in the file.
    pub address: u64,
    /// Its size as the file tells; 0 if it does not.
    pub size: u64,
    /// Where the next symbol starts, or its section ends.
    pub end: u64,
    /// Whether its end is its section's: in memory another section's symbol may follow elsewhere.
    last: bool,
    rank: u8,
}

impl Symbol<'_> {
    /// Whether a size that a kernel printed is this symbol's. The kernel knows only where the next symbol
    /// starts (`kernel/kallsyms.c`): behind a section's last one that is in the section that follows in
    /// memory, which the file does not tell.
    pub fn has_size(&self, size: u64) -> bool {
        size == self.end.wrapping_sub(self.address)
            || (self.size != 0 && size == self.size)
            || (self.last && size >= self.size)
    }
}

/// All code symbols of a file.
#[derive(Debug, Default)]
pub struct Symbols<'a> {
    /// By address; of several at one address, the most useful name first.
    all: Vec<Symbol<'a>>,
    names: HashMap<&'a str, Vec<u32>>,
}

impl<'a> Symbols<'a> {
    /// Reads them: from the symbol table, or the dynamic one where that is all there is.
    pub fn read(object: &Object<'a>) -> Self {
        let file = object.file();
        let mut code: Vec<Option<u64>> = Vec::new();
        for section in file.sections() {
            let index = section.index().0;
            code.resize(code.len().max(index + 1), None);
            if let SectionFlags::Elf { sh_flags, .. } = section.flags()
                && sh_flags.contains(elf::SHF_EXECINSTR)
            {
                let start = section.address().wrapping_add(object.base(index));
                code[index] = Some(start.saturating_add(section.size()));
            }
        }
        let mut all = Vec::new();
        let mut add = |symbol: &object::Symbol<'a, '_>| {
            let section = symbol.section_index().map_or(0, |section| section.0);
            let Some(Some(end)) = code.get(section) else { return };
            let Some((name, rank)) = name_and_rank(symbol) else { return };
            let address = symbol.address().wrapping_add(object.base(section));
            all.push(Symbol { name, address, size: symbol.size(), end: *end, last: false, rank });
        };
        file.symbols().for_each(|symbol| add(&symbol));
        file.dynamic_symbols().for_each(|symbol| add(&symbol));
        all.sort_unstable_by(|a, b| {
            (a.address, a.rank, a.name, a.size).cmp(&(b.address, b.rank, b.name, b.size))
        });
        // a symbol that both tables have is one
        all.dedup_by(|a, b| (a.address, a.name) == (b.address, b.name));
        // each ends where the next higher address begins, at its section's end at the latest
        let mut next: Option<(u64, u64, bool)> = None;
        for symbol in all.iter_mut().rev() {
            match next {
                Some((address, end, last)) if address == symbol.address => {
                    (symbol.end, symbol.last) = (end, last);
                }
                _ => {
                    let behind = next.map_or(u64::MAX, |(address, ..)| address);
                    symbol.last = symbol.end <= behind;
                    symbol.end = symbol.end.min(behind);
                    next = Some((symbol.address, symbol.end, symbol.last));
                }
            }
        }
        Self { all, names: HashMap::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Symbol<'a>> {
        self.all.iter()
    }

    /// The symbol that an address lies in, or that is nearest in front of it in its section.
    pub fn at(&self, address: u64) -> Option<&Symbol<'a>> {
        let behind = self.all.partition_point(|symbol| symbol.address <= address);
        let last = self.all.get(behind.checked_sub(1)?)?;
        let first = self.all.partition_point(|symbol| symbol.address < last.address);
        self.all.get(first).filter(|symbol| address < symbol.end)
    }

    /// All symbols of this name.
    pub fn named(&mut self, name: &str) -> impl Iterator<Item = &Symbol<'a>> {
        if self.names.is_empty() {
            for (n, symbol) in self.all.iter().enumerate() {
                self.names.entry(symbol.name).or_default().push(n as u32);
            }
        }
        let found = self.names.get(name).map(Vec::as_slice).unwrap_or_default();
        found.iter().filter_map(|n| self.all.get(*n as usize))
    }
}

/// The symbol's name, and how useful it is: lower is better. `None` for what names no code.
fn name_and_rank<'a>(symbol: &object::Symbol<'a, '_>) -> Option<(&'a str, u8)> {
    let name = symbol.name().ok().filter(|name| !name.is_empty())?;
    // arm64's mapping symbols ($x, $d) and the assembler's own labels
    if name.starts_with('$') || name.starts_with(".L") {
        return None;
    }
    let kind = match symbol.kind() {
        SymbolKind::Text => 0,
        // labels of assembly code have no type
        SymbolKind::Unknown | SymbolKind::Label => 4,
        _ => return None,
    };
    // position-independent aliases, and the padding in front of a function
    let alias = if name.starts_with("__pi_") || name.starts_with("__pfx_") { 2 } else { 0 };
    Some((name, kind + alias + u8::from(symbol.size() == 0)))
}
