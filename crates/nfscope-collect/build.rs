//! Compiles the BPF programs with clang into `OUT_DIR`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let include = std::env::var("DEP_BPF_INCLUDE").unwrap_or_default();
    let arch = match std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => "x86",
        Ok("aarch64") => "arm64",
        other => panic!("nfscope runs on x86_64 and aarch64, not on {other:?}"),
    };
    for (dir, name) in [
        ("changes", "firewall"),
        ("drop", "drop"),
        ("preempt", "preempt"),
        ("probe", "probe"),
        ("hook", "hook"),
        ("legacy", "changes"),
        ("legacy", "ebtables"),
        ("legacy", "legacy"),
        ("resets", "netfilter"),
        ("resets", "reject_tables"),
        ("resets", "resets"),
        ("stacks", "stacks"),
        ("trace", "tables"),
        ("trace", "trace"),
    ] {
        let source = format!("src/{dir}/{name}.bpf.c");
        for (variant, typed) in [("plain", "0"), ("typed", "1")] {
            let object = out.join(format!("{name}.{variant}.bpf.o"));
            compile(Path::new(&source), &object, (arch, typed), &include);
        }
    }
    for dir in [
        "bpf", "changes", "drop", "hook", "legacy", "preempt", "probe", "resets", "stacks", "trace",
    ] {
        println!("cargo:rerun-if-changed=src/{dir}");
    }
    println!("cargo:rerun-if-changed=../nfscope-filter/include");
}

/// CO-RE needs `-g`; the DWARF that comes with it is of no use in the binary.
fn compile(source: &Path, object: &Path, (arch, typed): (&str, &str), include: &str) {
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    println!("cargo:rerun-if-env-changed=CLANG");
    run(Command::new(clang)
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"])
        .arg(format!("-D__TARGET_ARCH_{arch}"))
        .arg(format!("-DTYPED_CASTS={typed}"))
        .arg(format!("-I{include}"))
        .arg("-I../nfscope-filter/include")
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(object));
    let strip = std::env::var("LLVM_STRIP").unwrap_or_else(|_| "llvm-strip".into());
    println!("cargo:rerun-if-env-changed=LLVM_STRIP");
    run(Command::new(strip).arg("-g").arg(object));
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{command:?} ended with {status}"),
        Err(e) => panic!("{command:?} did not start: {e}; install clang and llvm"),
    }
}
