//! The BTF reader on small blobs made here, and on garbage.

use std::sync::Arc;

use nfscope_kernel::btf::{Btf, BtfError, Carrier, Kind};
use proptest::prelude::*;

/// Makes BTF blobs record by record; strings start behind those of a base.
struct Maker {
    types: Vec<u8>,
    strings: Vec<u8>,
    base_strings: u32,
}

const STRUCT: u32 = 4;
const UNION: u32 = 5;

impl Maker {
    fn new() -> Self {
        Self { types: Vec::new(), strings: vec![0], base_strings: 0 }
    }

    fn split(base_strings: u32) -> Self {
        Self { types: Vec::new(), strings: Vec::new(), base_strings }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.base_strings + self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|w| self.types.extend_from_slice(&w.to_le_bytes()));
    }

    fn record(&mut self, name: &str, kind: u32, flag: bool, vlen: u32, size: u32) {
        let name = self.string(name);
        self.words(&[name, u32::from(flag) << 31 | kind << 24 | vlen, size]);
    }

    fn int(&mut self, name: &str, size: u32) {
        self.record(name, 1, false, 0, size);
        self.words(&[size * 8]);
    }

    /// Members: name, type, bit offset, bit-field width.
    fn composite(&mut self, kind: u32, name: &str, size: u32, members: &[(&str, u32, u32, u32)]) {
        let flag = members.iter().any(|m| m.3 != 0);
        self.record(name, kind, flag, members.len() as u32, size);
        for (member, id, bits, width) in members {
            let member = self.string(member);
            self.words(&[member, *id, width << 24 | bits]);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0x9f, 0xeb, 1, 0];
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [24, 0, types, types, strings] {
            out.extend_from_slice(&u32::to_le_bytes(word));
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }
}

/// 1 u32, 2 inner { a }, 3 anonymous union { b }, 4 outer, 5 const u32, 6 pointer to const u32,
/// 7 prototype (6 x, 4 y), 8 function f, 9 enum, 10 enum64, 11 pointer to 7, 12 typedef of 11
fn sample() -> Maker {
    let mut m = Maker::new();
    m.int("u32", 4);
    m.composite(STRUCT, "inner", 8, &[("a", 1, 0, 0), ("c", 1, 32, 0)]);
    m.composite(UNION, "", 4, &[("b", 1, 0, 0)]);
    let outer = [
        ("first", 1, 0, 0),
        ("", 3, 32, 0),
        ("in", 2, 64, 0),
        ("low", 1, 128, 5),
        ("high", 1, 133, 27),
    ];
    m.composite(STRUCT, "outer", 24, &outer);
    m.record("", 10, false, 0, 1);
    m.record("", 2, false, 0, 5);
    m.record("", 13, false, 2, 0);
    let (x, y) = (m.string("x"), m.string("y"));
    m.words(&[x, 6, y, 4]);
    m.record("f", 12, false, 0, 7);
    m.record("colour", 6, true, 2, 4);
    let (red, blue) = (m.string("RED"), m.string("BLUE"));
    m.words(&[red, -1i32 as u32, blue, 7]);
    m.record("wide", 19, false, 1, 8);
    let huge = m.string("HUGE");
    m.words(&[huge, 1, 2]);
    m.record("", 2, false, 0, 7);
    m.record("btf_trace_f", 8, false, 0, 11);
    m
}

/// On top of the sample: 13 array of 3 inner, 14 pointer to 13, 15 const 11, 16 prototype (14 arrays, 15
/// call, 11 more, …) to 6, 17 function g, 18 struct that begins with inner, 19 pointer to 18, 20 prototype
/// (4 whole, 19 it) to nothing, 21 function h
fn declarations() -> Maker {
    let mut m = sample();
    m.record("", 3, false, 0, 0);
    m.words(&[2, 1, 3]);
    m.record("", 2, false, 0, 13);
    m.record("", 10, false, 0, 11);
    m.record("", 13, false, 4, 6);
    let (arrays, call, more) = (m.string("arrays"), m.string("call"), m.string("more"));
    m.words(&[arrays, 14, call, 15, more, 11, 0, 0]);
    m.record("g", 12, false, 0, 16);
    m.composite(STRUCT, "begins", 8, &[("in", 2, 0, 0)]);
    m.record("", 2, false, 0, 18);
    m.record("", 13, false, 2, 0);
    let (whole, it) = (m.string("whole"), m.string("it"));
    m.words(&[whole, 4, it, 19]);
    m.record("h", 12, false, 0, 20);
    m
}

