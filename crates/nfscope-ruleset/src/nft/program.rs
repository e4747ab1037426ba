//! Running nft and iptables-nft-save: found, started, read as they print.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::sys;

/// Where programs are that a user's PATH may lack.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];
/// More than this nobody prints.
const LONGEST: usize = 1 << 30;

/// Finds a program in PATH or where administration programs are.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from));
    places.filter(|place| place.is_absolute()).map(|place| place.join(name)).find(|file| {
        fs::metadata(file)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

/// A program that runs in the starting thread's network namespace and whose
/// output is read without waiting. It is killed when dropped, and when the
/// thread that started it ends.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: ChildStdout,
    output: Vec<u8>,
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C at the terminal is for nfscope, which still wants answers.
        command.process_group(0);
        sys::die_with_parent(&mut command);
        let mut child = command.spawn()?;
        let Some(stdout) = child.stdout.take() else {
            return Err(io::Error::other("no pipe to the program"));
        };
        Ok(Self { child, stdout, output: Vec::new() })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads what is there; call when the pipe is readable. Says whether
    /// more can come.
    pub(crate) fn read(&mut self) -> bool {
        let mut piece = [0; 32 * 1024];
        match self.stdout.read(&mut piece) {
            Ok(length) => {
                self.output.extend_from_slice(&piece[..length]);
                length > 0 && self.output.len() < LONGEST
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }

    /// Takes the complete lines printed so far.
    pub(crate) fn take_lines(&mut self) -> String {
        let end = self.output.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let lines = self.output.drain(..end).collect::<Vec<_>>();
        String::from_utf8_lossy(&lines).into_owned()
    }

    /// Waits for the end of a program that has closed its output. Gives what
    /// it printed, or none if it failed.
    pub(crate) fn finish(mut self) -> Option<String> {
        if self.output.len() >= LONGEST {
            return None;
        }
        let ended_well = self.child.wait().is_ok_and(|status| status.success());
        let output = std::mem::take(&mut self.output);
        ended_well.then(|| String::from_utf8_lossy(&output).into_owned())
    }
}

impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a name can be given to nft as a word: nft's arguments are a
/// command line to be parsed, and the kernel allows any bytes in a name.
pub(crate) fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nft_would_parse_as_commands_are_not_plain() {
        assert!(is_plain("input") && is_plain("_my-chain.1/x"));
        assert!(
            !is_plain("x; flush ruleset") && !is_plain("") && !is_plain("-f") && !is_plain("x\n")
        );
    }

    #[test]
    fn reads_lines_and_ends() {
        let mut running =
            Running::start(Path::new("/bin/sh"), &["-c", "echo one; echo two; printf x"]).unwrap();
        while running.read() {}
        assert_eq!(running.take_lines(), "one\ntwo\n");
        assert_eq!(running.finish().as_deref(), Some("x"));
        let mut failing = Running::start(Path::new("/bin/sh"), &["-c", "exit 3"]).unwrap();
        while failing.read() {}
        assert_eq!(failing.finish(), None);
    }
}
