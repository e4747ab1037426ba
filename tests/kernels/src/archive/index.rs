//! A suite's Packages index.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{download, package::Package, release::Release};

/// Read the suite's current index and return the packages that `keep` wants.
///
/// The compressed index stays in `folder` until the suite changes.
///
/// # Errors
/// When the index cannot be had, is not what the signed release says, or is
/// not an index.
pub fn read(
    mirror: &str,
    suite: &str,
    architecture: &str,
    folder: &Path,
    keep: impl Fn(&Package) -> bool,
) -> Result<Vec<Package>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let name = format!("main/binary-{architecture}/Packages.xz");
    let release = Release::fetch(mirror, suite, folder)?;
    let Some(sum) = release.sha256(&name) else {
        bail!("suite {suite} has no {name}");
    };
    let prefix = format!("Packages.{suite}.{architecture}.");
    let file = folder.join(format!("{prefix}{}.xz", sum.get(..16).unwrap_or(sum)));
    if !file.exists() {
        remove_older(folder, &prefix);
        download::fetch(&format!("{mirror}/dists/{suite}/{name}"), &file, Some(sum))?;
    }
    decompress(&file, keep).with_context(|| format!("cannot read {}", file.display()))
}

fn remove_older(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            // Another run may have been faster; a leftover only costs space.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn decompress(file: &Path, keep: impl Fn(&Package) -> bool) -> Result<Vec<Package>> {
    let mut child = Command::new("xz")
        .arg("-dc")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run xz; install xz-utils")?;
    let stdout = child.stdout.take().context("xz has no output")?;
    let packages = stanzas(BufReader::new(stdout), keep)?;
    let status = child.wait()?;
    if !status.success() {
        bail!("xz failed: {status}");
    }
    Ok(packages)
}

/// Stanzas are separated by empty lines.
fn stanzas(reader: impl BufRead, keep: impl Fn(&Package) -> bool) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut take = |lines: &mut Vec<String>| {
        let package = Package::parse(lines.iter().map(String::as_str));
        packages.extend(package.filter(|package| keep(package)));
        lines.clear();
    };
    for line in reader.lines() {
        let line = line?;
        if line.is_empty() {
            take(&mut lines);
        } else {
            lines.push(line);
        }
    }
    take(&mut lines);
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_filters() {
        let text = "Package: a\nFilename: a.deb\n\nPackage: b\nFilename: b.deb\n\n\
                    Package: c\nFilename: c.deb";
        let found = stanzas(text.as_bytes(), |package| package.name != "b").unwrap();
        let names: Vec<_> = found.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
