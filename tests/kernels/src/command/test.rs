//! `nfscope-lab test`

use std::{
    collections::VecDeque,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};

use super::prepare;
use crate::{
    cache::Cache,
    kernel::spec::{Architecture, KernelSpec},
    test::{
        plan::{self, Batch},
        result::{Outcome, Tally},
        scenario::Scenario,
        skips::Skips,
        transcript::Transcript,
    },
    vm::{
        self, Job, Outcome as Machine,
        qemu::{Acceleration, Hardware},
    },
};

/// Seconds for a boot, and for the ends of scenarios that ran out of time.
const SPARE: u64 = 60;
const MEMORY: u32 = 1024;

/// Run scenarios on kernels.
#[derive(clap::Args)]
pub struct Arguments {
    /// A kernel, as `fetch` takes it; may be given several times.
    #[arg(long = "kernel", value_name = "K")]
    kernels: Vec<KernelSpec>,
    /// A scenario's name; may be given several times.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Run each scenario on each kernel, also where others are enough for it; so
    /// it is where kernels or scenarios are named.
    #[arg(long)]
    every: bool,
    /// Machines at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The statically linked nfscope.
    #[arg(long, value_name = "FILE")]
    nfscope: PathBuf,
    /// The statically linked nfscope-guest.
    #[arg(long, value_name = "FILE")]
    guest: PathBuf,
    /// A folder with both programs for arm64; without it, what would run on
    /// that kernel counts as skipped.
    #[arg(long, value_name = "DIR")]
    arm64: Option<PathBuf>,
    /// Why there are no such programs, for the report.
    #[arg(long, value_name = "REASON", default_value = "no programs for arm64 (--arm64)")]
    no_arm64: String,
    /// More arguments for each nfscope, such as `--backend trace_hook`.
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    nfscope_arguments: String,
    /// What executes the guests' code.
    #[arg(long, value_enum, default_value_t = Acceleration::Tcg)]
    accel: Acceleration,
    /// The folder with `scenarios`, `guest` and `expected-skips.toml`.
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_MANIFEST_DIR"))]
    folder: PathBuf,
}

/// What the threads share.
struct Run<'a> {
    arguments: &'a Arguments,
    cache: &'a Cache,
    skips: &'a Skips,
    waiting: Mutex<VecDeque<Batch>>,
    outcomes: Mutex<Vec<Outcome>>,
}

