//! Module files are stored plain or compressed with xz, zstd or gzip.

use std::io::Read;
use std::path::Path;

/// Larger than any kernel module: a bound for what a damaged or hostile file can make of itself.
const MAX: u64 = 256 << 20;

/// Decompresses a module file by the first bytes of its content.
pub(super) fn decompress(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match bytes.as_slice() {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let mut limited = Limited(&mut out);
            lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut limited).map_err(damaged)?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder =
                ruzstd::decoding::StreamingDecoder::new(bytes.as_slice()).map_err(damaged)?;
            decoder.take(MAX).read_to_end(&mut out)?;
        }
        [0x1f, 0x8b, ..] => {
            flate2::read::GzDecoder::new(bytes.as_slice()).take(MAX).read_to_end(&mut out)?;
        }
        _ => return Ok(bytes),
    }
    Ok(out)
}

fn damaged(error: impl std::fmt::Debug) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{error:?}"))
}

/// Refuses to grow beyond the bound.
struct Limited<'a>(&'a mut Vec<u8>);

impl std::io::Write for Limited<'_> {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        if (self.0.len() + part.len()) as u64 > MAX {
            return Err(damaged("larger than a kernel module can be"));
        }
        self.0.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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
