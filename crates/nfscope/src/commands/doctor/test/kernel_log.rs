//! The kernel log, from now on (`/dev/kmsg`). Reading takes nothing from others.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;

const PATH: &str = "/dev/kmsg";
/// `PRINTK_MESSAGE_MAX` and more: what is longer cannot be read.
const LONGEST: usize = 8192;

/// What was logged since it was opened.
pub struct KernelLog {
    file: File,
    lines: Vec<String>,
}

impl KernelLog {
    /// Begins to listen.
    pub fn open() -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(PATH);
        let mut file = file.context("the kernel log (/dev/kmsg) cannot be read")?;
        file.seek(SeekFrom::End(0)).context("the kernel log (/dev/kmsg) cannot be read")?;
        Ok(Self { file, lines: Vec::new() })
    }

    /// The first line since then with all of these parts.
    pub fn find(&mut self, parts: &[&str]) -> anyhow::Result<Option<&str>> {
        let mut record = [0; LONGEST];
        loop {
            match self.file.read(&mut record) {
                Ok(0) => break,
                Ok(length) => {
                    self.lines.push(String::from_utf8_lossy(&record[..length]).into_owned());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // what was overwritten meanwhile is gone: on with what is there
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the kernel log cannot be read"),
            }
        }
        let fits = |line: &&String| parts.iter().all(|part| line.contains(part));
        Ok(self.lines.iter().find(fits).map(String::as_str))
    }
}