/// Run it.
///
/// # Errors
/// When there is nothing to run, or a kernel cannot be had.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let all = Scenario::load_all(&arguments.folder.join("scenarios"))?;
    let names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
    let skips = Skips::load(&arguments.folder.join("expected-skips.toml"), &names)?;
    if let Some(unknown) = arguments.scenarios.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("no scenario {unknown}; there are: {}", names.join(" "));
    }
    let wanted = |scenario: &&Scenario| {
        arguments.scenarios.is_empty() || arguments.scenarios.contains(&scenario.name)
    };
    let scenarios: Vec<Scenario> = all.iter().filter(wanted).cloned().collect();
    let mut kernels = arguments.kernels.clone();
    if kernels.is_empty() {
        kernels = KernelSpec::defaults();
        kernels.push(KernelSpec::arm64());
    }
    let named = !arguments.kernels.is_empty() || !arguments.scenarios.is_empty();
    let every = arguments.every || named;
    let (bootable, left_out): (Vec<KernelSpec>, Vec<KernelSpec>) =
        kernels.iter().cloned().partition(|kernel| {
            arguments.arm64.is_some() || kernel.architecture() != Architecture::Arm64
        });
    if let (Some(kernel), false) = (left_out.first(), arguments.kernels.is_empty()) {
        bail!("kernel {kernel} needs programs of its architecture: --arm64");
    }
    // One after the other, before anything starts: the machines run offline.
    for kernel in &bootable {
        prepare(&cache, kernel)?;
    }
    let run = Run {
        arguments,
        cache: &cache,
        skips: &skips,
        waiting: Mutex::new(plan::batches(&bootable, &scenarios, every).into()),
        outcomes: Mutex::default(),
    };
    for kernel in kernels.iter().filter(|_| !every) {
        let fitting = |s: &&Scenario| s.architectures.contains(&kernel.architecture());
        for scenario in scenarios.iter().filter(fitting) {
            let name = kernel.to_string();
            if let Some(why) = scenario.spared(&name) {
                run.report(Outcome::skipped(&name, &scenario.name, &why));
            }
        }
    }
    for batch in plan::batches(&left_out, &scenarios, every) {
        for scenario in &batch.scenarios {
            let kernel = batch.kernel.to_string();
            run.report(Outcome::skipped(&kernel, &scenario.name, &arguments.no_arm64));
        }
    }
    thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| run.work());
        }
    });
    let outcomes = run.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    for name in kernels.iter().map(KernelSpec::to_string) {
        let of_kernel = outcomes.iter().filter(|outcome| outcome.kernel == name);
        println!("{name}: {}", Tally::of(of_kernel));
    }
    let tally = Tally::of(&outcomes);
    println!("{tally}");
    let good = tally.failed == 0 && tally.passed > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Run<'_> {
    /// Take batches until there is none left.
    fn work(&self) {
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(batch) = next else { break };
            self.run_batch(&batch);
        }
    }

    /// A machine that dies fails the scenario that ran; the ones behind it get
    /// a new machine.
    fn run_batch(&self, batch: &Batch) {
        let kernel = batch.kernel.to_string();
        let mut done = 0;
        let mut transcript = Transcript::default();
        let result = self.boot(batch, |line| {
            if let Some(ended) = transcript.line(line) {
                done += 1;
                self.report(Outcome::judge(&kernel, ended, self.skips));
            }
        });
        let reason = match result {
            Ok(Machine::Exited(_)) => "the guest ended early".to_owned(),
            Ok(Machine::Died { reason, console }) => format!("{reason}\n{console}"),
            Err(error) => format!("{error:#}"),
        };
        let Some((running, behind)) = batch.scenarios.get(done..).and_then(<[_]>::split_first)
        else {
            return;
        };
        let (_, output) = transcript.interrupted();
        self.report(Outcome::failed(&kernel, &running.name, reason, output));
        if !behind.is_empty() {
            let rest = Batch { scenarios: behind.to_vec(), ..batch.clone() };
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_front(rest);
        }
    }

    fn boot(&self, batch: &Batch, line: impl FnMut(&str)) -> Result<Machine> {
        let (kernel, root) = prepare(self.cache, &batch.kernel)?;
        let hardware = Hardware {
            acceleration: self.arguments.accel,
            icount: false,
            processors: batch.processors,
            memory: MEMORY,
            append: String::new(),
        };
        let longest = batch.scenarios.iter().map(|scenario| scenario.time_limit).max();
        let sum: u64 = batch.scenarios.iter().map(|scenario| scenario.time_limit + 10).sum();
        let job = Job {
            command: self.command(batch),
            share: self.share(kernel.architecture),
            out: None,
            time_limit: Duration::from_secs(sum + SPARE),
            silence_limit: Duration::from_secs(longest.unwrap_or(0) + SPARE),
        };
        vm::run(self.cache, &kernel, &root, &hardware, &job, line)
    }

    fn command(&self, batch: &Batch) -> String {
        let list: Vec<String> = batch
            .scenarios
            .iter()
            .map(|scenario| format!("{} {}", scenario.name, scenario.time_limit))
            .collect();
        format!(
            "export NFSCOPE_ARGUMENTS='{}'\n\
             export LAB_KERNEL='{}'\n\
             cat >scenarios.list <<'END'\n{}\nEND\n\
             exec bash run.sh",
            self.arguments.nfscope_arguments,
            batch.kernel,
            list.join("\n")
        )
    }

    fn share(&self, architecture: Architecture) -> Vec<(PathBuf, PathBuf)> {
        let Arguments { folder, nfscope, guest, arm64, .. } = self.arguments;
        let programs = match (architecture, arm64) {
            (Architecture::Arm64, Some(arm64)) => {
                [arm64.join("nfscope"), arm64.join("nfscope-guest")]
            }
            _ => [nfscope.clone(), guest.clone()],
        };
        let [nfscope, guest] = programs;
        vec![
            (".".into(), folder.join("guest")),
            ("scenarios".into(), folder.join("scenarios")),
            ("nfscope".into(), nfscope),
            ("nfscope-guest".into(), guest),
        ]
    }

    fn report(&self, outcome: Outcome) {
        println!("{outcome}");
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}
