//! What a function's code refers to in its file, by name and offset: for people, who want to read
//! `nft_trace_enabled+0x4`. The analysis has the bare symbols of [`super::function`].

use std::collections::BTreeMap;

use super::elf::{Elf, Symbol};
use super::function::{FunctionError, STT_FUNC, find};
use crate::isa::Arch;

/// A relocated field's symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Symbol or section, with an offset if it is not 0.
    pub name: String,
    /// Bytes of the field.
    pub len: u8,
}

/// Relocations that are relative to their own place (`arch/x86/include/asm/elf.h`): `R_X86_64_PC64`,
/// `R_X86_64_PC32`, `R_X86_64_PLT32`.
const RELATIVE: [u32; 3] = [24, 2, 4];
/// Those of eight bytes: `R_X86_64_64`, `R_X86_64_PC64`.
const LONG: [u32; 2] = [1, 24];

/// All relocations in a function, by their offset in it. `end` tells where the instruction ends that has the
/// byte at an offset: x86 counts distances from there.
pub fn references(
    elf: &Elf,
    name: &str,
    end: impl Fn(u32) -> u32,
) -> Result<BTreeMap<u32, Reference>, FunctionError> {
    let symbols = elf.symbols()?;
    let function = find(elf, &symbols, name)?;
    let mut out = BTreeMap::new();
    for rela in elf.relocations(usize::from(function.section))? {
        let at = rela.offset.checked_sub(function.value).filter(|at| *at < function.size);
        let Some(at) = at.and_then(|at| u32::try_from(at).ok()) else { continue };
        let Some(symbol) = symbols.get(rela.symbol as usize) else { continue };
        let x86 = elf.arch == Arch::X86_64;
        let behind =
            if x86 && RELATIVE.contains(&rela.kind) { end(at).saturating_sub(at) } else { 0 };
        let offset = rela.addend.wrapping_add(i64::from(behind));
        let len = if x86 && LONG.contains(&rela.kind) { 8 } else { 4 };
        out.insert(at, Reference { name: named(elf, &symbols, symbol, offset), len });
    }
    Ok(out)
}

/// A place by its symbol; one in a section by the function that it lies in, else by the section.
fn named(elf: &Elf, symbols: &[Symbol], symbol: &Symbol, offset: i64) -> String {
    let name = elf.symbol_name(symbol);
    if !name.is_empty() {
        return with_offset(name, offset);
    }
    let at = symbol.value.wrapping_add_signed(offset);
    let function = symbols.iter().find(|s| {
        let inside = at.checked_sub(s.value).is_some_and(|at| at < s.size);
        s.kind == STT_FUNC && s.section == symbol.section && inside
    });
    match function {
        Some(s) => with_offset(elf.symbol_name(s), at.wrapping_sub(s.value) as i64),
        None => {
            let section = elf.sections.get(usize::from(symbol.section));
            with_offset(section.map_or("??", |section| elf.name(section)), at as i64)
        }
    }
}

fn with_offset(name: &str, offset: i64) -> String {
    match offset {
        0 => name.to_owned(),
        1.. => format!("{name}+{offset:#x}"),
        _ => format!("{name}-{:#x}", offset.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::with_offset;

    #[test]
    fn offsets() {
        assert_eq!(with_offset("a", 0), "a");
        assert_eq!(with_offset("a", 16), "a+0x10");
        assert_eq!(with_offset("a", -4), "a-0x4");
    }
}
