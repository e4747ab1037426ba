//! Files on their way into the guest.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use anyhow::{Context, Result, bail};

use super::Job;
use crate::shell;

/// A disk's block, in bytes.
const BLOCK: u64 = 512;

/// Gather the job's files in `staging` and pack them as a disk image.
///
/// # Errors
/// When a file cannot be read.
pub fn pack(job: &Job, staging: &Path, archive: &Path) -> Result<()> {
    fs::create_dir_all(staging.join(".lab"))?;
    for (name, source) in &job.share {
        if !source.exists() {
            bail!("{} does not exist", source.display());
        }
        let target = staging.join(name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        // A folder's content goes into the folder that may be there already.
        let source = if source.is_dir() { source.join(".") } else { source.clone() };
        if source.is_dir() {
            fs::create_dir_all(&target)?;
        }
        shell::run("cp", [Path::new("-rLp"), &source, &target])?;
    }
    fs::write(staging.join(".lab/init.sh"), include_str!("../../guest/init.sh"))?;
    fs::write(staging.join(".lab/command"), format!("{}\n", job.command))?;
    shell::run("tar", [Path::new("-cf"), archive, Path::new("-C"), staging, Path::new(".")])?;
    let file = OpenOptions::new().write(true).open(archive).context("cannot open the archive")?;
    let length = file.metadata()?.len();
    file.set_len(length.next_multiple_of(BLOCK))?;
    Ok(())
}
