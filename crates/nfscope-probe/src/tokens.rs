//! Fields and conditions as a row of words and signs.

use crate::ast::Span;
use crate::error::Mistake;

/// A word or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name.
    Name(String),
    /// `@rdi`
    Register(String),
    /// A number, an IPv4 address or a time in nanoseconds.
    Number(i128),
    /// Text in quotes.
    Text(String),
    /// Anything else.
    Sign(&'static str),
}

/// Longer ones before their beginnings.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "->", "..", ".", "[", "]", "(", ")", "*", "&", "!", "<",
    ">", ",", ":", "-", "+",
];

/// Times, as they stand behind numbers, in nanoseconds.
const UNITS: [(&str, i128); 4] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

/// Splits a text.
pub fn split(text: &str) -> Result<Vec<(Token, Span)>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let rest = &text[at..];
        let (token, length) = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let name = word(rest);
                (Token::Name(name.to_owned()), name.len())
            }
            '@' => match word(&rest[1..]) {
                "" => return Err(Mistake::new(at..at + 1, "@ stands before a register: @rdi")),
                name => (Token::Register(name.to_owned()), name.len() + 1),
            },
            '0'..='9' => {
                let (value, length) =
                    number(rest).map_err(|(length, text)| Mistake::new(at..at + length, text))?;
                (Token::Number(value), length)
            }
            '"' => {
                let inner = rest[1..].split('"').next().unwrap_or_default();
                if inner.len() + 1 >= rest.len() {
                    return Err(Mistake::new(at..text.len(), "the text has no closing quote"));
                }
                (Token::Text(inner.to_owned()), inner.len() + 2)
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => {
                    let span = at..at + first.len_utf8();
                    return Err(Mistake::new(span, format!("{first:?} means nothing here")));
                }
            },
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

/// Letters, digits and underscores at the beginning.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

fn number(text: &str) -> Result<(i128, usize), (usize, String)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let dotted = text[..end].trim_end_matches('.');
    if !dotted.contains("..")
        && dotted.contains('.')
        && let Some(address) = dotted.parse::<std::net::Ipv4Addr>().ok()
    {
        return Ok((u32::from(address).into(), dotted.len()));
    }
    let all = word(text);
    let wrong = || (all.len(), format!("{all} is no number"));
    let value = match all.strip_prefix("0x").or_else(|| all.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).map_err(|_| wrong())?.into(),
        None => {
            let letters = all.find(|c: char| !c.is_ascii_digit()).unwrap_or(all.len());
            let (digits, unit) = all.split_at(letters);
            let value: u64 = digits.parse().map_err(|_| wrong())?;
            let times = match unit {
                "" => 1,
                unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
            };
            i128::from(value) * times
        }
    };
    Ok((value, all.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        split(text).unwrap().into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn words_and_signs() {
        let name = |n: &str| Token::Name(n.into());
        let all = [name("a"), Token::Sign("->"), name("b"), Token::Sign("&&"), name("c")];
        assert_eq!(tokens("a->b&&c"), all);
        assert_eq!(tokens("0x1F 12 2ms"), [31, 12, 2_000_000].map(Token::Number));
        assert_eq!(tokens("10.0.0.1"), [Token::Number(0x0a00_0001)]);
        assert_eq!(
            tokens("0..4"),
            [Token::Number(0), Token::Sign(".."), Token::Number(4)],
            "a slice's numbers"
        );
        assert_eq!(
            tokens("@rdi \"x y\""),
            [Token::Register("rdi".into()), Token::Text("x y".into())]
        );
        for wrong in ["\"a", "@", "12x", "#", "0xzz", "99999999999999999999"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
