//! `/proc/kcore`: kernel memory as an ELF core file (`fs/proc/kcore.c`).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use crate::text::TextSource;

const KCORE: &str = "/proc/kcore";

/// `PT_LOAD`.
const LOAD: u32 = 1;

/// Why kernel memory cannot be read this way.
#[derive(Debug, thiserror::Error)]
pub enum KCoreError {
    /// The file cannot be opened or read.
    #[error(
        "cannot read /proc/kcore: {0} (built without CONFIG_PROC_KCORE, locked down, or CAP_SYS_RAWIO is missing)"
    )]
    Read(#[from] io::Error),
    /// It is not an ELF core file.
    #[error("/proc/kcore is not a 64-bit ELF core file")]
    NotCore,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

/// Kernel memory through `/proc/kcore`.
#[derive(Debug)]
pub struct KCore {
    file: File,
    segments: Vec<Segment>,
}

impl KCore {
    /// Opens `/proc/kcore` and reads its segment table.
    pub fn open() -> Result<Self, KCoreError> {
        let file = File::open(KCORE)?;
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0)?;
        let (table, size, count) = table(&header).ok_or(KCoreError::NotCore)?;
        let mut entries = vec![0; size * count];
        file.read_exact_at(&mut entries, table)?;
        let segments = entries.chunks_exact(size).filter_map(segment).collect();
        Ok(Self { file, segments })
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Offset, entry size and number of entries of the program headers.
fn table(header: &[u8]) -> Option<(u64, usize, usize)> {
    let core = header.get(..6)? == [0x7f, b'E', b'L', b'F', 2, 1] && u16_at(header, 16)? == 4;
    let (size, count) = (usize::from(u16_at(header, 54)?), usize::from(u16_at(header, 56)?));
    (core && size >= 56).then_some((u64_at(header, 32)?, size, count))
}

fn segment(entry: &[u8]) -> Option<Segment> {
    let kind = u32::from_le_bytes(entry.get(..4)?.try_into().ok()?);
    let segment = Segment {
        offset: u64_at(entry, 8)?,
        address: u64_at(entry, 16)?,
        size: u64_at(entry, 32)?,
    };
    (kind == LOAD).then_some(segment)
}

impl TextSource for KCore {
    fn read(&mut self, address: u64, len: usize) -> io::Result<Vec<u8>> {
        let inside = |s: &&Segment| {
            address.checked_sub(s.address).is_some_and(|at| at.saturating_add(len as u64) <= s.size)
        };
        let segment = self.segments.iter().find(inside).ok_or_else(|| {
            io::Error::new(
                ErrorKind::NotFound,
                format!("no segment of /proc/kcore holds {address:#x}"),
            )
        })?;
        let mut out = vec![0; len];
        self.file.read_exact_at(&mut out, segment.offset + (address - segment.address))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_segment() {
        let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1];
        header.resize(64, 0);
        header[16] = 4;
        header[32] = 64;
        header[54] = 56;
        header[56] = 3;
        assert_eq!(table(&header), Some((64, 56, 3)));
        header[54] = 8;
        assert_eq!(table(&header), None, "entries too small to hold a segment");
        assert_eq!(table(&header[..20]), None);
        let mut entry = vec![0; 56];
        assert!(segment(&entry).is_none(), "PT_NULL");
        entry[0] = 1;
        entry[16] = 7;
        assert_eq!(segment(&entry).map(|s| s.address), Some(7));
    }
}
