//! Downloads that are complete and what they should be, or not there at all.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Fetch `url` to `target` unless the file is there already.
///
/// The bytes go to a file of another name first, which gets the final name
/// once it is complete and its SHA256 is `sha256` (if one is given).
///
/// # Errors
/// When the server cannot be had after several tries, or sends something else.
pub fn fetch(url: &str, target: &Path, sha256: Option<&str>) -> Result<()> {
    if target.exists() {
        return Ok(());
    }
    let mut part = target.as_os_str().to_owned();
    part.push(format!(".{}.part", process::id()));
    let part = PathBuf::from(part);
    let result = fetch_part(url, &part, sha256).and_then(|()| {
        fs::rename(&part, target).with_context(|| format!("cannot rename {}", part.display()))
    });
    if result.is_err() {
        // Best effort: what remains is never taken for the file itself.
        let _ = fs::remove_file(&part);
    }
    result
}

fn fetch_part(url: &str, part: &Path, sha256: Option<&str>) -> Result<()> {
    // Version numbers hold plus signs, which some mirrors read as spaces.
    let url = url.replace('+', "%2B");
    let status = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--location", "--retry", "4"])
        .args(["--retry-all-errors", "--retry-delay", "2", "--connect-timeout", "20"])
        .args(["--speed-limit", "1000", "--speed-time", "60", "--output"])
        .arg(part)
        .arg(&url)
        .stdin(Stdio::null())
        .status()
        .context("cannot run curl; install it")?;
    if !status.success() {
        bail!("cannot download {url} ({status}); check the network and the mirror in /etc/apt");
    }
    let Some(expected) = sha256 else { return Ok(()) };
    let found = self::sha256(part)?;
    if found != expected {
        bail!("{url} has SHA256 {found}, the archive's index says {expected}; try again later");
    }
    Ok(())
}

/// SHA256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(path).output().context("cannot run sha256sum")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim_start_matches('\\').split_whitespace().next() {
        Some(sum) if output.status.success() && sum.len() == 64 => Ok(sum.to_owned()),
        _ => bail!("sha256sum of {} failed: {}", path.display(), output.status),
    }
}
