//! A function's cold part (`ipt_do_table.cold`), which the compiler has moved out of the function's way: put behind
//! the function as if a linker had placed it there, so that the whole can be followed. Most of the code in
//! such a part calls a checker that reports and comes back (`__ubsan_handle_shift_out_of_bounds`).

use std::collections::BTreeMap;

use super::elf::{Elf, ElfError, Symbol};
use crate::isa::{Arch, Flow};
use crate::text::{FunctionText, Patched};

/// `R_X86_64_PC32`, `R_X86_64_PLT32`: 32 bits relative to the field's own place.
const RELATIVE: [u32; 2] = [2, 4];
const STT_SECTION: u8 = 3;
/// Says of the part's bytes that no probe may sit there: they lie elsewhere.
const TABLE: &str = ".cold";

/// Adds the part to the function, whose section and place in it are given. Where that cannot be done
/// exactly the function stays as it is; who follows it then finds that it goes on elsewhere.
pub(super) fn add(
    text: &mut FunctionText,
    elf: &Elf,
    symbols: &[Symbol],
    function: &Symbol,
) -> Result<(), ElfError> {
    let name = format!("{}{TABLE}", text.name);
    let Some(cold) = symbols.iter().find(|s| s.size > 0 && elf.symbol_name(s) == name) else {
        return Ok(());
    };
    if text.arch != Arch::X86_64 {
        return Ok(());
    }
    let joined = join(text, elf, symbols, (function, cold))?;
    if let Some(joined) = joined {
        *text = joined;
    }
    Ok(())
}

fn join(
    text: &FunctionText,
    elf: &Elf,
    symbols: &[Symbol],
    (function, cold): (&Symbol, &Symbol),
) -> Result<Option<FunctionText>, ElfError> {
    let section = usize::from(cold.section);
    let Some(header) = elf.sections.get(section) else { return Ok(None) };
    let data = elf.data(header)?;
    let range = || {
        let start = usize::try_from(cold.value).ok()?;
        data.get(start..start.checked_add(usize::try_from(cold.size).ok()?)?)
    };
    let (Some(part), Ok(size)) = (range(), u32::try_from(text.code.len())) else {
        return Ok(None);
    };
    let mut out = text.clone();
    out.code.extend_from_slice(part);
    let end = i64::try_from(out.code.len()).unwrap_or(i64::MAX);
    // what the function calls behind itself must not seem to be the part
    if goes_to(text, i64::from(size)..end) {
        return Ok(None);
    }
    // from the function into the part
    let own: Vec<u32> = out
        .relocations
        .iter()
        .filter(|(_, s)| elf.symbol_name(cold) == **s)
        .map(|(at, _)| *at)
        .collect();
    for at in own {
        // a relocation against the symbol itself, or its section and the part's start
        if !link(&mut out.code, at, size) {
            return Ok(None);
        }
        out.relocations.remove(&at);
    }
    let mut names = BTreeMap::new();
    for rela in elf.relocations(section)? {
        let Some(at) = rela.offset.checked_sub(cold.value).filter(|at| *at < cold.size) else {
            continue;
        };
        let Some(at) = u32::try_from(at).ok().and_then(|at| at.checked_add(size)) else {
            return Ok(None);
        };
        let Some(symbol) = symbols.get(rela.symbol as usize) else { return Ok(None) };
        let target = symbol.value.checked_add_signed(rela.addend.saturating_add(4));
        let back = target.and_then(|target| target.checked_sub(function.value));
        match back.and_then(|back| u32::try_from(back).ok()) {
            Some(back)
                if symbol.section == function.section
                    && symbol.kind == STT_SECTION
                    && back < size
                    && RELATIVE.contains(&rela.kind) =>
            {
                if !link(&mut out.code, at, back) {
                    return Ok(None);
                }
            }
            _ => {
                names.insert(at, elf.symbol_name(symbol).to_owned());
            }
        }
    }
    out.relocations.extend(names);
    let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
    out.patched.push(Patched { offset: size, len, table: TABLE.to_owned() });
    Ok(Some(out))
}

/// Writes the distance from a 32-bit field's end to a target.
fn link(code: &mut [u8], at: u32, target: u32) -> bool {
    let Some(field) = usize::try_from(at).ok().and_then(|at| code.get_mut(at..at + 4)) else {
        return false;
    };
    let distance = i64::from(target) - i64::from(at) - 4;
    i32::try_from(distance).is_ok_and(|distance| {
        field.copy_from_slice(&distance.to_le_bytes());
        true
    })
}

/// Whether code without a relocation goes to one of these offsets.
fn goes_to(text: &FunctionText, offsets: std::ops::Range<i64>) -> bool {
    let relocated = |at, len| text.relocation(at, len).is_some();
    let Ok(all) = text.arch.decode(&text.code, relocated) else { return true };
    all.iter().any(|ins| {
        let target = match ins.flow {
            Flow::Branch { target, .. } | Flow::Jump { target } => Some(target),
            Flow::Call { target } => target,
            _ => None,
        };
        !relocated(ins.offset, u32::from(ins.len))
            && target.is_some_and(|target| offsets.contains(&target))
    })
}
