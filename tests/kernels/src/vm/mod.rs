//! A virtual machine that boots a kernel, runs one command and ends.

pub mod output;
pub mod qemu;
pub mod share;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    cache::Cache,
    kernel::{boot::Cpio, store::Kernel},
    root::Root,
    shell,
};
use output::{End, Limits};
use qemu::{Disks, Hardware};

/// Lines of the console that a report of a crash shows.
const CONSOLE_TAIL: usize = 40;
/// Room for files that come back from the guest, in bytes; the file is sparse.
const OUT_SIZE: u64 = 512 << 20;

/// What the machine is to do.
#[derive(Debug, Clone)]
pub struct Job {
    /// Run by bash as root, in the folder with the shared files.
    pub command: String,
    /// Files and folders that the guest sees: name there, path here.
    pub share: Vec<(PathBuf, PathBuf)>,
    /// Where the guest's `/tmp/out` comes back to.
    pub out: Option<PathBuf>,
    /// How long all may take.
    pub time_limit: Duration,
    /// How long nothing may be printed.
    pub silence_limit: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with this status.
    Exited(i32),
    /// The machine ended before the command did.
    Died {
        /// One sentence.
        reason: String,
        /// The end of the kernel's console.
        console: String,
    },
}

/// Boot, run the command, hand its output line by line to `line`.
///
/// # Errors
/// When the machine cannot be started at all.
pub fn run(
    cache: &Cache,
    kernel: &Kernel,
    root: &Root,
    hardware: &Hardware,
    job: &Job,
    line: impl FnMut(&str),
) -> Result<Outcome> {
    let work = cache.work()?;
    let path = |name: &str| work.path().join(name);
    let disks = Disks {
        kernel: kernel.image(),
        ram_disk: path("initrd"),
        root: root.image(),
        modules: kernel.modules(),
        share: path("share.tar"),
        out: job.out.is_some().then(|| path("out.img")),
        console: path("console"),
    };
    let mut ram_disk = fs::read(kernel.boot_part()).context("cannot read the cached kernel")?;
    ram_disk.extend(lab_part());
    fs::write(&disks.ram_disk, ram_disk)?;
    share::pack(job, &path("share"), &disks.share)?;
    if let Some(out) = &disks.out {
        fs::File::create(out)?.set_len(OUT_SIZE)?;
    }
    let arguments = hardware.arguments(kernel.architecture, &disks);
    let program = format!("qemu-system-{}", kernel.architecture.machine());
    // The machine must not outlive this process, however it ends.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", &program])
        .args(arguments)
        .env("TMPDIR", work.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run setpriv (package util-linux)")?;
    let limits = Limits { time: job.time_limit, silence: job.silence_limit };
    let end = output::follow(child, limits, line)?;
    if let (Some(image), Some(folder)) = (&disks.out, &job.out) {
        unpack(image, folder)?;
    }
    let console = || tail(&fs::read(&disks.console).unwrap_or_default());
    Ok(match end {
        End::Exited(status) => Outcome::Exited(status),
        End::Died(reason) => Outcome::Died { reason, console: console() },
    })
}

/// The lab's part of the initial RAM disk.
fn lab_part() -> Vec<u8> {
    let mut cpio = Cpio::default();
    cpio.file("init", include_bytes!("../../guest/initrd.sh"));
    cpio.finish()
}

/// A guest that died wrote no archive: an empty image is not an error.
fn unpack(image: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    shell::run("tar", [Path::new("-xf"), image, Path::new("-C"), folder])
        .context("cannot unpack what the guest sent back")
}

fn tail(console: &[u8]) -> String {
    let text = String::from_utf8_lossy(console);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines[lines.len().saturating_sub(CONSOLE_TAIL)..].join("\n")
}
