//! `nfscope-lab vm`

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;

use super::prepare;
use crate::{
    cache::Cache,
    kernel::spec::KernelSpec,
    vm::{
        self, Job, Outcome,
        qemu::{Acceleration, Hardware},
    },
};

/// The status that `timeout` uses for a command that did not end.
const NO_END: u8 = 124;

/// Boot a kernel, run a command in it as root, end with its status
/// (124: the machine crashed or the time was up).
#[derive(clap::Args)]
pub struct Arguments {
    /// 6.12, arm64, or SUITE:PREFIX[:FLAVOUR].
    kernel: KernelSpec,
    /// A folder whose files the guest sees as its working directory.
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// A folder to which the guest's /tmp/out comes back.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What executes the guest's code.
    #[arg(long, value_enum, default_value_t = Acceleration::Tcg)]
    accel: Acceleration,
    /// Let each instruction take one virtual nanosecond (always by translation).
    #[arg(long)]
    icount: bool,
    /// Number of processors.
    #[arg(long, value_name = "N", default_value_t = 1)]
    smp: u32,
    /// Memory.
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    mem: u32,
    /// Give up after this many seconds.
    #[arg(long, value_name = "S", default_value_t = 120)]
    timeout: u64,
    /// More words for the kernel's command line.
    #[arg(long, value_name = "WORDS", default_value = "")]
    append: String,
    /// The command; several words are joined by spaces and read by bash.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Run it.
///
/// # Errors
/// When the machine cannot be started.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let (kernel, root) = prepare(&cache, &arguments.kernel)?;
    let hardware = Hardware {
        acceleration: arguments.accel,
        icount: arguments.icount,
        processors: arguments.smp,
        memory: arguments.mem,
        append: arguments.append.clone(),
    };
    let limit = Duration::from_secs(arguments.timeout);
    let job = Job {
        command: arguments.command.join(" "),
        share: arguments.share.iter().map(|folder| (".".into(), folder.clone())).collect(),
        out: arguments.out.clone(),
        time_limit: limit,
        silence_limit: limit,
    };
    let outcome = vm::run(&cache, &kernel, &root, &hardware, &job, |line| {
        // Whoever read the output may be gone; the command still has a status.
        let _ = writeln!(io::stdout().lock(), "{line}");
    })?;
    Ok(match outcome {
        Outcome::Exited(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Outcome::Died { reason, console } => {
            eprintln!("nfscope-lab: {}: {reason}; the console's end:\n{console}", kernel.release);
            ExitCode::from(NO_END)
        }
    })
}
