//! Filters in BPF objects. The object is compiled by clang, as the program's own are.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use nfscope_filter::{Compiled, PatchError, compile, patch};
use object::{Object, ObjectSection, ObjectSymbol};
use proptest::prelude::*;

/// The compiled `tests/stub.bpf.c`.
fn object() -> &'static [u8] {
    static OBJECT: OnceLock<Vec<u8>> = OnceLock::new();
    OBJECT.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let object = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("patch-stub.bpf.o");
        let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_string());
        let status = Command::new(&clang)
            .args(["-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-Iinclude"])
            .args(["-c", "tests/stub.bpf.c", "-o"])
            .arg(&object)
            .current_dir(root)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "{clang} fails");
        std::fs::read(object).expect("the object")
    })
}

/// A function's code as the loader will take it.
fn code(elf: &[u8], name: &str) -> Vec<u8> {
    let file = object::File::parse(elf).expect("an object");
    let symbol = file.symbol_by_name(name).expect("the symbol");
    let section =
        file.section_by_index(symbol.section_index().expect("a section")).expect("the section");
    let start = symbol.address() as usize;
    section.data().expect("data")[start..start + symbol.size() as usize].to_vec()
}

#[test]
fn the_stub_becomes_the_filter_and_nothing_else_changes() {
    let filter = compile("tcp port 10000").expect("a filter");
    let mut patched = object().to_vec();
    let done = patch(&mut patched, "packet_filter", &filter.insns).expect("patched");
    assert_eq!(done.stubs, 1);
    assert!(done.capacity >= 4096, "{done:?}");
    let body: Vec<u8> = filter.insns.iter().flat_map(|insn| insn.to_bytes()).collect();
    assert_eq!(code(&patched, "packet_filter"), body);
    assert_eq!(code(&patched, "run"), code(object(), "run"));
    let changed = object().iter().zip(&patched).filter(|(a, b)| a != b).count();
    assert!(changed <= body.len() + 8, "{changed} bytes changed");
}

#[test]
fn the_caller_passes_all_arguments() {
    // Between the calls of the helper and of the stub (opcode 0x85, source register
    // 1) r1, r2 and r3 are written by loads or arithmetic.
    let run = code(object(), "run");
    let insns: Vec<&[u8]> = run.chunks(8).collect();
    let calls: Vec<usize> = (0..insns.len()).filter(|at| insns[*at][0] == 0x85).collect();
    let [helper, stub] = calls[..] else {
        panic!("two calls: {insns:02x?}");
    };
    assert_eq!(insns[stub][1] >> 4, 1, "{insns:02x?}");
    for register in 1..=3 {
        let set = insns[helper + 1..stub]
            .iter()
            .any(|insn| matches!(insn[0] & 7, 0 | 1 | 4 | 7) && insn[1] & 0xf == register);
        assert!(set, "r{register} is not set before the call: {insns:02x?}");
    }
}

#[test]
fn what_does_not_fit_or_is_not_there_is_refused() {
    let all = Compiled::accept_all().expect("a filter");
    let mut bytes = object().to_vec();
    assert_eq!(
        patch(&mut bytes, "no_such_function", &all.insns),
        Err(PatchError::NoStub("no_such_function".to_string()))
    );
    // A variable is no function, and `run` refers to the map.
    assert!(matches!(patch(&mut bytes, "packets", &all.insns), Err(PatchError::NoStub(_))));
    assert!(matches!(patch(&mut bytes, "run", &all.insns), Err(PatchError::Object(_))));
    let long = all.insns.repeat(2100);
    let error = patch(&mut bytes, "packet_filter", &long).expect_err("too long");
    assert!(error.to_string().starts_with("bad filter: it is too long: "), "{error}");
    assert_eq!(bytes, object());
    for other in [&b""[..], b"\x7fELF", &object()[..200]] {
        assert!(matches!(
            patch(&mut other.to_vec(), "packet_filter", &all.insns),
            Err(PatchError::Object(_) | PatchError::NoStub(_))
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_objects_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let all = Compiled::accept_all().expect("a filter");
        let mut bytes = object().to_vec();
        // The headers and tables are at both ends; the stub's body is of no interest.
        let tail = bytes.len() - 4000;
        for (index, value) in changes {
            let at = index.index(4000 + 64);
            let at = if at < 64 { at } else { tail + at - 64 };
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        let before = bytes.clone();
        if patch(&mut bytes, "packet_filter", &all.insns).is_err() {
            prop_assert_eq!(before, bytes);
        }
    }
}
