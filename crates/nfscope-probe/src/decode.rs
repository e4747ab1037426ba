//! What the programs have read, as values and as text.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::plan::Source;
use crate::style::{Reading, Style};
use crate::tuple::{of_packet, of_socket};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// A number.
    Number(i128),
    /// `true` or `false`.
    Bool(bool),
    /// A text, an address, bytes in base 16.
    Text(Vec<u8>),
    /// The elements of an array.
    List(Vec<Self>),
}

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The value.
    pub datum: Datum,
    /// The name of a number, or how it is printed where that is not in base 10.
    pub text: Option<String>,
    /// A text filled its room: it may go on.
    pub cut: bool,
}

/// Reads a field of the data; `None`: the kernel could not read it, or the data
/// is short.
pub fn decode(reading: &Reading, index: usize, at: u32, data: &[u8]) -> Option<Decoded> {
    let failed = u64::from_ne_bytes(data.get(..8)?.try_into().ok()?);
    if failed >> (index % 64) & 1 == 1 {
        return None;
    }
    let bytes = data.get(at as usize..)?;
    match &reading.source {
        Source::Number(number) => {
            let word = u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?);
            let value =
                if number.signed { i128::from(word.cast_signed()) } else { i128::from(word) };
            let (datum, text) = one(&reading.style, value, number.bits);
            Some(Decoded { datum, text, cut: false })
        }
        Source::Text { size, .. } => Some(text(bytes.get(..*size as usize)?, true)),
        Source::Command => Some(text(bytes.get(..16)?, false)),
        Source::Packet { .. } => {
            let ends = of_packet(bytes.get(..reading.source.size() as usize)?)?;
            Some(Decoded { datum: Datum::Text(ends.into_bytes()), text: None, cut: false })
        }
        Source::Memory { size, .. } => memory(&reading.style, bytes.get(..*size as usize)?),
    }
}

fn text(bytes: &[u8], room: bool) -> Decoded {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    // the kernel ends a text that is too long with a zero, too
    let cut = room && end + 1 >= bytes.len();
    Decoded { datum: Datum::Text(bytes.get(..end).unwrap_or_default().to_vec()), text: None, cut }
}

/// A number of so many bits.
fn one(style: &Style, value: i128, bits: u32) -> (Datum, Option<String>) {
    match style {
        Style::Hex => {
            let all = u64::MAX >> 64u32.saturating_sub(bits.max(1));
            (Datum::Number(value), Some(format!("{:#x}", value as u64 & all)))
        }
        Style::Bool if value == 0 || value == 1 => (Datum::Bool(value == 1), None),
        Style::Ip => {
            let address = Ipv4Addr::from(value as u32).to_string();
            (Datum::Text(address.into_bytes()), None)
        }
        Style::Names(names) => {
            let name = names.iter().find(|(_, known)| i128::from(*known) == value);
            (Datum::Number(value), name.map(|(name, _)| name.clone()))
        }
        _ => (Datum::Number(value), None),
    }
}

fn memory(style: &Style, bytes: &[u8]) -> Option<Decoded> {
    let of_text = |text: String| Datum::Text(text.into_bytes());
    let datum = match style {
        Style::Text => return Some(text(bytes, false)),
        Style::Ip => of_text(Ipv4Addr::from(*bytes.first_chunk::<4>()?).to_string()),
        Style::Ip6 => of_text(Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_string()),
        Style::Mac => {
            let parts: Vec<String> =
                bytes.first_chunk::<6>()?.iter().map(|b| format!("{b:02x}")).collect();
            of_text(parts.join(":"))
        }
        Style::List { size, signed, swap, each } => {
            let mut list = Vec::new();
            let mut words = Vec::new();
            for chunk in bytes.chunks(*size as usize) {
                let value = element(chunk, *signed, *swap)?;
                let (datum, name) = one(each, value, size.saturating_mul(8));
                words.push(name.unwrap_or_else(|| value.to_string()));
                list.push(datum);
            }
            let text = Some(format!("[{}]", words.join(", ")));
            return Some(Decoded { datum: Datum::List(list), text, cut: false });
        }
        Style::Tuple(at) => of_text(of_socket(at, bytes)?),
        _ => {
            let mut hex = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                // writing to a String cannot fail
                let _ = write!(hex, "{byte:02x}");
            }
            of_text(hex)
        }
    };
    Some(Decoded { datum, text: None, cut: false })
}

fn element(bytes: &[u8], signed: bool, swap: bool) -> Option<i128> {
    let mut word = [0; 8];
    let size = bytes.len();
    word.get_mut(..size)?.copy_from_slice(bytes);
    if swap {
        word.get_mut(..size)?.reverse();
    }
    let value = u64::from_le_bytes(word);
    let spare = 64 - 8 * size as u32;
    Some(match signed {
        true => i128::from((value << spare).cast_signed() >> spare),
        false => i128::from(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, Start, Way};

    fn reading(size: u32, style: Style) -> Reading {
        let source = Source::Memory { way: Way::of(Start::Record(0)), size };
        Reading { label: "x".into(), source, style, phase: Phase::Entry }
    }

    fn read(style: Style, bytes: &[u8]) -> Decoded {
        let mut data = vec![0; 16];
        data.extend(bytes);
        decode(&reading(bytes.len() as u32, style), 0, 16, &data).unwrap()
    }

    #[test]
    fn memory_by_style() {
        let text = |t: &str| Datum::Text(t.as_bytes().to_vec());
        assert_eq!(read(Style::Ip, &[10, 0, 0, 1]).datum, text("10.0.0.1"));
        assert_eq!(read(Style::Mac, &[2, 0, 0, 0, 0, 255]).datum, text("02:00:00:00:00:ff"));
        assert_eq!(read(Style::Hex, &[1, 0xab]).datum, text("01ab"));
        assert_eq!(read(Style::Text, b"eth0\0xx").datum, text("eth0"));
        let list = |signed, swap| {
            read(
                Style::List { size: 2, signed, swap, each: Box::new(Style::Decimal) },
                &[0, 1, 255, 255],
            )
        };
        assert_eq!(list(true, false).text.unwrap(), "[256, -1]");
        assert_eq!(list(false, true).text.unwrap(), "[1, 65535]");
    }

    #[test]
    fn names_of_numbers() {
        let names = Style::Names(vec![("AF_INET".into(), 2)]);
        assert_eq!(one(&names, 2, 16), (Datum::Number(2), Some("AF_INET".into())));
        assert_eq!(one(&names, 3, 16), (Datum::Number(3), None));
        assert_eq!(one(&Style::Hex, 255, 64).1.unwrap(), "0xff");
        assert_eq!(one(&Style::Hex, -2, 32).1.unwrap(), "0xfffffffe");
        assert_eq!(one(&Style::Hex, -1, 64).1.unwrap(), "0xffffffffffffffff");
    }

    #[test]
    fn what_was_not_read_is_nothing() {
        let mut data = vec![0; 24];
        data[0] = 1;
        assert_eq!(decode(&reading(8, Style::Hex), 0, 16, &data), None);
        assert!(decode(&reading(8, Style::Hex), 1, 16, &data).is_some());
        assert_eq!(decode(&reading(9, Style::Hex), 1, 16, &data), None, "short");
    }
}
