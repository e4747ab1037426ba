//! File system images.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::shell;

/// Room for a guest's own files, in bytes; the image file is sparse.
const FREE: u64 = 512 << 20;

/// Make an ext4 image of a folder, without needing root.
///
/// # Errors
/// When the folder cannot be read or mke2fs fails.
pub fn ext4(folder: &Path, image: &Path) -> Result<()> {
    // Every file takes whole blocks and an inode.
    let size = disk_use(folder)? * 11 / 10 + FREE;
    let arguments: [&Path; 12] = [
        "-q".as_ref(),
        "-F".as_ref(),
        "-t".as_ref(),
        "ext4".as_ref(),
        "-O".as_ref(),
        "^has_journal,^metadata_csum".as_ref(),
        "-m".as_ref(),
        "0".as_ref(),
        "-d".as_ref(),
        folder,
        image,
        &PathBuf::from(format!("{}M", size >> 20)),
    ];
    shell::run("mke2fs", arguments)
}

/// Bytes that the files below a folder take in blocks of 4 KiB, with their inodes.
fn disk_use(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += metadata.len().next_multiple_of(4096) + 512;
        if metadata.is_dir() {
            sum += disk_use(&entry.path())?;
        }
    }
    Ok(sum)
}