#[test]
fn functions_as_c_declares_them() {
    let btf = Btf::parse(declarations().bytes()).unwrap();
    let all: Vec<_> = btf.functions().collect();
    assert_eq!(all, [(8, "f"), (17, "g"), (21, "h")]);
    assert_eq!(btf.signature(8).as_deref(), Some("void f(const u32 *x, struct outer y)"));
    let g = "const u32 *g(struct inner (*arrays)[3], \
             void (*const call)(const u32 *x, struct outer y), \
             void (*more)(const u32 *x, struct outer y), ...)";
    assert_eq!(btf.signature(17).as_deref(), Some(g));
    assert_eq!(btf.returned(17).as_deref(), Some("const u32 *"));
    assert_eq!(btf.parameter_text(8, 1).as_deref(), Some("struct outer y"));
    assert_eq!(btf.parameter_text(8, 2).as_deref(), Some("void"));
    let parameters = btf.parameters(17).unwrap();
    assert_eq!(parameters[0].type_name, "struct inner (*)[3]");
    assert_eq!((parameters[1].name.as_str(), parameters[3].type_name.as_str()), ("call", "..."));
    assert_eq!((btf.parameter_name(17, 1), btf.parameter_name(17, 3)), (Some("call"), None));
    assert_eq!(btf.signature(7), None);
    assert_eq!(btf.type_name(17), Some("g"));
    assert_eq!(btf.type_name(99), None);
}

#[test]
fn what_a_trampoline_can_keep() {
    let btf = Btf::parse(declarations().bytes()).unwrap();
    assert_eq!(btf.trampoline(8), Err("it takes a struct of more than 16 bytes"));
    assert_eq!(btf.trampoline(17), Err("it takes a variable number of arguments"));
    assert_eq!(btf.carrier(21, "inner", false), None);
    let carrier = btf.carrier(21, "inner", true);
    assert_eq!(carrier, Some(Carrier { position: 1, by_number: false }));
    assert_eq!(btf.carrier(21, "outer", true), None, "it is no pointer");
}

#[test]
fn members_through_nested_and_anonymous_structs() {
    let btf = Btf::parse(sample().bytes()).unwrap();
    assert_eq!(btf.struct_size("outer"), Some(24));
    assert_eq!(btf.offset("outer", "b"), Some(4));
    assert_eq!(btf.offset("outer", "in.c"), Some(12));
    let high = btf.member("outer", "high").unwrap();
    assert_eq!(
        (high.byte_offset, high.bit_offset, high.bit_size, high.bitfield),
        (16, 5, 27, true)
    );
    assert_eq!(btf.offset("outer", "high"), None, "a bit field has no byte offset");
    assert_eq!(btf.member("outer", "in.nothing"), None);
    assert_eq!(btf.member("outer", "first.a"), None);
    assert!(!btf.has_struct("u32"));
}

#[test]
fn prototypes_and_enums() {
    let btf = Btf::parse(sample().bytes()).unwrap();
    let expected = vec![
        ("x".to_owned(), "const u32 *".to_owned()),
        ("y".to_owned(), "struct outer".to_owned()),
    ];
    assert_eq!(btf.func_params("f"), Some(expected.clone()));
    assert_eq!(btf.func_params("btf_trace_f"), Some(expected));
    assert_eq!(
        btf.enum_values("colour"),
        Some(vec![("RED".to_owned(), -1), ("BLUE".to_owned(), 7)])
    );
    assert_eq!(btf.enum_values("wide"), Some(vec![("HUGE".to_owned(), 0x2_0000_0001)]));
}

#[test]
fn a_module_prefers_its_own_struct_and_falls_back_to_the_kernels() {
    let base = sample();
    let base_strings = base.strings.len() as u32;
    let mut module = Maker::split(base_strings);
    // The module's first id follows the base's last (12); it refers to the base's u32.
    module.composite(STRUCT, "inner", 16, &[("a", 1, 64, 0)]);
    module.composite(STRUCT, "own", 20, &[("pad", 1, 0, 0), ("in", 13, 32, 0)]);
    let base = Arc::new(Btf::parse(base.bytes()).unwrap());
    let btf = Btf::parse_split(module.bytes(), base).unwrap();
    assert_eq!(btf.offset("inner", "a"), Some(8));
    assert_eq!(btf.offset("own", "in.a"), Some(12));
    assert_eq!(btf.offset("outer", "in.a"), Some(8), "the base's outer holds the base's inner");
    assert_eq!(btf.func_params("f").map(|p| p.len()), Some(2));
}

#[test]
fn a_newer_kind_is_refused_by_name() {
    let mut m = Maker::new();
    m.record("", 25, false, 0, 0);
    assert!(matches!(Btf::parse(m.bytes()), Err(BtfError::UnknownKind { kind: 25, .. })));
}

/// What an object may know of the sample: outer as an older kernel had it, and one value of an enum.
fn wanted() -> Maker {
    let mut m = Maker::new();
    m.int("u32", 4);
    m.composite(STRUCT, "inner", 4, &[("c", 1, 0, 0)]);
    let outer = [("b", 1, 0, 0), ("in", 2, 32, 0), ("high", 1, 64, 0), ("gone", 1, 96, 0)];
    m.composite(STRUCT, "outer___old", 16, &outer);
    m.record("colour", 6, false, 1, 4);
    let blue = m.string("BLUE___any");
    m.words(&[blue, 0]);
    m
}

