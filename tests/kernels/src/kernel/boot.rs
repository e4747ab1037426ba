//! The initial RAM disk: an archive in cpio's `newc` form.
//!
//! The kernel unpacks several archives one behind the other, so the part that
//! belongs to the kernel (BusyBox, the modules of the disks and the console) is
//! made once, and the part that belongs to the lab (`/init`) at each start.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// Modules without which no disk, root file system or console comes up. What a
/// kernel has built in, it has no file for.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_blk", "virtio_console", "ext4", "virtio_rng"];
const FILE: u32 = 0o100_755;
const FOLDER: u32 = 0o040_755;

/// An archive under construction (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
pub struct Cpio {
    bytes: Vec<u8>,
}

impl Cpio {
    /// Add an executable file.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, FILE, content);
    }

    /// Add a folder.
    pub fn folder(&mut self, name: &str) {
        self.entry(name, FOLDER, &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        // inode, mode, uid, gid, nlink, mtime, size, four device numbers,
        // length of the name with its zero, checksum
        let fields = [0, mode as usize, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents start at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The kernel's part. `modules` is the release's folder with `modules.dep`.
///
/// # Errors
/// When a module or BusyBox cannot be read.
pub fn kernel_part(modules: &Path, busybox: &Path) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for folder in ["bin", "dev", "proc", "new", "modules"] {
        cpio.folder(folder);
    }
    let program =
        fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    cpio.file("bin/busybox", &program);
    let table =
        fs::read_to_string(modules.join("modules.dep")).context("cannot read modules.dep")?;
    for (number, file) in load_order(&table).iter().enumerate() {
        let content = decompressed(&modules.join(file))?;
        cpio.file(&format!("modules/{number:02}.ko"), &content);
    }
    Ok(cpio.finish())
}

/// The files of [`MODULES`] and what they need, each behind what it needs.
///
/// A line of `modules.dep` is `file: dependency…`, where the last dependency
/// has to be loaded first.
fn load_order(table: &str) -> Vec<PathBuf> {
    let lines: HashMap<&str, (&str, &str)> = table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(file, needs)| {
            let name = file.rsplit('/').next()?.split('.').next()?;
            Some((name, (file, needs)))
        })
        .collect();
    let mut order: Vec<PathBuf> = Vec::new();
    for (file, needs) in MODULES.iter().filter_map(|name| lines.get(name)) {
        for next in needs.split_whitespace().rev().chain([*file]).map(PathBuf::from) {
            if !order.contains(&next) {
                order.push(next);
            }
        }
    }
    order
}

fn decompressed(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
    };
    let output = Command::new(program)
        .arg("-dc")
        .arg(file)
        .output()
        .with_context(|| format!("cannot run {program}; install it"))?;
    if !output.status.success() {
        bail!("{program} -dc {} failed: {}", file.display(), output.status);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_first() {
        let table = "kernel/a/virtio_blk.ko.xz: kernel/v/virtio.ko.xz\n\
                     kernel/v/virtio.ko.xz:\n\
                     kernel/v/virtio_pci.ko: kernel/v/ring.ko kernel/v/virtio.ko.xz\n\
                     kernel/x/other.ko:\n";
        let order = load_order(table);
        let names: Vec<_> = order.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "kernel/v/virtio.ko.xz",
                "kernel/v/ring.ko",
                "kernel/v/virtio_pci.ko",
                "kernel/a/virtio_blk.ko.xz"
            ]
        );
    }

    #[test]
    fn archive_layout() {
        let mut cpio = Cpio::default();
        cpio.file("init", b"abcde");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[54..62], b"00000005");
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..121], b"abcde");
    }
}
