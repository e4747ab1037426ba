//! Relocations of debug sections in relocatable files: a module's addresses, and the offsets from one
//! debug section into another, are only there once these are applied.

use std::path::Path;

use object::{
    Object as _, ObjectSection, ObjectSymbol, RelocationFlags, RelocationKind, RelocationTarget,
    elf,
};

use crate::object::Object;
use crate::{ObjectError, Store};

/// The section's bytes with all its relocations applied.
pub(crate) fn apply<'a>(
    store: &'a Store,
    object: &Object<'a>,
    section: &object::Section<'a, '_>,
    data: &'a [u8],
    path: &Path,
) -> Result<&'a [u8], ObjectError> {
    let mut out = None;
    for (offset, relocation) in section.relocations() {
        let wrong = |what: &str| {
            let name = section.name().unwrap_or_default();
            ObjectError::format(
                path,
                format_args!("section {name}: relocation at {offset:#x} {what}"),
            )
        };
        let size = match (relocation.kind(), relocation.size(), relocation.flags()) {
            (RelocationKind::Absolute, 64, _) => 8,
            (RelocationKind::Absolute, 32, _) => 4,
            (RelocationKind::None, ..)
            | (_, _, RelocationFlags::Elf { r_type: elf::R_X86_64_NONE }) => {
                continue;
            }
            _ => return Err(wrong("is of a kind that debug information has not")),
        };
        let symbol = match relocation.target() {
            RelocationTarget::Symbol(index) => {
                object.file().symbol_by_index(index).map_err(|_| wrong("names no symbol"))?
            }
            _ => return Err(wrong("names no symbol")),
        };
        let target = symbol
            .section_index()
            .map_or(0, |section| object.base(section.0))
            .wrapping_add(symbol.address());
        let bytes = out.get_or_insert_with(|| data.to_vec());
        let field = usize::try_from(offset)
            .ok()
            .and_then(|at| bytes.get_mut(at..at.checked_add(size)?))
            .ok_or_else(|| wrong("lies outside"))?;
        let mut value = relocation.addend().wrapping_add_unsigned(target);
        if relocation.has_implicit_addend() {
            let mut old = [0; 8];
            old[..size].copy_from_slice(field);
            value = value.wrapping_add(i64::from_le_bytes(old));
        }
        field.copy_from_slice(&value.to_le_bytes()[..size]);
    }
    Ok(out.map_or(data, |bytes| store.keep(bytes)))
}
