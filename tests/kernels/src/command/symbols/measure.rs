//! A program's output, time and memory.

use std::{
    fmt,
    fs::{self, File},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// What a program wrote and took.
pub struct Measured {
    /// Its standard output.
    pub output: String,
    time: Duration,
    /// What of it was spent on the processor, which a busy machine does not change.
    processor: Duration,
    /// The most that was resident; mapped files count as far as they were read.
    kilobytes: i64,
}

impl Measured {
    /// Whether it took so little of a processor.
    pub fn is_within(&self, limit: Duration) -> bool {
        self.processor <= limit
    }

    /// Whether it took a tenth of the other's processor time at most, for each of so many answers.
    pub fn is_ten_times_faster(&self, answers: usize, other: &Self, others: usize) -> bool {
        let each = |time: Duration, of: usize| time.as_secs_f64() / of.max(1) as f64;
        each(self.processor, answers) * 10.0 <= each(other.processor, others)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, processor) = (self.time.as_secs_f64(), self.processor.as_secs_f64());
        write!(f, "{time:.2} s ({processor:.2} s CPU) {} MB", self.kilobytes / 1024)
    }
}

/// Run a program to its end. Its output goes to a file, so that nobody waits for anybody.
///
/// # Errors
/// When it cannot be started or ends by a signal.
pub fn measured(command: &mut Command, output: &Path) -> Result<Measured> {
    let name = command.get_program().to_string_lossy().into_owned();
    let begin = Instant::now();
    let child = command
        .stdout(File::create(output)?)
        .spawn()
        .with_context(|| format!("cannot run {name}; install binutils"))?;
    let pid = i32::try_from(child.id()).context("no process id")?;
    let mut status = 0;
    // SAFETY: all zeros is a value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; the process is this one's child, and
    // nobody else waits for it.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    if waited != pid || !libc::WIFEXITED(status) {
        bail!("{name} did not end by itself");
    }
    let time = begin.elapsed();
    let spent = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::from_secs(seconds)
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    let processor = spent(usage.ru_utime) + spent(usage.ru_stime);
    let (output, kilobytes) = (fs::read_to_string(output)?, usage.ru_maxrss);
    Ok(Measured { output, time, processor, kilobytes })
}
