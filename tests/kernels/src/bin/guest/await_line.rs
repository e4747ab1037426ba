//! `nfscope-guest await`

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

const STEP: Duration = Duration::from_millis(5);

/// Wait until lines of a file start with a text.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file; it may not be there yet.
    file: PathBuf,
    /// How the lines start.
    text: String,
    /// How many there have to be.
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// Give up when this process ends.
    #[arg(long)]
    pid: Option<u32>,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 30)]
    limit: u64,
}

/// Run it.
///
/// # Errors
/// When they do not come.
pub fn run(arguments: &Arguments) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(arguments.limit);
    loop {
        // Asked before the file is read: a process may write and then end.
        let ended = arguments.pid.is_some_and(has_ended);
        let bytes = fs::read(&arguments.file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let found = text.lines().filter(|line| line.starts_with(&arguments.text)).count();
        if found >= arguments.count {
            return Ok(());
        }
        let why = match (ended, Instant::now() > end) {
            (true, _) => "the process ended".to_owned(),
            (false, true) => format!("{} s passed", arguments.limit),
            (false, false) => {
                thread::sleep(STEP);
                continue;
            }
        };
        let file = arguments.file.display();
        bail!("{found} of {} lines {:?} in {file}: {why}", arguments.count, arguments.text);
    }
}

/// A process that nobody has waited for yet still has a folder in /proc.
fn has_ended(pid: u32) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    status.map_or(true, |text| {
        text.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
    })
}
