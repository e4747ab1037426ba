//! arm64, decoded for people with yaxpeax-arm. What the analysis goes by is read by the room beside this.

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction};

use super::Shown;

pub(super) fn show(code: &[u8], address: u64) -> Vec<Shown> {
    let decoder = InstDecoder::default();
    let mut out = Vec::with_capacity(code.len() / 4);
    for (n, bytes) in code.chunks(4).enumerate() {
        let offset = (n * 4) as u32;
        let Ok(word) = <[u8; 4]>::try_from(bytes).map(u32::from_le_bytes) else {
            // the end of something that is no arm64 code
            out.extend(bytes.iter().enumerate().map(|(k, byte)| Shown {
                offset: offset + k as u32,
                len: 1,
                text: format!(".byte {byte:#04x}"),
                branch: None,
                data: None,
            }));
            break;
        };
        let mut raw = Instruction::default();
        let text = match decoder.decode_into(&mut raw, &mut U8Reader::new(bytes)) {
            Ok(()) => raw.to_string(),
            Err(_) => format!(".inst {word:#010x}"),
        };
        let at = i64::from(offset);
        let (branch, data) = (branch(word, at), data(word, at, address));
        let text = match (branch, data) {
            (Some(_), _) => without_distance(&text).to_owned(),
            // its register, and what it refers to is told beside it
            (None, Some(_)) => without_distance(&text).trim_end_matches(',').to_owned(),
            (None, None) => text,
        };
        out.push(Shown { offset, len: 4, text, branch, data });
    }
    out
}

/// The decoder's last operand is the distance (`$+0x10`), which says nothing to people.
fn without_distance(text: &str) -> &str {
    text.rsplit_once('$').map_or(text, |(front, _)| front).trim_end()
}

fn signed(value: u32, bits: u32) -> i64 {
    let shift = 64 - bits;
    (i64::from(value) << shift) >> shift
}

/// `b`, `bl`, `b.cond`, `cbz`, `cbnz`, `tbz`, `tbnz` (Arm ARM, C4.1.66).
fn branch(word: u32, at: i64) -> Option<i64> {
    let distance = if word & 0x7c00_0000 == 0x1400_0000 {
        signed(word & 0x03ff_ffff, 26)
    } else if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        signed(word >> 5 & 0x7_ffff, 19)
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        signed(word >> 5 & 0x3fff, 14)
    } else {
        return None;
    };
    Some(at + distance * 4)
}

/// `adr`, `adrp` and loads of what stands beside the code (C4.1.65, C4.1.66).
fn data(word: u32, at: i64, address: u64) -> Option<i64> {
    let near = signed((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3, 21);
    if word & 0x9f00_0000 == 0x1000_0000 {
        return Some(at + near);
    }
    if word & 0x9f00_0000 == 0x9000_0000 {
        let here = address.wrapping_add_signed(at);
        let page = (here & !0xfff).wrapping_add_signed(near << 12);
        return Some(page.wrapping_sub(address) as i64);
    }
    (word & 0x3b00_0000 == 0x1800_0000).then(|| at + signed(word >> 5 & 0x7_ffff, 19) * 4)
}
