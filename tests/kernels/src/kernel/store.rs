//! Kernels in the cache.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    boot,
    spec::{Architecture, KernelSpec},
};
use crate::{
    archive::{download, index, mirror, package::Package, version},
    cache::Cache,
    image,
    root::Root,
    shell,
};

/// Folders of modules that no guest here can use; they are most of a kernel's.
const UNUSED: [&str; 2] = ["drivers/net/ethernet", "drivers/net/wireless"];
/// What is kept of `drivers/`.
const DRIVERS: [&str; 5] = ["block", "char", "net", "vhost", "virtio"];

/// A kernel that is ready to boot.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its full release, `6.12.107+deb13-cloud-amd64`.
    pub release: String,
    /// What it runs on.
    pub architecture: Architecture,
    folder: PathBuf,
}

impl Kernel {
    /// The kernel image.
    pub fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// Its part of the initial RAM disk.
    pub fn boot_part(&self) -> PathBuf {
        self.folder.join("boot.cpio")
    }

    /// An ext4 image of `/usr/lib/modules`.
    pub fn modules(&self) -> PathBuf {
        self.folder.join("modules")
    }

    /// The cached kernel that fits, the newest if there are several; else the
    /// archive's newest.
    ///
    /// # Errors
    /// When none is cached and none can be had.
    pub fn ensure(cache: &Cache, spec: &KernelSpec, root: &Root) -> Result<Self> {
        let kernels = cache.folder("kernels")?;
        if let Some(release) = newest_cached(&kernels, spec)? {
            return Ok(Self::at(&kernels, release, spec));
        }
        let Some(suite) = &spec.suite else {
            bail!("no kernel {spec} in the cache; name its Debian suite: SUITE:{}", spec.prefix);
        };
        let release = build(cache, spec, suite, root, &kernels)
            .with_context(|| format!("cannot fetch kernel {spec} of {suite}"))?;
        Ok(Self::at(&kernels, release, spec))
    }

    fn at(kernels: &Path, release: String, spec: &KernelSpec) -> Self {
        let folder = kernels.join(&release);
        Self { release, architecture: spec.architecture(), folder }
    }
}

fn newest_cached(kernels: &Path, spec: &KernelSpec) -> Result<Option<String>> {
    let mut releases = Vec::new();
    for entry in fs::read_dir(kernels)? {
        releases.extend(entry?.file_name().into_string().ok());
    }
    releases.retain(|release| spec.matches(release));
    Ok(releases.into_iter().max_by(|a, b| version::compare(a, b)))
}

/// Fetch the newest kernel that fits; returns its release.
fn build(
    cache: &Cache,
    spec: &KernelSpec,
    suite: &str,
    root: &Root,
    kernels: &Path,
) -> Result<String> {
    let mirror = mirror::find()?;
    let architecture = spec.architecture().debian();
    let packages = index::read(&mirror, suite, architecture, &cache.folder("index")?, |package| {
        package.name.starts_with("linux-")
    })?;
    let (release, parts) = choose(&packages, spec)
        .with_context(|| format!("suite {suite} has no linux-image of {spec}"))?;
    eprintln!("nfscope-lab: fetching kernel {release}");
    let work = cache.work()?;
    let (tree, finished) = (work.path().join("tree"), work.path().join("finished"));
    fs::create_dir(&finished)?;
    let debs = cache.folder("deb")?;
    for package in parts {
        let deb = debs.join(package.basename());
        let url = format!("{mirror}/{}", package.filename);
        download::fetch(&url, &deb, Some(&package.sha256))?;
        shell::run("dpkg-deb", [Path::new("-x"), &deb, &tree])?;
    }
    copy_boot_file(&tree, &release, &["vmlinuz", "vmlinux"], &finished.join("vmlinuz"))?;
    let modules = stage_modules(&tree, &release, &work.path().join("stage"))?;
    // Where the kernel has no /proc/config.gz, its configuration is read here.
    copy_boot_file(&tree, &release, &["config"], &modules.join("config"))?;
    let part = boot::kernel_part(&modules, &root.busybox())?;
    fs::write(finished.join("boot.cpio"), part)?;
    let all = modules.parent().context("modules have no folder")?;
    image::ext4(all, &finished.join("modules"))?;
    let folder = kernels.join(&release);
    match fs::rename(&finished, &folder) {
        // Another run was faster.
        Err(_) if folder.exists() => {}
        result => result.with_context(|| format!("cannot move to {}", folder.display()))?,
    }
    Ok(release)
}

/// The newest release that fits, and the packages that its files are in.
///
/// `linux-image-RELEASE` holds all files, or depends on packages that each hold
/// a part and have the release in their names too.
fn choose<'a>(packages: &'a [Package], spec: &KernelSpec) -> Option<(String, Vec<&'a Package>)> {
    let fits = |package: &Package| {
        package.name.strip_prefix("linux-image-").is_some_and(|release| spec.matches(release))
    };
    let image = packages
        .iter()
        .filter(|package| fits(package))
        .max_by(|a, b| version::compare(&a.version, &b.version))?;
    let release = image.name.strip_prefix("linux-image-")?;
    let is_part =
        |name: &String| name.strip_suffix(release).is_some_and(|rest| rest.ends_with('-'));
    let needed: Vec<&String> =
        image.depends.iter().flatten().filter(|name| is_part(name)).collect();
    let parts = packages
        .iter()
        .filter(|package| package.name == image.name || needed.contains(&&package.name))
        .filter(|package| package.version == image.version)
        .collect();
    Some((release.to_owned(), parts))
}

