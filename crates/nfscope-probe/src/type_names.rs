//! Names of types, as casts have them and tracepoints' formats.

use crate::ast::{BaseName, NumberKind, Tag, TypeName};
use crate::error::Mistake;
use crate::parse::Parser;
use crate::tokens::Token;

/// Words of which the names of C's numbers are made.
const WORDS: [&str; 9] =
    ["unsigned", "signed", "char", "short", "int", "long", "void", "bool", "_Bool"];
/// Words that say nothing here.
const QUALIFIERS: [&str; 5] = ["const", "volatile", "restrict", "__user", "__rcu"];

/// Numbers of the kernel's own names, with or without underscores in front.
const NUMBERS: [(&str, u32, bool); 8] = [
    ("u8", 1, false),
    ("u16", 2, false),
    ("u32", 4, false),
    ("u64", 8, false),
    ("s8", 1, true),
    ("s16", 2, true),
    ("s32", 4, true),
    ("s64", 8, true),
];

fn word<'a>(parser: &'a Parser<'_>, ahead: usize) -> Option<&'a str> {
    match parser.peek(ahead) {
        Some(Token::Name(name)) => Some(name),
        _ => None,
    }
}

/// Whether a type's name stands so many tokens ahead, and not an expression.
pub fn begins_type(parser: &Parser<'_>, ahead: usize) -> bool {
    let Some(first) = word(parser, ahead) else { return false };
    if ["struct", "union", "enum"].contains(&first)
        || WORDS.contains(&first)
        || QUALIFIERS.contains(&first)
    {
        return true;
    }
    // (foo *) can be nothing else; (foo_t) could be a field, but is none if
    // something follows that it can be cast from
    let mut behind = ahead + 1;
    while parser.sign_is(behind, "*") {
        behind += 1;
    }
    if !parser.sign_is(behind, ")") {
        return false;
    }
    let by_name = first.ends_with("_t") || number(first).is_some();
    let operand = matches!(
        parser.peek(behind + 1),
        Some(Token::Name(_) | Token::Register(_) | Token::Sign("(" | "*" | "&"))
    );
    behind > ahead + 1 || by_name && operand
}

fn number(name: &str) -> Option<BaseName> {
    let bare = name.trim_start_matches('_');
    let (_, size, signed) = NUMBERS.iter().find(|(known, ..)| *known == bare)?;
    Some(BaseName::Number { size: *size, signed: *signed, kind: NumberKind::Plain })
}

/// Reads a type's name.
pub fn type_name(parser: &mut Parser<'_>) -> Result<TypeName, Mistake> {
    let start = parser.span().start;
    skip_qualifiers(parser);
    let base = match word(parser, 0) {
        Some("struct") => tagged(parser, Tag::Struct)?,
        Some("union") => tagged(parser, Tag::Union)?,
        Some("enum") => tagged(parser, Tag::Enum)?,
        Some(first) if WORDS.contains(&first) => numbers(parser),
        Some(first) => {
            let base = number(first).unwrap_or_else(|| BaseName::Named(first.to_owned()));
            parser.at += 1;
            base
        }
        None => return Err(parser.unexpected("a type's name is missing")),
    };
    let mut end = parser.span().start;
    skip_qualifiers(parser);
    let mut stars = 0;
    while parser.sign_is(0, "*") {
        parser.step()?;
        end = parser.span().end;
        parser.at += 1;
        stars += 1;
        skip_qualifiers(parser);
    }
    Ok(TypeName { base, stars, span: start..end })
}

fn skip_qualifiers(parser: &mut Parser<'_>) {
    while word(parser, 0).is_some_and(|w| QUALIFIERS.contains(&w)) {
        parser.at += 1;
    }
}

fn tagged(parser: &mut Parser<'_>, tag: Tag) -> Result<BaseName, Mistake> {
    parser.at += 1;
    Ok(BaseName::Tagged(tag, parser.name("the type's name")?))
}

/// `unsigned long`, `long unsigned int`, `char`
fn numbers(parser: &mut Parser<'_>) -> BaseName {
    let (mut size, mut signed, mut void) = (4, true, false);
    let (mut kind, mut said) = (NumberKind::Plain, false);
    while let Some(next) = word(parser, 0).filter(|w| WORDS.contains(w)) {
        match next {
            "unsigned" => (signed, said) = (false, true),
            "signed" => said = true,
            "char" => (size, kind) = (1, NumberKind::Char),
            "short" => size = 2,
            "long" => size = 8,
            "void" => void = true,
            "bool" | "_Bool" => (size, signed, kind) = (1, false, NumberKind::Bool),
            _ => {}
        }
        parser.at += 1;
    }
    // `signed char` and `unsigned char` are numbers
    if said && kind == NumberKind::Char {
        kind = NumberKind::Plain;
    }
    if void { BaseName::Void } else { BaseName::Number { size, signed, kind } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (BaseName, u32) {
        let name = type_name(&mut Parser::new(text).unwrap()).unwrap();
        (name.base, name.stars)
    }

    #[test]
    fn names_of_types() {
        assert_eq!(read("const struct sock *"), (BaseName::Tagged(Tag::Struct, "sock".into()), 1));
        let number = |size, signed, kind| (BaseName::Number { size, signed, kind }, 0);
        assert_eq!(read("long unsigned int"), number(8, false, NumberKind::Plain));
        assert_eq!(read("__u16"), number(2, false, NumberKind::Plain));
        assert_eq!(read("const char"), number(1, true, NumberKind::Char));
        assert_eq!(read("unsigned char"), number(1, false, NumberKind::Plain));
        assert_eq!(read("char signed"), number(1, true, NumberKind::Plain));
        assert_eq!(read("bool"), number(1, false, NumberKind::Bool));
        assert_eq!(read("void **"), (BaseName::Void, 2));
        assert_eq!(read("loff_t"), (BaseName::Named("loff_t".into()), 0));
        let begins = |text: &str| begins_type(&Parser::new(text).unwrap(), 1);
        assert!(begins("(foo *)a") && begins("(pid_t)a") && begins("(u8)a"));
        assert!(!begins("(a) b") && !begins("(a.b)") && !begins("(sk_t)"));
    }
}
