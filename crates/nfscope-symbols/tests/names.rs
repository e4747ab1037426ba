//! Several functions of one name.

use std::process::Command;

use nfscope_symbols::{DebugFiles, Image, Lookup, Store, Target};

/// An offset that only one of them is long enough for is in that one.
#[test]
fn an_offset_tells_functions_apart() {
    let folder = std::env::temp_dir().join(format!("nfscope-names-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, size) in [("a", 4), ("b", 16)] {
        let source = format!(".text\n.type f, @function\nf: .zero {size}\n.size f, {size}\n");
        std::fs::write(folder.join(name).with_extension("s"), source).unwrap();
    }
    let made = Command::new("cc")
        .current_dir(&folder)
        .args(["-shared", "-nostdlib", "-o", "both", "a.s", "b.s"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: there is no cc");
    }
    let store = Store::new();
    let mut image = Image::open(&store, &DebugFiles::default(), &folder.join("both")).unwrap();
    let mut told = |word: &str| {
        let target = Target::parse(word).unwrap();
        image.resolve(&target, Lookup::Exact).map(|answers| answers.len())
    };
    assert_eq!((told("f+0x2"), told("f+0x9")), (Ok(2), Ok(1)));
    assert_eq!(told("f+0x20"), Err("f is only 0x10 bytes long".to_owned()));
    std::fs::remove_dir_all(&folder).unwrap();
}
