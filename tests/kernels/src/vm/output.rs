//! The guest's output, and how its machine ends.

use std::{
    io::{BufRead, BufReader, Read},
    process::Child,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// What the guest's init prints last, before the command's status.
const EXIT_MARK: &str = "@LAB exit ";

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// On the whole.
    pub time: Duration,
    /// Without a line of output.
    pub silence: Duration,
}

/// How the machine ended.
pub enum End {
    /// With the command's status.
    Exited(i32),
    /// Without one, for this reason.
    Died(String),
}

/// Hand each line to `line` until the machine ends or a limit is reached.
///
/// # Errors
/// When the process cannot be waited for.
pub fn follow(mut child: Child, limits: Limits, mut line: impl FnMut(&str)) -> Result<End> {
    let stdout = child.stdout.take().context("QEMU has no output")?;
    let stderr = child.stderr.take().context("QEMU has no error output")?;
    let errors = thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read cannot be shown.
        let _ = BufReader::new(stderr).read_to_string(&mut text);
        text
    });
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    let mut status = None;
    let mut expired = None;
    // init prints an empty line before its mark, as the output before may not
    // end in a line break.
    let mut empty = false;
    loop {
        let left = limits.time.saturating_sub(start.elapsed());
        match lines.recv_timeout(limits.silence.min(left)) {
            Ok(text) => {
                status = text.strip_prefix(EXIT_MARK).and_then(|number| number.parse().ok());
                if status.is_some() {
                    continue;
                }
                if std::mem::replace(&mut empty, text.is_empty()) {
                    line("");
                }
                if !text.is_empty() {
                    line(&text);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                expired = Some(if left < limits.silence { limits.time } else { limits.silence });
                // It may have ended by itself just now.
                let _ = child.kill();
                break;
            }
        }
    }
    let ended = child.wait().context("cannot wait for QEMU")?;
    if let Some(status) = status {
        return Ok(End::Exited(status));
    }
    let errors = errors.join().unwrap_or_default();
    Ok(End::Died(match expired {
        Some(limit) => format!("time-out after {} s", limit.as_secs()),
        None if ended.success() => "the guest crashed or rebooted".to_owned(),
        None => format!("QEMU failed ({ended}): {}", errors.trim()),
    }))
}
