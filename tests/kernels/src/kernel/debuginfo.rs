//! Debian's debug packages: the kernel image and one module with debug information.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::spec::KernelSpec;
use crate::{
    archive::{download, index, mirror, version},
    cache::Cache,
    shell,
};

/// What is kept of a package, which is most of 2 GB.
const KEPT: [&str; 2] = ["*/boot/vmlinux-*", "*/nf_tables.ko*"];

/// A kernel's debug files.
pub struct DebugInfo {
    /// The kernel's release.
    pub release: String,
    /// The kernel image.
    pub vmlinux: PathBuf,
    /// The module nf_tables.
    pub module: PathBuf,
}

impl DebugInfo {
    /// The cached debug files that fit, else the archive's newest.
    ///
    /// # Errors
    /// When none is cached and none can be had.
    pub fn ensure(cache: &Cache, spec: &KernelSpec) -> Result<Self> {
        let folder = cache.folder("debuginfo")?;
        let mut releases = Vec::new();
        for entry in fs::read_dir(&folder)? {
            releases.extend(entry?.file_name().into_string().ok());
        }
        releases.retain(|release| spec.matches(release));
        match releases.into_iter().max_by(|a, b| version::compare(a, b)) {
            Some(release) => Self::at(&folder, release),
            None => Self::at(&folder, fetch(cache, spec, &folder)?),
        }
    }

    fn at(folder: &Path, release: String) -> Result<Self> {
        let root = folder.join(&release).join("usr/lib/debug");
        let inside = "kernel/net/netfilter/nf_tables.ko";
        let module = ["lib/modules", "usr/lib/modules"]
            .map(|modules| root.join(modules).join(&release).join(inside))
            .into_iter()
            .find(|path| path.exists())
            .with_context(|| format!("the debug package of {release} has no nf_tables.ko"))?;
        Ok(Self { vmlinux: root.join(format!("boot/vmlinux-{release}")), module, release })
    }
}

/// Fetch and unpack the newest debug package that fits; returns its release.
fn fetch(cache: &Cache, spec: &KernelSpec, folder: &Path) -> Result<String> {
    let Some(suite) = &spec.suite else {
        bail!(
            "no debug files of {spec} in the cache; name its Debian suite: SUITE:{}",
            spec.prefix
        );
    };
    let mirror = mirror::find()?;
    let architecture = spec.architecture().debian();
    let release_of = |name: &str| {
        let release = name.strip_prefix("linux-image-")?.strip_suffix("-dbg")?;
        spec.matches(release).then(|| release.to_owned())
    };
    let packages = index::read(&mirror, suite, architecture, &cache.folder("index")?, |package| {
        release_of(&package.name).is_some()
    })?;
    let package = packages
        .iter()
        .max_by(|a, b| version::compare(&a.version, &b.version))
        .with_context(|| format!("suite {suite} has no debug package of {spec}"))?;
    let release = release_of(&package.name).context("the package's name has no release")?;
    eprintln!("nfscope-lab: fetching {}", package.name);
    let work = cache.work()?;
    let (deb, tree) = (work.path().join("package.deb"), work.path().join("tree"));
    fs::create_dir(&tree)?;
    let url = format!("{mirror}/{}", package.filename);
    download::fetch(&url, &deb, Some(&package.sha256))?;
    let script = r#"set -o pipefail; deb=$1 tree=$2; shift 2
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tree" --wildcards "$@""#;
    let words = [Path::new("-c"), Path::new(script), Path::new("bash"), &deb, &tree];
    shell::run("bash", words.into_iter().chain(KEPT.map(Path::new)))?;
    let target = folder.join(&release);
    match fs::rename(&tree, &target) {
        // Another run was faster.
        Err(_) if target.exists() => {}
        result => result.with_context(|| format!("cannot move to {}", target.display()))?,
    }
    Ok(release)
}
