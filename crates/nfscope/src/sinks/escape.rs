//! Makes foreign text harmless to a terminal.
//!
//! Packets, comments, interface and process names are written by others. A
//! control character in them could move the cursor or retitle the window, a
//! line feed could forge a line, a direction mark could reorder one. All of
//! them are shown as escapes instead.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with each harmful character replaced: `\n`, `\t`, `\r`, `\x1b`,
/// `\u{202e}`. Text without one is borrowed.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        push(&mut out, character);
    }
    Cow::Owned(out)
}

/// As [`escape`], for bytes that may not be UTF-8: each byte that is not is
/// shown as `\xff`.
pub fn escape_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return escape(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut out, character));
        for byte in chunk.invalid() {
            push_number(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the
/// invisible characters that reorder or join text.
pub(super) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn push(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        // One byte in UTF-8: written as that byte.
        '\0'..='\x1f' | '\x7f' => {
            push_number(out, format_args!("\\x{:02x}", u32::from(character)));
        }
        harmful if is_harmful(harmful) => {
            push_number(out, format_args!("\\u{{{:x}}}", u32::from(harmful)));
        }
        harmless => out.push(harmless),
    }
}

fn push_number(out: &mut String, number: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(number);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(escape("eth0 größe 日本 \\"), Cow::Borrowed(_)));
        assert!(matches!(escape_bytes(b"eth0"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_could_fool_a_terminal_is_shown() {
        assert_eq!(escape("\x1b]0;title\x07"), "\\x1b]0;title\\x07");
        assert_eq!(escape("a\nb\tc\rd\0\x7f"), "a\\nb\\tc\\rd\\x00\\x7f");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(escape("a\u{202e}b\u{2028}\u{feff}"), "a\\u{202e}b\\u{2028}\\u{feff}");
        assert_eq!(escape_bytes(b"ab\xff\xfe\x1bc\xc3"), "ab\\xff\\xfe\\x1bc\\xc3");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(!escape_bytes(&bytes).contains(is_harmful));
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(!escape(&text).contains(is_harmful));
        }
    }
}
