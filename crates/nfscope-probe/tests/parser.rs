//! What is written by people never makes the parser panic, and is understood as C
//! understands it.

use nfscope_probe::ast::{BaseName, Comparison, Format, Node, Operator};
use nfscope_probe::{parse, parse_field};
use proptest::prelude::*;

#[test]
fn fields_and_a_condition() {
    let query = parse("sk.__sk_common.skc_family, arg1:hex *p if a == 1 && !(b & 2) || c").unwrap();
    let labels: Vec<&str> = query.fields.iter().map(|f| f.label.as_str()).collect();
    assert_eq!(labels, ["sk.__sk_common.skc_family", "arg1", "*p"]);
    assert_eq!(query.fields[1].format.as_ref().unwrap().0, Format::Hex);
    let Node::Binary(Operator::Or, left, _) = query.condition.unwrap().node else { panic!() };
    let Node::Binary(Operator::And, first, _) = left.node else { panic!() };
    assert!(matches!(first.node, Node::Binary(Operator::Compare(Comparison::Equal), ..)));
}

#[test]
fn a_cast_binds_as_in_c() {
    let field = parse_field("(struct tcp_sock *)sk.a").unwrap();
    let Node::Cast(name, inner) = field.expr.node else { panic!() };
    assert!(matches!(name.base, BaseName::Tagged(..)) && name.stars == 1);
    assert!(matches!(inner.node, Node::Member(..)));
    let field = parse_field("((struct tcp_sock *)sk)->a[0..4]:bytes[8]").unwrap();
    assert!(matches!(field.expr.node, Node::Slice(_, 0, 4)));
    let field = parse_field("container_of(sk, struct tcp_sock, inet_conn.icsk_inet)").unwrap();
    assert!(matches!(field.expr.node, Node::Container(_, _, path) if path.len() == 2));
}

#[test]
fn mistakes_have_their_place() {
    for (text, place) in [
        ("a b.", 4..4),
        ("a:strr", 2..6),
        ("a if", 4..4),
        ("a if b == 1 c", 12..13),
        ("a[x]", 2..3),
        ("(a", 2..2),
        ("a #", 2..3),
    ] {
        assert_eq!(parse(text).unwrap_err().span, place, "{text}");
    }
    let deep = "*".repeat(10_000) + "a";
    assert!(parse(&deep).is_err());
    assert!(parse(&("(".repeat(10_000) + "a")).is_err());
}

#[test]
fn chains_have_an_end() {
    for (text, at) in [
        ("a".to_owned() + &".b".repeat(100_000), 513),
        ("a".to_owned() + &"[0]".repeat(100_000), 769),
        ("a if a".to_owned() + &"||a".repeat(100_000), 774),
        ("a if a".to_owned() + &"&&a".repeat(100_000), 774),
        ("a if a".to_owned() + &"&1".repeat(100_000), 518),
        ("(u8 ".to_owned() + &"*".repeat(100_000) + ")a", 260),
    ] {
        let mistake = parse(&text).unwrap_err();
        assert_eq!(mistake.span.start, at, "{}", &text[..12]);
        assert!(mistake.text.contains("too long"));
    }
    // each field and the condition have their own
    let field = "a".to_owned() + &".b".repeat(256);
    assert!(parse(&format!("{field} {field} if {field}")).is_ok());
}

#[test]
fn a_condition_stands_behind_if() {
    for (text, at) in [("ret < 0", 4), ("a b == 1 if c", 4), ("a:hex && b", 6)] {
        let mistake = parse(text).unwrap_err();
        assert!(mistake.text.contains("behind if"), "{}", mistake.text);
        assert_eq!(mistake.span.start, at);
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn nor_what_looks_right(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "struct", "sk_buff", "(", ")", "*", "&", ".", "->", "[", "]", "..", "12",
                "if", "==", "&&", "!", ":", "str", "\"x\"", "@rdi", "container_of", ",", "u32",
                " ", "-", "EPERM", "10.0.0.1", "unsigned", "0x1f", "ret", "é",
            ]),
            0..40,
        )
    ) {
        let text = words.concat();
        if let Err(mistake) = parse(&text) {
            prop_assert!(mistake.span.end <= text.len());
            prop_assert!(text.is_char_boundary(mistake.span.start));
        }
    }
}
