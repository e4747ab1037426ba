//! A suite's signed `InRelease` file: the checksums of its indices.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::download;

/// Debian's archive keys, of the package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A suite's list of index files.
pub struct Release {
    text: String,
}

impl Release {
    /// Fetch the suite's current list into `folder` and check its signature.
    ///
    /// # Errors
    /// When it cannot be had, or gpgv does not accept its signature.
    pub fn fetch(mirror: &str, suite: &str, folder: &Path) -> Result<Self> {
        let file = folder.join(format!("InRelease.{suite}.{}", std::process::id()));
        let url = format!("{mirror}/dists/{suite}/InRelease");
        let result = download::fetch(&url, &file, None).and_then(|()| verified(&file, suite));
        let _ = fs::remove_file(&file);
        Ok(Self { text: result? })
    }

    /// SHA256 of an index file, `main/binary-amd64/Packages.xz`.
    pub fn sha256(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines().skip_while(|line| *line != "SHA256:").skip(1);
        lines.by_ref().take_while(|line| line.starts_with(' ')).find_map(|line| {
            let mut words = line.split_whitespace();
            let (sum, _size, file) = (words.next()?, words.next()?, words.next()?);
            (file == name).then_some(sum)
        })
    }
}

/// The file's text: what was signed, where the signature can be checked.
fn verified(file: &Path, suite: &str) -> Result<String> {
    if !Path::new(KEYRING).exists() || !has_gpgv() {
        eprintln!(
            "nfscope-lab: the signature of suite {suite} is not checked: gpgv or \
             debian-archive-keyring is not installed"
        );
        return fs::read_to_string(file).context("cannot read InRelease");
    }
    let output = Command::new("gpgv")
        .args(["--quiet", "--keyring", KEYRING, "--output", "-"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .context("cannot run gpgv")?;
    if !output.status.success() {
        bail!(
            "the signature of suite {suite} is not good: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).context("InRelease is not text")
}

fn has_gpgv() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("gpgv"))
        .any(|file: PathBuf| file.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_right_section() {
        let text = "Suite: x\nMD5Sum:\n 0a 5 main/Packages.xz\nSHA256:\n 1b 5 main/Other\n \
                    2c 5 main/Packages.xz\nSHA512:\n 3d 5 main/Late\n";
        let release = Release { text: text.to_owned() };
        assert_eq!(release.sha256("main/Packages.xz"), Some("2c"));
        assert_eq!(release.sha256("main/Late"), None);
    }
}
