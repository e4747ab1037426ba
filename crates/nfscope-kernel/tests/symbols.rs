//! Symbol lookups in tables given as text.

use nfscope_kernel::symbols::{Line, Names, SymbolError, Wanted, find_in};
use proptest::prelude::*;

const TABLE: &str = "\
ffffffff81000000 T _text
ffffffff81000000 T startup_64
ffffffff81000040 t helper
ffffffff81000100 T nf_hook_slow
ffffffff81000180 d some_data
ffffffff81000200 W weak_one
ffffffffc0200400 t nft_do_chain\t[nf_tables]
ffffffffc0200000 t helper\t[nf_tables]
ffffffffc0200a00 T nft_register\t[nf_tables]
ffffffffc0100000 t helper\t[other]
";

#[test]
fn lines() {
    let line = Line::parse("ffffffffc0200400 t nft_do_chain\t[nf_tables]\n").unwrap();
    assert_eq!((line.name, line.module, line.kind), ("nft_do_chain", Some("nf_tables"), 't'));
    assert!(Line::parse("nonsense").is_none());
}

#[test]
fn by_name_and_module() {
    let wanted = |name, module| Wanted { name, module };
    let asked = [
        wanted("nf_hook_slow", None),
        wanted("helper", Some("nf_tables")),
        wanted("nft_do_chain", Some("nf_tables")),
        wanted("nft_do_chain", None),
    ];
    let found = find_in(TABLE.as_bytes(), &asked).unwrap();
    let ends = |n: usize| found[n].map(|f| (f.address, f.next));
    assert_eq!(ends(0), Some((0xffffffff81000100, 0xffffffff81000180)));
    assert_eq!(ends(1), Some((0xffffffffc0200000, 0xffffffffc0200400)));
    assert_eq!(ends(2), Some((0xffffffffc0200400, 0xffffffffc0200a00)));
    assert_eq!(ends(3), None);
}

#[test]
fn by_address() {
    let mut names = Names::new();
    let asked =
        [0xffffffff81000013, 0xffffffff810001ff, 0xffffffffc0200404, 0xffffffffc0100001, 0x10];
    names.learn_from(TABLE.as_bytes(), &asked).unwrap();
    let shown = |address| {
        names
            .cached(address)
            .map(|r| format!("{}+{:#x}/{:#x} {:?}", r.name, r.offset, r.size, r.module))
    };
    assert_eq!(shown(asked[0]).as_deref(), Some("_text+0x13/0x40 None"));
    assert_eq!(shown(asked[1]).as_deref(), Some("nf_hook_slow+0xff/0x100 None"));
    assert_eq!(shown(asked[2]).as_deref(), Some("nft_do_chain+0x4/0x600 Some(\"nf_tables\")"));
    assert_eq!(shown(asked[3]).as_deref(), Some("helper+0x1/0x100000 Some(\"other\")"));
    assert_eq!(shown(asked[4]), None);
    // Another address of a symbol that is known needs no further pass.
    assert_eq!(shown(0xffffffff810001fe).as_deref(), Some("nf_hook_slow+0xfe/0x100 None"));
}

#[test]
fn a_position_independent_alias_gives_way() {
    let table =
        "ffffffff81000000 T __pi_memset\nffffffff81000000 T memset\nffffffff81000000 T __memset\n";
    let mut names = Names::new();
    names.learn_from(table.as_bytes(), &[0xffffffff81000000]).unwrap();
    assert_eq!(names.cached(0xffffffff81000000).map(|r| r.name).as_deref(), Some("memset"));
}

#[test]
fn hidden_addresses_are_said_to_be_hidden() {
    let table = "0000000000000000 T a\n0000000000000000 t b\n";
    let error = find_in(table.as_bytes(), &[Wanted { name: "a", module: None }]).unwrap_err();
    assert!(matches!(error, SymbolError::Hidden));
}

proptest! {
    /// The quick search agrees with the obvious one.
    #[test]
    fn resolves_like_a_linear_search(starts in proptest::collection::btree_set(1u64..500, 1..40), asked in proptest::collection::vec(0u64..520, 1..20), order in any::<prop::sample::Index>()) {
        let mut lines: Vec<String> = starts.iter().map(|s| format!("{s:016x} t f{s}")).collect();
        let turn = order.index(lines.len());
        lines.rotate_left(turn);
        let mut names = Names::new();
        names.learn_from(lines.join("\n").as_bytes(), &asked).unwrap();
        for address in asked {
            let start = starts.iter().copied().filter(|s| *s <= address).max();
            let found = names.cached(address);
            prop_assert_eq!(found.map(|f| (f.name, f.offset)), start.map(|s| (format!("f{s}"), address - s)));
        }
    }

    #[test]
    fn any_text_is_survived(text in "[0-9a-f tT\\[\\]\t\n]{0,200}") {
        let _ = find_in(text.as_bytes(), &[Wanted { name: "t", module: None }]);
        let _ = Names::new().learn_from(text.as_bytes(), &[5, 1 << 63]);
    }
}
