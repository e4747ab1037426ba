//! Sections that are stored compressed (`SHF_COMPRESSED`, and the older `.zdebug_…`).

use std::cell::Cell;
use std::io::Read;
use std::path::Path;

use object::{CompressionFormat, ObjectSection};

use crate::{ObjectError, Store};

/// What all sections of a file together may grow to. More than any distribution's kernel has (its debug
/// information is below 600 MB): a bound for what a damaged or hostile file can make of itself.
pub(crate) const MAX: u64 = 1 << 30;

/// A section's bytes, decompressed if they have to be. `budget` is what the file may still grow by.
pub(crate) fn data<'a>(
    store: &'a Store,
    section: &object::Section<'a, '_>,
    path: &Path,
    budget: &Cell<u64>,
) -> Result<&'a [u8], ObjectError> {
    let wrong = |e: &dyn std::fmt::Display| {
        let name = section.name().unwrap_or_default();
        ObjectError::format(path, format_args!("section {name}: {e}"))
    };
    let raw = section.compressed_data().map_err(|e| wrong(&e))?;
    let mut out = Vec::new();
    // The size that the file tells is not believed, but nothing is read that goes beyond it.
    let size = raw.uncompressed_size;
    let format = raw.format;
    if format != CompressionFormat::None {
        let left = budget.get().checked_sub(size);
        let left = left.ok_or_else(|| wrong(&"larger than any kernel's: not decompressed"))?;
        budget.set(left);
    }
    let limit = size.saturating_add(1);
    let result = match format {
        CompressionFormat::None => return Ok(raw.data),
        CompressionFormat::Zlib => {
            flate2::read::ZlibDecoder::new(raw.data).take(limit).read_to_end(&mut out)
        }
        CompressionFormat::Zstandard => ruzstd::decoding::StreamingDecoder::new(raw.data)
            .map_err(std::io::Error::other)
            .and_then(|decoder| decoder.take(limit).read_to_end(&mut out)),
        _ => return Err(wrong(&"compressed in a way nfscope does not know")),
    };
    result.map_err(|e| wrong(&e))?;
    if out.len() as u64 != size {
        return Err(wrong(&"its decompressed size is not what the file says"));
    }
    Ok(store.keep(out))
}

#[cfg(test)]
mod tests {
    use object::Object as _;
    use std::process::Command;

    use super::*;

    /// A program whose debug information is compressed; `None` where the compiler cannot.
    fn fixture() -> Option<Vec<u8>> {
        let folder = std::env::temp_dir().join(format!("nfscope-gz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).ok()?;
        std::fs::write(folder.join("a.c"), "int main(void) { return 0; }\n").ok()?;
        let mut cc = Command::new("cc");
        cc.current_dir(&folder).args(["-g", "-gz=zlib", "-o", "a", "a.c"]);
        let done = cc.status().is_ok_and(|status| status.success());
        let bytes = done.then(|| std::fs::read(folder.join("a")).ok()).flatten();
        // what remains only costs space
        let _ = std::fs::remove_dir_all(&folder);
        bytes
    }

    /// What becomes of `.debug_info` if the file says that it grows by `more` than it does.
    fn inflated(mut bytes: Vec<u8>, more: i64, budget: &Cell<u64>) -> Result<usize, String> {
        let range = |bytes: &[u8]| {
            let file = object::File::parse(bytes).unwrap();
            let section = file.section_by_name(".debug_info").unwrap();
            let size = section.compressed_data().unwrap().uncompressed_size;
            (section.file_range().unwrap().0 as usize + 8, size)
        };
        let (at, size) = range(&bytes);
        let size = size.wrapping_add_signed(more);
        bytes[at..at + 8].copy_from_slice(&size.to_le_bytes());
        let store = Store::new();
        let file = object::File::parse(store.keep(bytes)).unwrap();
        let section = file.section_by_name(".debug_info").unwrap();
        let data = data(&store, &section, Path::new("a"), budget);
        data.map(<[u8]>::len).map_err(|e| e.to_string())
    }

    #[test]
    fn no_more_than_told_and_no_more_than_the_budget() {
        let Some(bytes) = fixture() else {
            return eprintln!("skipped: there is no C compiler (cc) that compresses sections");
        };
        let told = |more, budget| inflated(bytes.clone(), more, &Cell::new(budget));
        let size = told(0, MAX).unwrap() as u64;
        for more in [-1, 1, -(size as i64)] {
            assert!(told(more, MAX).unwrap_err().contains("not what the file says"), "{more}");
        }
        for more in [MAX as i64, -1 - size as i64] {
            assert!(told(more, MAX).unwrap_err().contains("larger"), "{more}");
        }
        let budget = Cell::new(2 * size - 1);
        assert!(inflated(bytes.clone(), 0, &budget).is_ok());
        assert!(inflated(bytes.clone(), 0, &budget).unwrap_err().contains("larger"), "the sum");
    }
}
