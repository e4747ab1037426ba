//! Puts a filter into a compiled BPF object, in place of a stub's body.
//!
//! The object's size, symbols, line information and BTF stay as they are, since
//! the body keeps its length:
//!
//! ```text
//! stub + 0           r0 = 0
//!        1           if r0 == 0 goto +unused      always taken
//!        2           r0 = 0                       `unused` times, reached only in theory
//!        2 + unused  the filter
//! ```
//!
//! A verifier refuses instructions that no path leads to, but removes for root
//! those behind a branch that it has seen never to be left, together with the
//! branch (`opt_remove_dead_code` in `kernel/bpf/verifier.c`).

use object::elf::{EM_BPF, FileHeader64, STT_FUNC};
use object::read::elf::{FileHeader, Rel, SectionHeader, Sym};
use object::{LittleEndian, SymbolIndex};

use crate::ebpf::{INSN_BYTES, Insn, op};
use crate::error::PatchError;

/// What [`patch`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patched {
    /// Functions of the stub's name that were found and filled.
    pub stubs: usize,
    /// Instructions that the smallest of them has.
    pub capacity: usize,
    /// Instructions of it that are used, with the jump over the rest.
    pub used: usize,
}

/// Bytes of the object that are a stub's body.
struct Stub {
    start: usize,
    insns: usize,
}

/// Writes `insns` into every function named `stub_symbol` of a little-endian BPF
/// object, in memory. On error the object is unchanged.
pub fn patch(elf: &mut [u8], stub_symbol: &str, insns: &[Insn]) -> Result<Patched, PatchError> {
    let stubs = find(elf, stub_symbol)?;
    let capacity = stubs.iter().map(|stub| stub.insns).min().unwrap_or(0);
    let mut used = 0;
    for stub in &stubs {
        used = fill(stub.insns, insns)?.1;
    }
    for stub in &stubs {
        let (body, _) = fill(stub.insns, insns)?;
        let end = stub.start + stub.insns * INSN_BYTES;
        if let Some(place) = elf.get_mut(stub.start..end) {
            place.copy_from_slice(&body);
        }
    }
    Ok(Patched { stubs: stubs.len(), capacity, used })
}

/// A body of `capacity` instructions that ends with the filter, and how many of
/// them are used.
fn fill(capacity: usize, insns: &[Insn]) -> Result<(Vec<u8>, usize), PatchError> {
    let clear = Insn { code: op::ALU64 | op::MOV, dst: 0, src: 0, off: 0, imm: 0 };
    let mut body = Vec::with_capacity(capacity);
    let unused = match capacity.checked_sub(insns.len()) {
        Some(0) => 0,
        Some(rest) if rest >= 2 => {
            let unused = rest - 2;
            let distance = i16::try_from(unused).map_err(|_| {
                PatchError::Object(format!("its stub is too long ({capacity} instructions)"))
            })?;
            body.push(clear);
            body.push(Insn { code: op::JMP | op::JEQ, off: distance, ..clear });
            body.extend(std::iter::repeat_n(clear, unused));
            unused
        }
        // One instruction to spare cannot be jumped over, but may just run.
        Some(_) => {
            body.push(clear);
            0
        }
        None => {
            return Err(PatchError::TooLong { needed: insns.len(), available: capacity });
        }
    };
    body.extend_from_slice(insns);
    let bytes = body.into_iter().flat_map(Insn::to_bytes).collect();
    Ok((bytes, capacity - unused))
}

fn find(elf: &[u8], name: &str) -> Result<Vec<Stub>, PatchError> {
    let wrong = |what: &str| PatchError::Object(what.to_string());
    let malformed =
        |error: object::read::Error| PatchError::Object(format!("it is damaged: {error}"));
    let header = FileHeader64::<LittleEndian>::parse(elf)
        .map_err(|_| wrong("it is not a 64-bit ELF file"))?;
    let endian = header.endian().map_err(|_| wrong("it is not little-endian"))?;
    if header.e_machine(endian) != EM_BPF {
        return Err(wrong("it is not for BPF"));
    }
    let sections = header.sections(endian, elf).map_err(malformed)?;
    let symbols = sections.symbols(endian, elf, object::elf::SHT_SYMTAB).map_err(malformed)?;
    let mut stubs = Vec::new();
    for (index, symbol) in symbols.enumerate() {
        if symbol.st_type() != STT_FUNC
            || symbol.name(endian, symbols.strings()).ok() != Some(name.as_bytes())
        {
            continue;
        }
        let index: SymbolIndex = index;
        let Some(section_index) =
            symbols.symbol_section(endian, symbol, index).map_err(malformed)?
        else {
            continue;
        };
        let section = sections.section(section_index).map_err(malformed)?;
        let (from, size) = (symbol.st_value(endian), symbol.st_size(endian));
        let data = section.data(endian, elf).map_err(malformed)?;
        let offset = section.sh_offset(endian);
        let stub = place(from, size, offset, data.len())
            .ok_or_else(|| wrong("the stub lies outside its section"))?;
        for relocated in &*sections.iter().collect::<Vec<_>>() {
            let Some((relocations, _)) = relocated.rel(endian, elf).map_err(malformed)? else {
                continue;
            };
            let inside = |at: u64| at >= from && at - from < size;
            if relocated.info_link(endian) == section_index
                && relocations.iter().any(|rel| inside(rel.r_offset(endian)))
            {
                return Err(wrong("the stub refers to other symbols"));
            }
        }
        stubs.push(stub);
    }
    if stubs.is_empty() {
        return Err(PatchError::NoStub(name.to_string()));
    }
    Ok(stubs)
}

/// The file's bytes of a function at `from` in a section at `offset`.
fn place(from: u64, size: u64, offset: u64, section_len: usize) -> Option<Stub> {
    let end = from.checked_add(size)?;
    let whole = |n: u64| n.is_multiple_of(INSN_BYTES as u64);
    if size == 0 || !whole(from) || !whole(size) || end > section_len as u64 {
        return None;
    }
    Some(Stub {
        start: usize::try_from(offset.checked_add(from)?).ok()?,
        insns: usize::try_from(size).ok()? / INSN_BYTES,
    })
}
