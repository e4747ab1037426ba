//! Module files are stored plain or compressed with xz, zstd or gzip.

use std::io::Read;
use std::path::Path;

use super::xz;

/// Larger than any kernel module: a bound for what a damaged or hostile file can make of itself.
const MAX: usize = 256 << 20;

/// Decompresses a module file by the first bytes of its content.
pub(super) fn decompress(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match bytes.as_slice() {
        [0xfd, b'7', b'z', b'X', ..] => out = xz::decompress(&bytes, MAX).map_err(damaged)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder =
                ruzstd::decoding::StreamingDecoder::new(bytes.as_slice()).map_err(damaged)?;
            decoder.take(MAX as u64).read_to_end(&mut out)?;
        }
        [0x1f, 0x8b, ..] => {
            flate2::read::GzDecoder::new(bytes.as_slice())
                .take(MAX as u64)
                .read_to_end(&mut out)?;
        }
        _ => return Ok(bytes),
    }
    Ok(out)
}

fn damaged(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string())
}

/// Whether a file name is that of the module `name` (`nf_tables.ko.xz`); `-` and `_` are the same.
pub(super) fn is_module(path: &Path, name: &str) -> bool {
    let Some(file) = path.file_name().and_then(|f| f.to_str()) else { return false };
    let Some((stem, suffix)) = file.split_once(".ko") else { return false };
    let same = |(a, b): (u8, u8)| a == b || matches!((a, b), (b'-', b'_') | (b'_', b'-'));
    matches!(suffix, "" | ".xz" | ".zst" | ".gz")
        && stem.len() == name.len()
        && stem.bytes().zip(name.bytes()).all(same)
}
