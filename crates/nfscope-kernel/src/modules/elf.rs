//! The few parts of a 64-bit little-endian ELF file that are needed: sections, symbols, relocations,
//! notes (`include/uapi/linux/elf.h`).

use crate::isa::Arch;

/// Why a file cannot be read as ELF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Not a 64-bit little-endian ELF file.
    #[error("not a 64-bit little-endian ELF file")]
    NotElf,
    /// Of a machine that is not supported.
    #[error("an ELF file for machine {0}, which nfscope does not know")]
    Machine(u16),
    /// Cut off or damaged.
    #[error("damaged ELF file: {0} lies beyond its end")]
    Truncated(&'static str),
}

/// One section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Offset of its name in the section-name table.
    name: u32,
    /// `SHT_*`.
    pub kind: u32,
    /// Address, 0 in relocatable files.
    pub address: u64,
    offset: u64,
    /// Size in bytes.
    pub size: u64,
    link: u32,
    info: u32,
}

/// One symbol.
#[derive(Debug, Clone, Copy)]
pub struct Symbol {
    name: u32,
    /// `STT_*`: 1 object, 2 function, 3 section.
    pub kind: u8,
    /// Index of its section, 0 if undefined.
    pub section: u16,
    /// Value: the offset in its section in relocatable files.
    pub value: u64,
    /// Size in bytes.
    pub size: u64,
}

/// One relocation with addend.
#[derive(Debug, Clone, Copy)]
pub struct Rela {
    /// Offset of the patched field in its section.
    pub offset: u64,
    /// Index of the symbol.
    pub symbol: u32,
    /// `R_*` type.
    pub kind: u32,
    /// Addend.
    pub addend: i64,
}

const SHT_SYMTAB: u32 = 2;
const SHT_RELA: u32 = 4;
const SHT_NOBITS: u32 = 8;

/// A parsed file; borrows its bytes.
#[derive(Debug)]
pub struct Elf<'a> {
    bytes: &'a [u8],
    /// The instruction set it holds.
    pub arch: Arch,
    /// All sections, by index.
    pub sections: Vec<Section>,
    names: Section,
    symtab: Option<Section>,
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    take(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    take(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    take(bytes, at).map(u64::from_le_bytes)
}

fn section(bytes: &[u8], at: usize) -> Option<Section> {
    Some(Section {
        name: u32_at(bytes, at)?,
        kind: u32_at(bytes, at + 4)?,
        address: u64_at(bytes, at + 16)?,
        offset: u64_at(bytes, at + 24)?,
        size: u64_at(bytes, at + 32)?,
        link: u32_at(bytes, at + 40)?,
        info: u32_at(bytes, at + 44)?,
    })
}

fn text_at(table: &[u8], at: u32) -> &str {
    let tail = table.get(at as usize..).unwrap_or_default();
    let end = tail.iter().position(|b| *b == 0).unwrap_or(tail.len());
    std::str::from_utf8(&tail[..end]).unwrap_or_default()
}

impl<'a> Elf<'a> {
    /// Reads the headers.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        if take(bytes, 0) != Some([0x7f, b'E', b'L', b'F', 2, 1]) {
            return Err(ElfError::NotElf);
        }
        let header = || ElfError::Truncated("the file header");
        let arch = match u16_at(bytes, 18).ok_or_else(header)? {
            62 => Arch::X86_64,
            183 => Arch::Aarch64,
            other => return Err(ElfError::Machine(other)),
        };
        let table = u64_at(bytes, 40).and_then(|v| usize::try_from(v).ok()).ok_or_else(header)?;
        let size = usize::from(u16_at(bytes, 58).ok_or_else(header)?);
        let count = usize::from(u16_at(bytes, 60).ok_or_else(header)?);
        let names = usize::from(u16_at(bytes, 62).ok_or_else(header)?);
        let sections: Vec<Section> = (0..count)
            .map(|n| section(bytes, table.checked_add(n.checked_mul(size)?)?))
            .collect::<Option<_>>()
            .ok_or(ElfError::Truncated("the section table"))?;
        let names = *sections.get(names).ok_or(ElfError::Truncated("the section-name table"))?;
        let symtab = sections.iter().find(|s| s.kind == SHT_SYMTAB).copied();
        Ok(Self { bytes, arch, sections, names, symtab })
    }

    /// A section's bytes; empty for one without bytes in the file.
    pub fn data(&self, section: &Section) -> Result<&'a [u8], ElfError> {
        if section.kind == SHT_NOBITS {
            return Ok(&[]);
        }
        let range = || {
            let start = usize::try_from(section.offset).ok()?;
            self.bytes.get(start..start.checked_add(usize::try_from(section.size).ok()?)?)
        };
        range().ok_or(ElfError::Truncated("a section"))
    }

    /// A section's name.
    pub fn name(&self, section: &Section) -> &'a str {
        self.data(&self.names).map_or("", |table| text_at(table, section.name))
    }

    /// The section of this name and its index.
    pub fn section(&self, name: &str) -> Option<(usize, &Section)> {
        self.sections.iter().enumerate().find(|(_, s)| self.name(s) == name)
    }

    /// All symbols, by index.
    pub fn symbols(&self) -> Result<Vec<Symbol>, ElfError> {
        let Some(table) = self.symtab else { return Ok(Vec::new()) };
        let data = self.data(&table)?;
        let symbol = |entry: &[u8]| {
            Some(Symbol {
                name: u32_at(entry, 0)?,
                kind: entry.get(4)? & 0xf,
                section: u16_at(entry, 6)?,
                value: u64_at(entry, 8)?,
                size: u64_at(entry, 16)?,
            })
        };
        data.chunks_exact(24).map(|e| symbol(e).ok_or(ElfError::Truncated("a symbol"))).collect()
    }

    /// A symbol's name.
    pub fn symbol_name(&self, symbol: &Symbol) -> &'a str {
        let strings = self.symtab.and_then(|table| self.sections.get(table.link as usize));
        strings.and_then(|s| self.data(s).ok()).map_or("", |table| text_at(table, symbol.name))
    }

    /// The relocations that apply to the section with this index.
    pub fn relocations(&self, section: usize) -> Result<Vec<Rela>, ElfError> {
        let mut out = Vec::new();
        for table in
            self.sections.iter().filter(|s| s.kind == SHT_RELA && s.info as usize == section)
        {
            for entry in self.data(table)?.chunks_exact(24) {
                let rela = || {
                    let info = u64_at(entry, 8)?;
                    Some(Rela {
                        offset: u64_at(entry, 0)?,
                        symbol: (info >> 32) as u32,
                        kind: info as u32,
                        addend: u64_at(entry, 16)? as i64,
                    })
                };
                out.push(rela().ok_or(ElfError::Truncated("a relocation"))?);
            }
        }
        Ok(out)
    }

    /// The build id in `.note.gnu.build-id`.
    pub fn build_id(&self) -> Option<&'a [u8]> {
        let (_, section) = self.section(".note.gnu.build-id")?;
        build_id_of_note(self.data(section).ok()?)
    }
}

/// The descriptor of a `GNU` note of type 3, as in `/sys/module/NAME/notes/.note.gnu.build-id`.
pub fn build_id_of_note(note: &[u8]) -> Option<&[u8]> {
    let (name, desc, kind) = (u32_at(note, 0)?, u32_at(note, 4)?, u32_at(note, 8)?);
    if kind != 3 || note.get(12..16)? != b"GNU\0" || name != 4 {
        return None;
    }
    note.get(16..16usize.checked_add(desc as usize)?)
}
