//! A reader of `.xz` files as the kernel's build makes them: one LZMA2 filter, decoded straight into the
//! output (`Documentation/staging/xz.rst`; xz-file-format 1.0.4).
//!
//! Of all that happens before nfscope watches, decompressing the module file takes longest. The decoders
//! that were at hand keep a window beside the output and take twice the instructions of this one.
//!
//! ```text
//! stream  fd 37 7a 58 5a 00 | 0, check type | crc32 | blocks | index, footer (not looked at)
//! block   size/4-1 | flags: filters-1, 0x40 packed size, 0x80 size | [sizes] | filters | padding | crc32
//!         | LZMA2 chunks | padding to 4 | check
//! ```

mod lzma;

use lzma::Decoder;

/// The first bytes of an `.xz` file.
pub(super) const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Why a file cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XzError {
    /// The file ends early.
    #[error("the xz file is cut off")]
    Truncated,
    /// Something contradicts the format.
    #[error("the xz file is damaged: {0}")]
    Damaged(&'static str),
    /// A filter other than LZMA2.
    #[error("the xz file uses filter {0:#x}, which nfscope does not know")]
    Filter(u64),
    /// It would decompress to more than the caller accepts.
    #[error("the xz file holds more than {0} bytes")]
    TooLarge(usize),
}

/// LZMA2, the only filter known here.
const LZMA2: u64 = 0x21;

/// Bytes of a block's check, by type: none, CRC32, CRC64, SHA-256 (other numbers are reserved).
const CHECK_SIZE: [usize; 16] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], XzError> {
        let end = self.at.checked_add(len).ok_or(XzError::Truncated)?;
        let part = self.bytes.get(self.at..end).ok_or(XzError::Truncated)?;
        self.at = end;
        Ok(part)
    }

    fn byte(&mut self) -> Result<u8, XzError> {
        self.take(1).map(|part| part[0])
    }

    fn be16(&mut self) -> Result<usize, XzError> {
        let part = self.take(2)?;
        Ok(usize::from(part[0]) << 8 | usize::from(part[1]))
    }

    /// A number of seven bits a byte, low bits first.
    fn number(&mut self) -> Result<u64, XzError> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(XzError::Damaged("a number is too long"))
    }
}

/// Decompresses the first stream of a file, to at most `max` bytes.
pub fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, XzError> {
    let mut input = Input { bytes, at: 0 };
    if input.take(6)? != MAGIC {
        return Err(XzError::Damaged("no xz header"));
    }
    let flags = input.take(2)?;
    let check = usize::from(flags[1] & 0xf);
    input.take(4)?;
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(6).min(max));
    loop {
        let start = input.at;
        let size = usize::from(input.byte()?);
        if size == 0 {
            // The index: no more blocks.
            return Ok(out);
        }
        block_header(&mut input)?;
        input.at = start;
        input.take((size + 1) * 4)?;
        let first = out.len();
        chunks(&mut input, &mut out, max)?;
        let padding = (4 - (input.at - start) % 4) % 4;
        input.take(padding)?;
        let sum = input.take(CHECK_SIZE[check])?;
        // The kernel's own files carry CRC32; other checks are left to the build id behind this.
        if check == 1 && sum != crc32(&out[first..]).to_le_bytes() {
            return Err(XzError::Damaged("its checksum differs"));
        }
    }
}

/// Checks that a block has no filter but LZMA2.
fn block_header(input: &mut Input) -> Result<(), XzError> {
    let flags = input.byte()?;
    for flag in [0x40, 0x80] {
        if flags & flag != 0 {
            input.number()?;
        }
    }
    let filter = input.number()?;
    if flags & 3 != 0 || filter != LZMA2 {
        return Err(XzError::Filter(filter));
    }
    Ok(())
}

/// Decodes LZMA2 chunks up to their end mark.
fn chunks(input: &mut Input, out: &mut Vec<u8>, max: usize) -> Result<(), XzError> {
    let mut decoder = Decoder::new();
    let mut window = out.len();
    loop {
        let control = input.byte()?;
        match control {
            0 => return Ok(()),
            1 | 2 => {
                if control == 1 {
                    window = out.len();
                }
                let len = input.be16()? + 1;
                if out.len() + len > max {
                    return Err(XzError::TooLarge(max));
                }
                out.extend_from_slice(input.take(len)?);
            }
            3..0x80 => return Err(XzError::Damaged("an unknown chunk")),
            _ => {
                let len = (usize::from(control & 0x1f) << 16 | input.be16()?) + 1;
                let packed = input.be16()? + 1;
                match control >> 5 & 3 {
                    0 => {}
                    1 => decoder.reset(),
                    reset => {
                        if reset == 3 {
                            window = out.len();
                        }
                        decoder.properties(input.byte()?)?;
                    }
                }
                if out.len() + len > max {
                    return Err(XzError::TooLarge(max));
                }
                decoder.chunk(input.take(packed)?, out, window, len)?;
            }
        }
    }
}

/// CRC-32 (IEEE), four bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [[0u32; 256]; 4];
    for n in 0..256u32 {
        let bit = |c: u32, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
        table[0][n as usize] = (0..8).fold(n, bit);
    }
    for n in 0..256 {
        for k in 1..4 {
            let before = table[k - 1][n];
            table[k][n] = table[0][(before & 0xff) as usize] ^ (before >> 8);
        }
    }
    let mut crc = u32::MAX;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        crc ^= u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        crc = table[3][(crc & 0xff) as usize]
            ^ table[2][(crc >> 8 & 0xff) as usize]
            ^ table[1][(crc >> 16 & 0xff) as usize]
            ^ table[0][(crc >> 24) as usize];
    }
    for byte in words.remainder() {
        crc = table[0][((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    }
    !crc
}
