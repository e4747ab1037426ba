//! The command line: one definition for parsing, `--help` and the man page.

mod changes;
mod demo;
mod doctor;
mod drops;
mod functions;
mod probe;
mod resets;
mod stacks;
mod symbolize;
mod trace;
mod values;

pub use changes::ChangesArguments;
pub use demo::DemoArguments;
pub use doctor::{DoctorArguments, TestChoice};
pub use drops::{BackendChoice, CauseChoice, ColorWhen, DropsArguments, HookChoice};
pub use functions::FunctionsArguments;
pub use probe::ProbeArguments;
pub use resets::ResetsArguments;
pub use stacks::{ByChoice, StacksArguments, TreeRoot};
pub use symbolize::SymbolizeArguments;
pub use trace::{TraceArguments, TraceBackendChoice, TraceFormat};

use clap::{Parser, Subcommand};

/// What did the kernel do with my packet, which firewall rule or line of
/// kernel code decided it, and why?
#[derive(Debug, Parser)]
#[command(name = "nfscope", version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every dropped packet and what dropped it.
    Drops(DropsArguments),
    /// Show each packet's way: hooks, chains, rules, verdicts, and what became of it.
    Trace(TraceArguments),
    /// Show every TCP reset that is sent or received, and why.
    Resets(ResetsArguments),
    /// Count the kernel's stacks at functions and tracepoints.
    Stacks(StacksArguments),
    /// List functions and tracepoints: types, packets, how they can be probed; what is attached now.
    Functions(FunctionsArguments),
    /// Watch any kernel function, instruction or tracepoint, with typed values.
    Probe(ProbeArguments),
    /// Show who changes firewalls, and what that changes.
    Changes(ChangesArguments),
    /// Tell the function and source line of kernel addresses, stacks and oopses.
    Symbolize(SymbolizeArguments),
    /// Show what this machine supports and which backend will be used.
    Doctor(DoctorArguments),
    /// Build a firewall in private namespaces, send packets, and show what
    /// dropped them, on this kernel.
    Demo(DemoArguments),
}
