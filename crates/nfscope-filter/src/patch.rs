//! Puts a filter into a compiled BPF object, in place of a stub's body.
//!
//! ```text
//! .text    stub + 0        the filter
//!          stub + its end  what the compiler left there, never loaded
//! .symtab  stub            st_size: the filter's length instead of the stub's
//! ```
//!
//! libbpf (0.2 and later) loads of an executable section what its function symbols
//! cover, and of the line information in `.BTF.ext` what lies in a function; so
//! the rest of the stub costs nothing, and no other offset in the object changes.

use object::elf::{EM_BPF, FileHeader64, SHT_SYMTAB, STT_FUNC, Sym64};
use object::read::elf::{FileHeader, Rel, SectionHeader, SectionTable, Sym};
use object::{LittleEndian, SectionIndex};

use crate::ebpf::{INSN_BYTES, Insn};
use crate::error::PatchError;

type Header = FileHeader64<LittleEndian>;
const ENDIAN: LittleEndian = LittleEndian;

/// `offsetof(Elf64_Sym, st_size)`, `elf.h`.
const ST_SIZE: usize = 16;

/// What [`patch`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patched {
    /// Functions of the stub's name that were found and filled.
    pub stubs: usize,
    /// Instructions that the smallest of them can take.
    pub capacity: usize,
}

/// Where a stub is in the object's bytes.
struct Stub {
    /// Its first instruction.
    body: usize,
    /// How many it has.
    insns: usize,
    /// Its length in the symbol table, 8 bytes.
    size: usize,
}

/// Writes `insns` into every function named `stub_symbol` of a little-endian BPF
/// object, in memory. On error the object is unchanged. A patched object has no
/// room for a longer filter: begin with the compiler's own each time.
pub fn patch(elf: &mut [u8], stub_symbol: &str, insns: &[Insn]) -> Result<Patched, PatchError> {
    let stubs = find(elf, stub_symbol)?;
    let capacity = stubs.iter().map(|stub| stub.insns).min().unwrap_or(0);
    if insns.len() > capacity {
        return Err(PatchError::TooLong { needed: insns.len(), available: capacity });
    }
    let body: Vec<u8> = insns.iter().flat_map(|insn| insn.to_bytes()).collect();
    for stub in &stubs {
        write(elf, stub.body, &body);
        write(elf, stub.size, &(body.len() as u64).to_le_bytes());
    }
    Ok(Patched { stubs: stubs.len(), capacity })
}

/// Both places were found by reading them: they are inside the object.
fn write(elf: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = elf.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn wrong(what: &str) -> PatchError {
    PatchError::Object(what.to_string())
}

fn damaged(error: object::read::Error) -> PatchError {
    PatchError::Object(format!("it is damaged: {error}"))
}

fn find(elf: &[u8], name: &str) -> Result<Vec<Stub>, PatchError> {
    let header = Header::parse(elf).map_err(|_| wrong("it is not a 64-bit ELF file"))?;
    if !header.is_little_endian() {
        return Err(wrong("it is not little-endian"));
    }
    if header.e_machine(ENDIAN) != EM_BPF {
        return Err(wrong("it is not for BPF"));
    }
    let sections = header.sections(ENDIAN, elf).map_err(damaged)?;
    let symbols = sections.symbols(ENDIAN, elf, SHT_SYMTAB).map_err(damaged)?;
    let table = sections.section(symbols.section()).map_err(|_| wrong("it has no symbols"))?;
    let mut stubs = Vec::new();
    for (index, symbol) in symbols.enumerate() {
        if symbol.st_type() != STT_FUNC {
            continue;
        }
        let found = symbol.name(ENDIAN, symbols.strings()).unwrap_or_default();
        match found.strip_prefix(name.as_bytes()) {
            Some([]) => {}
            Some([b'.', ..]) => return Err(wrong("the compiler made a variant of the stub")),
            _ => continue,
        }
        let section = symbols
            .symbol_section(ENDIAN, symbol, index)
            .map_err(damaged)?
            .ok_or_else(|| wrong("the stub is in no section"))?;
        let (body, insns) = place(elf, &sections, section, symbol)?;
        let size = table.sh_offset(ENDIAN) as usize + index.0 * size_of_val(symbol) + ST_SIZE;
        stubs.push(Stub { body, insns, size });
    }
    if stubs.is_empty() {
        return Err(PatchError::NoStub(name.to_string()));
    }
    Ok(stubs)
}

/// Where a function's first instruction is in the file, and how many it has.
fn place(
    elf: &[u8],
    sections: &SectionTable<'_, Header>,
    section: SectionIndex,
    symbol: &Sym64<LittleEndian>,
) -> Result<(usize, usize), PatchError> {
    let outside = || wrong("the stub lies outside its section");
    let header = sections.section(section).map_err(damaged)?;
    let data = header.data(ENDIAN, elf).map_err(damaged)?;
    let (start, size) = (symbol.st_value(ENDIAN), symbol.st_size(ENDIAN));
    let end = start.checked_add(size).ok_or_else(outside)?;
    let whole = |n: u64| n.is_multiple_of(INSN_BYTES as u64);
    if !whole(start) || !whole(size) || end > data.len() as u64 {
        return Err(outside());
    }
    for other in sections.iter() {
        let Some((relocations, _)) = other.rel(ENDIAN, elf).map_err(damaged)? else {
            continue;
        };
        let inside = |at: u64| at >= start && at < end;
        if other.info_link(ENDIAN) == section
            && relocations.iter().any(|rel| inside(rel.r_offset(ENDIAN)))
        {
            return Err(wrong("the stub refers to other symbols"));
        }
    }
    // Inside `data`, which is inside the file: neither sum nor length overflows.
    Ok(((header.sh_offset(ENDIAN) + start) as usize, size as usize / INSN_BYTES))
}