/// Copy a file that is `/boot/NAME-RELEASE`, or `NAME` beside the modules.
fn copy_boot_file(tree: &Path, release: &str, names: &[&str], target: &Path) -> Result<()> {
    let file = names
        .iter()
        .flat_map(|name| {
            [
                format!("boot/{name}-{release}"),
                format!("usr/lib/modules/{release}/{name}"),
                format!("lib/modules/{release}/{name}"),
            ]
        })
        .map(|name| tree.join(name))
        .find(|file| file.exists())
        .with_context(|| format!("the package has no {}", names.join(" or ")))?;
    fs::copy(&file, target).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// Copy the useful modules to `stage` and list their dependencies; returns the
/// release's folder there.
fn stage_modules(tree: &Path, release: &str, stage: &Path) -> Result<PathBuf> {
    let source = ["lib/modules", "usr/lib/modules"]
        .map(|folder| tree.join(folder).join(release))
        .into_iter()
        .find(|folder| folder.exists())
        .context("the package has no modules")?;
    let target = stage.join("lib/modules").join(release);
    fs::create_dir_all(&target)?;
    // depmod looks into one or the other, as it was built.
    fs::create_dir_all(stage.join("usr"))?;
    std::os::unix::fs::symlink("../lib", stage.join("usr/lib"))?;
    for entry in fs::read_dir(&source)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && name.to_string_lossy().starts_with("modules.") {
            fs::copy(entry.path(), target.join(name))?;
        }
    }
    copy_modules(&source.join("kernel"), &target.join("kernel"), Path::new(""))?;
    shell::run("depmod", [Path::new("-b"), stage, Path::new(release)])?;
    Ok(target)
}

fn copy_modules(source: &Path, target: &Path, inside: &Path) -> Result<()> {
    fs::create_dir_all(target.join(inside))?;
    for entry in fs::read_dir(source.join(inside))? {
        let entry = entry?;
        let name = inside.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), target.join(&name))?;
        } else if is_used(&name) {
            copy_modules(source, target, &name)?;
        }
    }
    Ok(())
}

fn is_used(folder: &Path) -> bool {
    let driver = folder.strip_prefix("drivers").ok().and_then(|rest| rest.components().next());
    let wanted = driver.is_none_or(|kind| DRIVERS.iter().any(|wanted| kind.as_os_str() == *wanted));
    wanted
        && folder != Path::new("sound")
        && !UNUSED.iter().any(|unused| folder == Path::new(unused))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, depends: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            depends: depends.iter().map(|name| vec![(*name).to_owned()]).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn newest_release_with_its_parts() {
        let packages = [
            package("linux-image-6.12.94+deb13-cloud-amd64", "6.12.94-1", &[]),
            package("linux-image-6.12.107+deb13-cloud-amd64", "6.12.107-1", &["kmod"]),
            package("linux-image-6.12.107+deb13-cloud-amd64-unsigned", "6.12.107-1", &[]),
            package("linux-image-cloud-amd64", "6.12.107-1", &[]),
            package(
                "linux-image-7.2.1-cloud-amd64",
                "7.2.1-1",
                &["linux-base", "linux-base-7.2.1-cloud-amd64", "linux-modules-7.2.1-cloud-amd64"],
            ),
            package("linux-base-7.2.1-cloud-amd64", "7.2.1-1", &[]),
            package("linux-base", "4.12", &[]),
            package("linux-modules-7.2.1-cloud-amd64", "7.2.1-1", &[]),
        ];
        let names = |text: &str| {
            let (release, parts) = choose(&packages, &text.parse().unwrap()).unwrap();
            (release, parts.iter().map(|package| package.name.as_str()).collect::<Vec<_>>())
        };
        let (release, parts) = names("6.12");
        assert_eq!(release, "6.12.107+deb13-cloud-amd64");
        assert_eq!(parts, ["linux-image-6.12.107+deb13-cloud-amd64"]);
        let (_, parts) = names("7.2");
        assert_eq!(
            parts,
            [
                "linux-image-7.2.1-cloud-amd64",
                "linux-base-7.2.1-cloud-amd64",
                "linux-modules-7.2.1-cloud-amd64"
            ]
        );
        assert!(choose(&packages, &"5.10".parse().unwrap()).is_none());
    }

    #[test]
    fn unused_modules() {
        assert!(is_used(Path::new("net/netfilter")));
        assert!(is_used(Path::new("drivers")));
        assert!(is_used(Path::new("drivers/net/wireguard")));
        assert!(!is_used(Path::new("drivers/gpu")));
        assert!(!is_used(Path::new("drivers/net/ethernet")));
        assert!(!is_used(Path::new("sound")));
    }
}
