//! What stands behind a field's colon.

use crate::ast::{Format, Span};
use crate::error::Mistake;
use crate::parse::Parser;
use crate::tokens::Token;

/// Bytes of text and data that a field has at most.
pub const MOST_BYTES: u32 = 1024;

/// All of them, for messages.
const NAMES: [&str; 10] =
    ["str", "user", "hex", "ip", "ip6", "mac", "port", "enum", "bytes", "tuple"];

/// Reads a format, behind its colon.
pub fn format(parser: &mut Parser<'_>) -> Result<(Format, Span), Mistake> {
    let start = parser.span();
    let name = parser.name("a format (str, hex, ip …)")?;
    let mut span = start.clone();
    let mut size = None;
    let mut named = None;
    if parser.sign_is(0, "[") {
        parser.at += 1;
        match parser.peek(0) {
            Some(Token::Name(_)) => named = Some(parser.name("a name")?),
            _ => {
                let at = parser.span();
                let value = parser.number()?;
                if !(1..=MOST_BYTES).contains(&value) {
                    let text = format!("a size is between 1 and {MOST_BYTES}");
                    return Err(Mistake::new(at, text));
                }
                size = Some(value);
            }
        }
        span.end = parser.span().end;
        parser.expect("]")?;
    }
    let format = match (name.as_str(), size, named) {
        ("str", size, None) => Format::Text(size),
        ("user", size, None) => Format::User(size),
        ("hex", None, None) => Format::Hex,
        ("ip", None, None) => Format::Ip,
        ("ip6", None, None) => Format::Ip6,
        ("mac", None, None) => Format::Mac,
        ("port", None, None) => Format::Port,
        ("enum", None, name) => Format::Enum(name),
        ("bytes", Some(size), None) => Format::Bytes(size),
        ("bytes", None, None) => {
            return Err(Mistake::new(span, "how many bytes? :bytes[16]"));
        }
        ("tuple", None, None) => Format::Tuple,
        (known, ..) if NAMES.contains(&known) => {
            return Err(Mistake::new(span, format!(":{known} takes nothing of this in brackets")));
        }
        (other, ..) => {
            let known = NAMES.map(str::to_owned).to_vec();
            let text = format!("{other} is no format; there are {}", NAMES.join(", "));
            return Err(Mistake::unknown(start, text, other, known));
        }
    };
    Ok((format, span))
}
