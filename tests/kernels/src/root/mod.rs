//! The guest's root file system.
//!
//! Packages of one Debian suite are unpacked into a tree without running their
//! maintainer scripts: that needs neither root nor a processor of the guest's
//! architecture. The little that the scripts would have done is in [`tree`].

mod packages;
mod tree;

use std::{fs, path::PathBuf};

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
/// Counts changes of this room that must rebuild images already made.
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
        let recipe = fingerprint(&format!("{EDITION} {SUITE} {}", wanted.join(" ")));
        let name = format!("{}-{recipe:016x}", architecture.debian());
        let folder = cache.folder("root")?.join(name);
        if !folder.exists() {
            build(cache, architecture, &wanted, &folder).with_context(|| {
                format!("cannot make the {} root file system", architecture.debian())
            })?;
        }
        Ok(Self { folder })
    }
}

fn build(
    cache: &Cache,
    architecture: Architecture,
    wanted: &[&str],
    folder: &PathBuf,
) -> Result<()> {
    eprintln!("nfscope-lab: making the {} root file system", architecture.debian());
    let mirror = mirror::find()?;
    let all =
        index::read(&mirror, SUITE, architecture.debian(), &cache.folder("index")?, |_| true)?;
    let chosen = packages::closure(&all, wanted)?;
    let work = cache.work()?;
    let (tree, finished) = (work.path().join("tree"), work.path().join("finished"));
    fs::create_dir(&tree)?;
    fs::create_dir(&finished)?;
    let debs = cache.folder("deb")?;
    for package in chosen {
        let deb = debs.join(package.basename());
        let url = format!("{mirror}/{}", package.filename);
        download::fetch(&url, &deb, Some(&package.sha256))?;
        // dpkg-deb -x would replace /bin and the like, links to /usr/bin, by
        // folders where a package still ships files there.
        let script = "dpkg-deb --fsys-tarfile \"$1\" | tar -x --keep-directory-symlink -C \"$2\"";
        let arguments = ["-o", "pipefail", "-c", script, "unpack"].map(Into::into);
        let paths = [deb.into_os_string(), tree.clone().into_os_string()];
        shell::run("bash", arguments.into_iter().chain(paths))?;
    }
    let busybox = tree.join("usr/bin/busybox");
    if !busybox.exists() {
        bail!("the package busybox-static has no /usr/bin/busybox");
    }
    fs::copy(&busybox, finished.join("busybox"))?;
    tree::finish(&tree)?;
    image::ext4(&tree, &finished.join("image"))?;
    match fs::rename(&finished, folder) {
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
