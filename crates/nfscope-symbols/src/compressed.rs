//! Sections that are stored compressed (`SHF_COMPRESSED`, and the older `.zdebug_…`).

use std::io::Read;
use std::path::Path;

use object::{CompressionFormat, ObjectSection};

use crate::{ObjectError, Store};

/// More than any kernel's debug information has: a bound for what a damaged or hostile file can make of
/// itself.
const MAX: u64 = 4 << 30;

/// A section's bytes, decompressed if they have to be.
pub(crate) fn data<'a>(
    store: &'a Store,
    section: &object::Section<'a, '_>,
    path: &Path,
) -> Result<&'a [u8], ObjectError> {
    let wrong = |e: &dyn std::fmt::Display| {
        let name = section.name().unwrap_or_default();
        ObjectError::format(path, format_args!("section {name}: {e}"))
    };
    let raw = section.compressed_data().map_err(|e| wrong(&e))?;
    let mut out = Vec::new();
    // The size that the file tells is not believed: what comes out decides.
    let result = match raw.format {
        CompressionFormat::None => return Ok(raw.data),
        CompressionFormat::Zlib => {
            flate2::read::ZlibDecoder::new(raw.data).take(MAX).read_to_end(&mut out)
        }
        CompressionFormat::Zstandard => ruzstd::decoding::StreamingDecoder::new(raw.data)
            .map_err(std::io::Error::other)
            .and_then(|decoder| decoder.take(MAX).read_to_end(&mut out)),
        _ => return Err(wrong(&"compressed in a way nfscope does not know")),
    };
    result.map_err(|e| wrong(&e))?;
    if out.len() as u64 != raw.uncompressed_size {
        return Err(wrong(&"its decompressed size is not what the file says"));
    }
    Ok(store.keep(out))
}
