//! One function out of a module file, with its calls, jump labels and patched places.

use std::collections::BTreeMap;

use super::cold;
use super::elf::{Elf, ElfError, Rela, Symbol};
use crate::isa::Arch;
use crate::text::{FunctionText, JumpSite, Patched};

/// Why a function cannot be taken from a module file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The file is damaged.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// No such function symbol.
    #[error("the file has no function {0}")]
    Missing(String),
    /// The symbol's bytes are not in its section.
    #[error("the symbol {0} lies outside its section")]
    Outside(String),
}

const STT_OBJECT: u8 = 1;
pub(super) const STT_FUNC: u8 = 2;

/// Tables of places that the kernel patches or takes for itself, and their entries' size in bytes.
const TABLES: [&str; 11] = [
    ".altinstructions",
    ".static_call_sites",
    ".retpoline_sites",
    ".return_sites",
    ".call_sites",
    ".smp_locks",
    ".ibt_endbr_seal",
    "__bug_table",
    "__ex_table",
    "__mcount_loc",
    "__patchable_function_entries",
];

struct File<'a> {
    elf: &'a Elf<'a>,
    symbols: Vec<Symbol>,
    /// Index of the function's section.
    section: usize,
    start: u64,
    size: u64,
}

/// Takes the function `name` out of a relocatable file, with its cold part behind it.
pub fn function(elf: &Elf, name: &str) -> Result<FunctionText, FunctionError> {
    let symbols = elf.symbols()?;
    let symbol = find(elf, &symbols, name)?;
    let mut text = take(elf, symbols.clone(), &symbol)?;
    cold::add(&mut text, elf, &symbols, &symbol)?;
    Ok(text)
}

/// Takes the function `name` out of a relocatable file as it lies there.
pub fn function_in_place(elf: &Elf, name: &str) -> Result<FunctionText, FunctionError> {
    let symbols = elf.symbols()?;
    let symbol = find(elf, &symbols, name)?;
    take(elf, symbols, &symbol)
}

/// The symbol of a function.
pub(super) fn find(elf: &Elf, symbols: &[Symbol], name: &str) -> Result<Symbol, FunctionError> {
    symbols
        .iter()
        .find(|s| s.kind == STT_FUNC && s.section != 0 && s.size > 0 && elf.symbol_name(s) == name)
        .copied()
        .ok_or_else(|| FunctionError::Missing(name.to_owned()))
}

fn take(elf: &Elf, symbols: Vec<Symbol>, symbol: &Symbol) -> Result<FunctionText, FunctionError> {
    let name = elf.symbol_name(symbol);
    let section = usize::from(symbol.section);
    let outside = || FunctionError::Outside(name.to_owned());
    let header = elf.sections.get(section).ok_or_else(outside)?;
    let range = || {
        let start = usize::try_from(symbol.value).ok()?;
        elf.data(header).ok()?.get(start..start.checked_add(usize::try_from(symbol.size).ok()?)?)
    };
    let code = range().ok_or_else(outside)?.to_vec();
    let file = File { elf, symbols, section, start: symbol.value, size: symbol.size };
    Ok(FunctionText {
        name: name.to_owned(),
        arch: elf.arch,
        code,
        relocations: file.relocations()?,
        neighbours: file.neighbours(),
        jump_sites: file.jump_sites()?,
        patched: file.patched()?,
    })
}

