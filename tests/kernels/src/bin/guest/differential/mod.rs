//! The differential test: random rulesets and packets, and for every packet
//! the kernel's own word against nfscope's.

mod nfscope;
mod run;
mod trace;
mod ways;

use crate::compare::{
    Difference, Drops, Falsification, compare_counters, count, differences, print_difference,
};
use crate::generate::Plan;
use crate::generate::slot::refused;
use crate::oracle::Rules;
use crate::traffic::world;
use anyhow::{Context, Result, bail, ensure};
use run::{NfscopeCommand, Witnessed};
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Differences of a kind that are printed in full.
const SHOWN: usize = 2;

/// Compares nfscope with the kernel's trace, for random rules and packets
#[derive(clap::Args, Clone)]
pub struct Arguments {
    /// The seed; by default from the clock
    #[arg(long)]
    seed: Option<u64>,
    /// Least number of rules
    #[arg(long, default_value_t = 200)]
    rules: usize,
    /// Number of packets
    #[arg(long, default_value_t = 2000)]
    packets: usize,
    /// Every decision in its order, by `nfscope trace`, instead of the drops
    #[arg(long)]
    trace: bool,
    /// nfscope's backend; by default its own choice
    #[arg(long)]
    backend: Option<String>,
    /// The nfscope program
    #[arg(long, default_value = "nfscope")]
    nfscope: String,
    /// Spoil what nfscope said in several ways: pass if each is found
    #[arg(long)]
    falsify: bool,
    /// Compare the kernel's messages with its counters only, without nfscope
    #[arg(long)]
    oracle_only: bool,
    /// Fail unless the kernel refuses exactly this, as "netdev-egress,arp:reject"
    #[arg(long, value_delimiter = ',')]
    refused: Option<Vec<String>>,
    /// Have no chains of these kinds, as "netdev-ingress,netdev-egress"
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Start one nfscope for each namespace, with --netns
    #[arg(long)]
    each_namespace: bool,
    /// Seconds until the test fails
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// More arguments for nfscope
    #[arg(last = true)]
    more: Vec<String>,
}

/// Runs the test, with a limit to its time.
pub fn run(arguments: &Arguments) -> Result<()> {
    let (sender, result) = mpsc::channel();
    let limit = Duration::from_secs(arguments.timeout);
    let arguments = arguments.clone();
    thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = sender.send(test(&arguments));
    });
    match result.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            world::remove_all();
            bail!("not done within {limit:?}")
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the test panicked"),
    }
}

fn test(arguments: &Arguments) -> Result<()> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.seed.unwrap_or(u64::from(clock.subsec_nanos()));
    println!("seed {seed}");
    let mut abilities = world::abilities()?;
    let refused = refused(&abilities);
    println!("refused by the kernel: {refused:?}");
    if let Some(expected) = &arguments.refused {
        let expected = expected.iter().cloned().collect();
        ensure!(refused == expected, "the kernel should refuse {expected:?} only");
    }
    abilities.retain(|column, _| !arguments.without.iter().any(|name| name == column.name()));
    let plan = Plan::generate(seed, &abilities, arguments.rules, arguments.packets)?;
    println!("{} rules, {} packets", plan.rules(), plan.packets.len());
    if arguments.trace {
        return trace::test(&plan, &abilities, &arguments.command());
    }
    let command = (!arguments.oracle_only).then(|| arguments.command());
    let mut check = Check { plan: &plan, falsify: arguments.falsify, problems: Vec::new() };

    let traced = run::run(&plan, &abilities, "traced", true, command.as_ref())?;
    let expected = traced.oracle.as_ref().context("the traced run has no oracle")?;
    check.problems.extend(count(expected, &traced.rules).print(&abilities));
    check.check("traced", expected, &traced);
    // Without a trace rule other code of the kernel runs; its decisions must
    // be the same.
    let quiet = run::run(&plan, &abilities, "quiet", false, command.as_ref())?;
    check.check("quiet", expected, &quiet);

    for problem in &check.problems {
        println!("FAILED: {problem}");
    }
    if check.problems.is_empty() {
        return Ok(());
    }
    bail!("the differential test failed; to repeat: differential --seed {seed}")
}

impl Arguments {
    fn command(&self) -> NfscopeCommand {
        let backend = self.backend.iter().flat_map(|b| ["--backend".to_owned(), b.clone()]);
        NfscopeCommand {
            program: self.nfscope.clone(),
            command: if self.trace { "trace" } else { "drops" },
            arguments: backend.chain(self.more.iter().cloned()).collect(),
            each_namespace: self.each_namespace,
        }
    }
}

struct Check<'a> {
    plan: &'a Plan,
    falsify: bool,
    problems: Vec<String>,
}

impl Check<'_> {
    /// Compares the witnesses of a run with the oracle.
    fn check(&mut self, name: &str, expected: &Drops, run: &Witnessed) {
        let counters = compare_counters(expected, &run.rules);
        self.problems.extend(counters.into_iter().map(|c| format!("{name} run: {c}")));
        let Some(seen) = &run.nfscope else { return };
        self.problems.extend(seen.lost.iter().map(|lost| format!("{name} run: {lost:?}")));
        if seen.astray > 0 {
            let count = seen.astray;
            self.problems.push(format!("{name} run: {count} drops in no or another namespace"));
        }
        let same = self.compare(name, expected, &seen.drops, &run.rules);
        if self.falsify && same {
            self.falsified(name, expected, &seen.drops);
        }
    }

    /// Prints how nfscope's drops differ from the oracle's; true if they do
    /// not.
    fn compare(&mut self, name: &str, expected: &Drops, seen: &Drops, rules: &Rules) -> bool {
        let differing = differences(expected, seen);
        let mut classes: BTreeMap<String, Vec<&Difference>> = BTreeMap::new();
        for difference in &differing {
            classes.entry(difference.class()).or_default().push(difference);
        }
        for (class, members) in classes {
            println!("DIFFERS: {} packets: {class}", members.len());
            members.iter().take(SHOWN).for_each(|d| print_difference(d, self.plan, rules));
        }
        let total = |drops: &Drops| drops.values().map(Vec::len).sum::<usize>();
        println!(
            "{name} run: {} drops expected, {} seen by nfscope, {} packets differ",
            total(expected),
            total(seen),
            differing.len()
        );
        if !differing.is_empty() {
            self.problems.push(format!("{name} run: {} packets differ", differing.len()));
        }
        differing.is_empty()
    }

    /// Each way to spoil what nfscope said must be found.
    fn falsified(&mut self, name: &str, expected: &Drops, seen: &Drops) {
        for falsification in [Falsification::Handle, Falsification::Missing, Falsification::Extra] {
            let mut spoiled = seen.clone();
            let applied = falsification.apply(&mut spoiled);
            let found = differences(expected, &spoiled).len();
            println!("{name} run falsified by {falsification:?}: {found} packets differ");
            if !applied || found != 1 {
                self.problems.push(format!("{falsification:?} spoiled one drop, {found} found"));
            }
        }
    }
}
