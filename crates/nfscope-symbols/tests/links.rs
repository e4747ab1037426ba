//! Separate debug files that a link names (`.gnu_debuglink`).

use std::path::Path;
use std::process::Command;

use nfscope_symbols::{DebugFiles, Image, Store};

/// Runs a tool in a folder.
fn run(folder: &Path, line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let Some((tool, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(tool);
    command.current_dir(folder).args(arguments).status().is_ok_and(|status| status.success())
}

/// Without a build id the checksum alone tells whether the file beside it is of the same build.
#[test]
fn checksum_where_there_is_no_build_id() {
    let folder = std::env::temp_dir().join(format!("nfscope-link-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.c"), "int main(void) { return 0; }\n").unwrap();
    let made = [
        "cc -g -Wl,--build-id=none -o a a.c",
        "objcopy --only-keep-debug a a.debug",
        "objcopy --strip-all --add-gnu-debuglink=a.debug a b",
    ];
    if !made.iter().all(|line| run(&folder, line)) {
        return eprintln!("skipped: there is no cc or no objcopy");
    }
    let has_lines = || {
        let store = Store::new();
        Image::open(&store, &DebugFiles::default(), &folder.join("b")).unwrap().has_lines()
    };
    assert!(has_lines());
    let mut other = std::fs::read(folder.join("a.debug")).unwrap();
    other.push(0);
    std::fs::write(folder.join("a.debug"), other).unwrap();
    assert!(!has_lines(), "of another build");
    std::fs::remove_dir_all(&folder).unwrap();
}
