//! Headers and static libraries of another architecture, for a cross build.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{folder_name, put, unpack};
use crate::{cache::Cache, kernel::spec::Architecture};

/// The static libelf of later suites lacks functions that it calls
/// (`eu_search_tree_init`).
const SUITE: &str = "bookworm";
/// What nfscope is linked with.
const WANTED: [&str; 5] = ["libc6-dev", "libelf-dev", "libgcc-12-dev", "libpcap-dev", "zlib1g-dev"];

/// The cached folder, or a new one. Its `cc` compiles and links for the
/// architecture with clang and lld; its `static` leads to the static libraries.
///
/// # Errors
/// When it is not cached and packages cannot be had or unpacked.
pub fn ensure(cache: &Cache, architecture: Architecture) -> Result<PathBuf> {
    let folder = cache.folder("sysroot")?.join(folder_name(architecture, SUITE, &WANTED));
    if !folder.exists() {
        build(cache, architecture, &folder)
            .with_context(|| format!("cannot make the {} sysroot", architecture.debian()))?;
    }
    Ok(folder)
}

fn build(cache: &Cache, architecture: Architecture, folder: &Path) -> Result<()> {
    eprintln!("nfscope-lab: making the {} sysroot", architecture.debian());
    let work = cache.work()?;
    let tree = work.path().join("tree");
    unpack(cache, architecture, SUITE, &WANTED, &tree)?;
    let triplet = format!("{}-linux-gnu", architecture.machine());
    std::os::unix::fs::symlink(format!("usr/lib/{triplet}"), tree.join("static"))?;
    let compiler = tree.join("cc");
    let script = format!(
        "#!/bin/sh\n\
         exec clang --target={triplet} --sysroot=\"${{0%/*}}\" -fuse-ld=lld \
         -Wno-unused-command-line-argument \"$@\"\n"
    );
    fs::write(&compiler, script)?;
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755))?;
    put(&tree, folder)
}