#[test]
fn a_subset_has_what_is_asked_for_where_the_whole_has_it() {
    let whole = Btf::parse(sample().bytes()).unwrap();
    let part = Btf::parse(whole.subset(&Btf::parse(wanted().bytes()).unwrap()).unwrap()).unwrap();
    for path in ["b", "in", "in.c", "high", "gone"] {
        assert_eq!(part.member("outer", path), whole.member("outer", path), "{path}");
    }
    assert_eq!(part.struct_size("outer"), Some(24));
    assert_eq!(part.enum_values("colour"), Some(vec![("BLUE".to_owned(), 7)]));
    assert_eq!(part.member("outer", "first"), None, "nobody asks for it");
    assert_eq!(part.enum_values("wide"), None);
    assert_eq!(part.func_params("f"), None);
}

#[test]
fn a_subset_ends_at_pointers() {
    let mut kernel = Maker::new();
    kernel.composite(STRUCT, "node", 16, &[("next", 2, 0, 0), ("other", 4, 64, 0)]);
    kernel.record("", 2, false, 0, 1);
    kernel.composite(STRUCT, "far", 8, &[("next", 2, 0, 0)]);
    kernel.record("", 2, false, 0, 3);
    let mut wanted = Maker::new();
    wanted.composite(STRUCT, "node", 16, &[("next", 0, 0, 0), ("other", 0, 0, 0)]);
    let whole = Btf::parse(kernel.bytes()).unwrap();
    let bytes = whole.subset(&Btf::parse(wanted.bytes()).unwrap()).unwrap();
    let part = Btf::parse(bytes).unwrap();
    assert_eq!(part.member("node", "other"), whole.member("node", "other"));
    assert!(!part.has_struct("far"));
}

#[test]
fn ids_by_name_and_kind() {
    let base = Arc::new(Btf::parse(sample().bytes()).unwrap());
    let module = Btf::parse_split(Maker::split(0).bytes(), base).unwrap();
    assert_eq!(module.kernel().id("outer", Kind::Struct), Some(4));
    assert_eq!(module.kernel().id("f", Kind::Function), Some(8));
    assert_eq!(module.kernel().id("btf_trace_f", Kind::Typedef), Some(12));
    assert_eq!(module.kernel().id("outer", Kind::Variable), None);
}

#[test]
fn functions_by_the_struct_they_take() {
    let mut m = sample();
    // 13 pointer to outer, 14 (u32, outer *), 15 (outer, outer *), 16 typedef of 13, 17 (16)
    m.record("", 2, false, 0, 4);
    for (parameters, id) in [(vec![1, 13], 0), (vec![4, 13], 0), (vec![16], 13)] {
        if id != 0 {
            m.record("outer_p", 8, false, 0, id);
        }
        m.record("", 13, false, parameters.len() as u32, 0);
        parameters.iter().for_each(|id| m.words(&[0, *id]));
    }
    for (name, proto) in [("second", 14), ("by_value", 15), ("first", 17)] {
        m.record(name, 12, false, 0, proto);
    }
    let btf = Btf::parse(m.bytes()).unwrap();
    let found = btf.functions_taking("outer");
    let found: Vec<_> = found.iter().map(|t| (t.name.as_str(), t.position)).collect();
    assert_eq!(found, [("second", 1), ("first", 0)]);
    assert!(btf.functions_taking("inner").is_empty());
}

fn ask_everything(btf: &Btf) {
    for (id, _) in btf.functions() {
        let _ = (btf.signature(id), btf.returned(id), btf.parameters(id), btf.trampoline(id));
        let _ = (btf.carrier(id, "inner", true), btf.carrier(id, "outer", false));
    }
    let _ = btf.functions_taking("outer");
    for name in ["outer", "inner", "f", "btf_trace_f", "colour", "wide", "u32", ""] {
        let _ = (btf.struct_size(name), btf.func_params(name), btf.enum_values(name));
        let _ = btf.id(name, Kind::Variable);
        for path in ["first", "b", "in.c", "in.a.b", "high", ""] {
            let _ = btf.member(name, path);
        }
    }
    for other in [sample(), wanted()].iter().flat_map(|m| Btf::parse(m.bytes())) {
        for subset in [btf.subset(&other), other.subset(btf), btf.subset(btf)] {
            assert!(subset.is_none_or(|bytes| Btf::parse(bytes).is_ok()));
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(btf) = Btf::parse(bytes) {
            ask_everything(&btf);
        }
    }

    #[test]
    fn a_damaged_blob_does_not_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = declarations().bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(btf) = Btf::parse(bytes.clone()) {
            ask_everything(&btf);
            if let Ok(split) = Btf::parse_split(bytes, Arc::new(btf)) {
                ask_everything(&split);
            }
        }
    }
}
