//! Tells the linker how to link libpcap.
//!
//! By default the shared library of the system. With the feature `static`
//! `libpcap.a` is looked for in the folder named by the environment variable
//! `NFSCOPE_LIBPCAP_DIR`, else where Debian and most other distributions
//! install it for the target.
//!
//! With the feature `kernel-test` it also compiles the example's BPF object.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_KERNEL_TEST").is_some() {
        compile_stub();
    }
    if env::var_os("CARGO_FEATURE_STATIC").is_none() {
        println!("cargo:rustc-link-lib=dylib=pcap");
        return;
    }
    println!("cargo:rerun-if-env-changed=NFSCOPE_LIBPCAP_DIR");
    if let Some(dir) = archive_dir() {
        println!("cargo:rustc-link-search=native={}", dir.display());
    }
    // Not bundled into the rlib: this crate's own objects must come first on
    // the linker's command line, so that `stand_ins` satisfies the references
    // to capture back ends before the archive is searched for them.
    println!("cargo:rustc-link-lib=static:-bundle=pcap");
}

fn archive_dir() -> Option<PathBuf> {
    if let Some(dir) = env::var_os("NFSCOPE_LIBPCAP_DIR") {
        return Some(PathBuf::from(dir));
    }
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    [format!("/usr/lib/{arch}-linux-gnu"), "/usr/lib64".to_string(), "/usr/lib".to_string()]
        .iter()
        .map(PathBuf::from)
        .find(|dir| Path::new(dir).join("libpcap.a").exists())
}

fn compile_stub() {
    const SOURCE: &str = "tests/stub.bpf.c";
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-changed=include/packet_filter.h");
    println!("cargo:rerun-if-env-changed=CLANG");
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_string());
    let object = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("stub.bpf.o");
    let status = Command::new(&clang)
        .args([
            "-target",
            "bpfel",
            "-mcpu=v3",
            "-O2",
            "-g",
            "-Wall",
            "-Iinclude",
            "-c",
            SOURCE,
            "-o",
        ])
        .arg(&object)
        .status();
    if !status.as_ref().is_ok_and(|status| status.success()) {
        println!("cargo::error=cannot compile {SOURCE} with {clang}: {status:?}");
    }
}
