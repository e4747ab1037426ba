//! One ELF file: its sections, where they are, and what it is called.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use object::{Object as _, ObjectKind, ObjectSection, SectionFlags, SectionKind, elf};

use crate::{ObjectError, Store, compressed, relocate};

/// Where the first section of a relocatable file is put. Low enough for every 32-bit relocation, not zero,
/// so that an address that was never relocated is seen to be none.
const FIRST: u64 = 0x1_0000;

/// An ELF file.
///
/// Addresses are those of the file. The sections of a relocatable file (a kernel module) all start at
/// zero; they are put behind each other, so that an address says which section it is in.
#[derive(Debug)]
pub struct Object<'a> {
    store: &'a Store,
    path: PathBuf,
    bytes: &'a [u8],
    file: object::File<'a>,
    /// What its sections may still grow to when they are decompressed.
    budget: Cell<u64>,
    /// What is added to the addresses in a section, by its index.
    bases: Vec<u64>,
}

/// A section's name and the offset in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The section.
    pub section: &'a str,
    /// Bytes from its start.
    pub offset: u64,
}

impl<'a> Object<'a> {
    /// Opens a file; a module file may be compressed.
    pub fn open(store: &'a Store, path: &Path) -> Result<Self, ObjectError> {
        Self::parse(store, path, store.open(path)?)
    }

    /// Reads a file from its bytes. `path` is only for messages.
    pub fn parse(store: &'a Store, path: &Path, bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let file = object::File::parse(bytes)
            .map_err(|e| ObjectError::format(path, format_args!("not an ELF file: {e}")))?;
        let (path, budget) = (path.to_owned(), Cell::new(compressed::MAX));
        let mut object = Self { store, path, bytes, file, budget, bases: Vec::new() };
        if object.file.kind() == ObjectKind::Relocatable {
            object.bases = object.put_sections()?;
        }
        Ok(object)
    }

    /// Gives each section that is loaded a place of its own.
    fn put_sections(&self) -> Result<Vec<u64>, ObjectError> {
        let mut bases = Vec::new();
        let mut next = FIRST;
        for section in self.file.sections() {
            let index = section.index().0;
            bases.resize(bases.len().max(index + 1), 0);
            if !is_loaded(&section) {
                continue;
            }
            let end = next
                .checked_next_multiple_of(section.align().max(1))
                .and_then(|start| Some((start, start.checked_add(section.size())?)));
            let Some((start, end)) = end.filter(|(_, end)| *end < 1 << 62) else {
                return Err(ObjectError::format(&self.path, "sections larger than any file's"));
            };
            bases[index] = start;
            // a gap, so that no section's end is the next one's start
            next = end.saturating_add(16);
        }
        Ok(bases)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its build id.
    pub fn build_id(&self) -> Option<&'a [u8]> {
        self.file.build_id().ok().flatten()
    }

    /// Name and checksum (CRC-32) of its separate debug file (`.gnu_debuglink`).
    pub fn debug_link(&self) -> Option<(&'a [u8], u32)> {
        self.file.gnu_debuglink().ok().flatten()
    }

    /// The checksum of the whole file, as a debug link tells it.
    pub fn checksum(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(self.bytes);
        sum.sum()
    }

    /// Name and build id of the file that holds what several debug files share (`.gnu_debugaltlink`).
    pub fn shared_debug_link(&self) -> Option<(&'a [u8], &'a [u8])> {
        self.file.gnu_debugaltlink().ok().flatten()
    }

    /// Whether it has debug information itself.
    pub fn has_lines(&self) -> bool {
        [".debug_info", ".zdebug_info"].iter().any(|name| {
            self.file.section_by_name(name).is_some_and(|section| {
                // a separate debug file's counterpart may keep the header alone
                section.file_range().is_some_and(|(_, size)| size > 0)
            })
        })
    }

    /// Whether its sections have no addresses yet, as a kernel module's.
    pub fn is_relocatable(&self) -> bool {
        self.file.kind() == ObjectKind::Relocatable
    }

    /// The section that an address lies in.
    pub fn place(&self, address: u64) -> Option<Place<'_>> {
        self.file.sections().filter(is_loaded).find_map(|section| {
            let start = section.address().wrapping_add(self.base(section.index().0));
            let offset = address.checked_sub(start).filter(|at| *at < section.size())?;
            Some(Place { section: self.section_name(section.index().0)?, offset })
        })
    }

    /// The address of an offset in a section.
    pub fn address_in(&self, section: &str, offset: u64) -> Option<u64> {
        let section = self.file.section_by_name(section).filter(is_loaded)?;
        let start = section.address().wrapping_add(self.base(section.index().0));
        (offset < section.size()).then(|| start.wrapping_add(offset))
    }

    /// The name of a section by its index.
    pub(crate) fn section_name(&self, index: usize) -> Option<&'a str> {
        self.file.section_by_index(object::SectionIndex(index)).ok()?.name().ok()
    }

    /// Bytes of the file at an address.
    pub fn bytes(&self, address: u64, len: u64) -> Option<&'a [u8]> {
        self.file.sections().filter(is_loaded).find_map(|section| {
            let base = self.base(section.index().0);
            section.data_range(address.wrapping_sub(base), len).ok().flatten()
        })
    }

    pub(crate) fn file(&self) -> &object::File<'a> {
        &self.file
    }

    /// What is added to the addresses in a section.
    pub(crate) fn base(&self, section: usize) -> u64 {
        self.bases.get(section).copied().unwrap_or(0)
    }

    /// A debug section's bytes: decompressed and relocated; empty if there is none.
    pub(crate) fn debug_section(&self, name: &str) -> Result<&'a [u8], ObjectError> {
        let Some(section) = self.file.section_by_name(name) else { return Ok(&[]) };
        let data = compressed::data(self.store, &section, &self.path, &self.budget)?;
        if !self.is_relocatable() {
            // vmlinux keeps its relocations beside sections that are already relocated
            return Ok(data);
        }
        relocate::apply(self.store, self, &section, data, &self.path)
    }
}

/// Whether a section is in memory when the file is used.
fn is_loaded(section: &object::Section) -> bool {
    match section.flags() {
        SectionFlags::Elf { sh_flags, .. } => sh_flags.contains(elf::SHF_ALLOC),
        _ => matches!(section.kind(), SectionKind::Text | SectionKind::Data),
    }
}
