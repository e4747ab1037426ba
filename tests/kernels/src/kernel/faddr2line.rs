//! The kernel's script faddr2line, from Debian's package of the kernel's source.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    archive::{download, index, mirror},
    cache::Cache,
    shell,
};

/// No smaller package has the script; it does not depend on the kernel that it is asked about.
const SUITE: &str = "trixie";
const PACKAGE: &str = "linux-source-6.12";
const ARCHITECTURE: &str = "amd64";
const NAME: &str = "faddr2line";

/// The cached script, else the one from the archive, of whose 150 MB nothing else is kept.
///
/// # Errors
/// When it is not cached and cannot be had.
pub fn script(cache: &Cache) -> Result<PathBuf> {
    let target = cache.folder("scripts")?.join(NAME);
    if target.exists() {
        return Ok(target);
    }
    let mirror = mirror::find()?;
    let index = cache.folder("index")?;
    let packages = index::read(&mirror, SUITE, ARCHITECTURE, &index, |p| p.name == PACKAGE)?;
    let package =
        packages.first().with_context(|| format!("suite {SUITE} has no package {PACKAGE}"))?;
    eprintln!("nfscope-lab: fetching {PACKAGE} for {NAME}");
    let work = cache.work()?;
    let (deb, script) = (work.path().join("package.deb"), work.path().join(NAME));
    download::fetch(&format!("{mirror}/{}", package.filename), &deb, Some(&package.sha256))?;
    let unpack = r#"set -o pipefail
        dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards '*/linux-source-*.tar.xz' |
            tar -xJO --wildcards '*/scripts/faddr2line' >"$2" && chmod +x "$2""#;
    let words = [Path::new("-c"), Path::new(unpack), Path::new("bash"), &deb, &script];
    shell::run("bash", words)?;
    fs::rename(&script, &target).with_context(|| format!("cannot move to {}", target.display()))?;
    Ok(target)
}