impl File<'_> {
    /// Offset from the function's start of an address in its section, if inside the function.
    fn inside(&self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.start)?;
        (offset < self.size).then(|| u32::try_from(offset).ok()).flatten()
    }

    /// The address in the function's section that a relocation refers to.
    fn in_section(&self, rela: &Rela) -> Option<u64> {
        let symbol = self.symbols.get(rela.symbol as usize)?;
        if usize::from(symbol.section) != self.section {
            return None;
        }
        symbol.value.checked_add_signed(rela.addend)
    }

    /// The name of what lies at an address of a section.
    fn named(&self, section: u16, address: u64) -> Option<&str> {
        let found = self.symbols.iter().find(|s| {
            s.section == section && s.value == address && matches!(s.kind, STT_FUNC | STT_OBJECT)
        })?;
        Some(self.elf.symbol_name(found))
    }

    fn relocations(&self) -> Result<BTreeMap<u32, String>, FunctionError> {
        let mut out = BTreeMap::new();
        for rela in self.elf.relocations(self.section)? {
            let Some(offset) = self.inside(rela.offset) else { continue };
            let symbol = self.symbols.get(rela.symbol as usize);
            let name = symbol.map_or("", |s| self.elf.symbol_name(s));
            // Against a section the addend says which symbol is meant; x86 counts from the field's end.
            let bias = if self.elf.arch == Arch::X86_64 { 4 } else { 0 };
            let name = match symbol {
                Some(s) if name.is_empty() => (s.value.checked_add_signed(rela.addend + bias))
                    .and_then(|address| self.named(s.section, address))
                    .unwrap_or_default(),
                _ => name,
            };
            out.insert(offset, name.to_owned());
        }
        Ok(out)
    }

    fn neighbours(&self) -> BTreeMap<i64, String> {
        self.symbols
            .iter()
            .filter(|s| s.kind == STT_FUNC && usize::from(s.section) == self.section)
            .map(|s| (s.value.wrapping_sub(self.start) as i64, self.elf.symbol_name(s).to_owned()))
            .collect()
    }

    /// `struct jump_entry` (`include/linux/jump_label.h`): s32 code, s32 target, long key, each relative
    /// to its own place and so each with a relocation. Bits 0 and 1 of the key are flags.
    fn jump_sites(&self) -> Result<Vec<JumpSite>, FunctionError> {
        let Some((table, _)) = self.elf.section("__jump_table") else { return Ok(Vec::new()) };
        let relas = self.elf.relocations(table)?;
        let by_offset: BTreeMap<u64, &Rela> = relas.iter().map(|r| (r.offset, r)).collect();
        let mut out = Vec::new();
        for (offset, code) in by_offset.iter().filter(|(offset, _)| *offset % 16 == 0) {
            let Some(site) = self.in_section(code).and_then(|a| self.inside(a)) else { continue };
            let target = by_offset.get(&(offset + 4)).and_then(|r| self.in_section(r));
            let Some(target) = target else { continue };
            out.push(JumpSite {
                offset: site,
                target: target.wrapping_sub(self.start) as i64,
                key: by_offset.get(&(offset + 8)).and_then(|r| self.key(r)),
            });
        }
        out.sort_by_key(|site| site.offset);
        Ok(out)
    }

    fn key(&self, rela: &Rela) -> Option<String> {
        let symbol = self.symbols.get(rela.symbol as usize)?;
        let name = self.elf.symbol_name(symbol);
        if !name.is_empty() {
            return Some(name.to_owned());
        }
        let address = symbol.value.checked_add_signed(rela.addend & !3)?;
        self.named(symbol.section, address).map(str::to_owned)
    }

    fn patched(&self) -> Result<Vec<Patched>, FunctionError> {
        let mut out = Vec::new();
        for name in TABLES {
            let Some((index, section)) = self.elf.section(name) else { continue };
            let data = self.elf.data(section)?;
            for rela in self.elf.relocations(index)? {
                let Some(offset) = self.in_section(&rela).and_then(|a| self.inside(a)) else {
                    continue;
                };
                let len =
                    if name == ".altinstructions" { alternative_len(data, rela.offset) } else { 1 };
                out.push(Patched { offset, len, table: name.to_owned() });
            }
        }
        out.sort_by(|a, b| (a.offset, &a.table).cmp(&(b.offset, &b.table)));
        out.dedup();
        Ok(out)
    }
}

/// Bytes that an alternative may rewrite. `struct alt_instr` (`arch/x86/include/asm/alternative.h`, and
/// arm64's) starts with two s32 addresses; where the length byte stands has moved over the years, so the
/// largest length that an entry could mean is taken: the function's bytes behind are then kept free too.
fn alternative_len(data: &[u8], at: u64) -> u32 {
    let tail =
        usize::try_from(at).ok().and_then(|at| data.get(at + 8..at + 14)).unwrap_or_default();
    tail.iter().copied().filter(|b| *b <= 32).max().map_or(32, |len| u32::from(len.max(1)))
}
