//! Trees of Debian packages for a guest's architecture: its root file system,
//! and the headers and static libraries to build programs for it.
//!
//! Packages of one suite are unpacked without running their maintainer scripts:
//! that needs neither root nor a processor of the guest's architecture. The
//! little that the scripts would have done is in [`tree`].

mod packages;
pub mod sysroot;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    archive::{download, index, mirror},
    cache::Cache,
    image,
    kernel::spec::Architecture,
    shell,
};

/// The suite of the guest's programs.
const SUITE: &str = "trixie";
/// Counts changes of this room that must rebuild what was made.
const EDITION: u32 = 1;

/// A finished root file system.
#[derive(Debug, Clone)]
pub struct Root {
    folder: PathBuf,
}

impl Root {
    /// The ext4 image.
    pub fn image(&self) -> PathBuf {
        self.folder.join("image")
    }

    /// The statically linked BusyBox of the same architecture.
    pub fn busybox(&self) -> PathBuf {
        self.folder.join("busybox")
    }

    /// The cached root file system, or a new one.
    ///
    /// # Errors
    /// When it is not cached and packages cannot be had or unpacked.
    pub fn ensure(cache: &Cache, architecture: Architecture) -> Result<Self> {
        let wanted = packages::wanted(architecture);
        let folder = cache.folder("root")?.join(folder_name(architecture, SUITE, &wanted));
        if !folder.exists() {
            build(cache, architecture, &wanted, &folder).with_context(|| {
                format!("cannot make the {} root file system", architecture.debian())
            })?;
        }
        Ok(Self { folder })
    }
}

/// Another list of packages, another folder.
fn folder_name(architecture: Architecture, suite: &str, wanted: &[&str]) -> String {
    let recipe = fingerprint(&format!("{EDITION} {suite} {}", wanted.join(" ")));
    format!("{}-{recipe:016x}", architecture.debian())
}

fn build(cache: &Cache, architecture: Architecture, wanted: &[&str], folder: &Path) -> Result<()> {
    eprintln!("nfscope-lab: making the {} root file system", architecture.debian());
    let work = cache.work()?;
    let (tree, finished) = (work.path().join("tree"), work.path().join("finished"));
    fs::create_dir(&finished)?;
    unpack(cache, architecture, SUITE, wanted, &tree)?;
    let busybox = tree.join("usr/bin/busybox");
    if !busybox.exists() {
        bail!("the package busybox-static has no /usr/bin/busybox");
    }
    fs::copy(&busybox, finished.join("busybox"))?;
    tree::finish(&tree)?;
    image::ext4(&tree, &finished.join("image"))?;
    put(&finished, folder)
}

/// Fetch packages with all that they depend on, and unpack them to a new folder.
fn unpack(
    cache: &Cache,
    architecture: Architecture,
    suite: &str,
    wanted: &[&str],
    tree: &Path,
) -> Result<()> {
    let mirror = mirror::find()?;
    let all =
        index::read(&mirror, suite, architecture.debian(), &cache.folder("index")?, |_| true)?;
    let debs = cache.folder("deb")?;
    fs::create_dir(tree)?;
    for package in packages::closure(&all, wanted)? {
        let deb = debs.join(package.basename());
        let url = format!("{mirror}/{}", package.filename);
        download::fetch(&url, &deb, Some(&package.sha256))?;
        // dpkg-deb -x would replace /bin and the like, links to /usr/bin, by
        // folders where a package still ships files there.
        let script = "dpkg-deb --fsys-tarfile \"$1\" | tar -x --keep-directory-symlink -C \"$2\"";
        let arguments = ["-o", "pipefail", "-c", script, "unpack"].map(Into::into);
        let paths = [deb.into_os_string(), tree.to_path_buf().into_os_string()];
        shell::run("bash", arguments.into_iter().chain(paths))?;
    }
    Ok(())
}

/// Move finished work to its place in the cache.
fn put(finished: &Path, folder: &Path) -> Result<()> {
    match fs::rename(finished, folder) {
        // Another run was faster.
        Err(_) if folder.exists() => Ok(()),
        result => result.with_context(|| format!("cannot move to {}", folder.display())),
    }
}

/// FNV-1a: tells recipes apart, stable over releases of the compiler.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
