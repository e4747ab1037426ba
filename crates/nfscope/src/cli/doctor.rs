//! `nfscope doctor`

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  nfscope doctor            what works here, what does not and why, and how to mend it
  nfscope doctor -v         with what is as it should be, too
  nfscope doctor --test     and what it says, tried with packets in private namespaces
  nfscope doctor --points   the probe points found in this kernel's machine code

It changes nothing, with --test nothing outside of private namespaces; what a test logs is in the
kernel log. Exit status 1 if a problem stops a command, or a test shows that doctor is wrong.";

/// Arguments of `nfscope doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArguments {
    /// Show the probe points of nft_do_chain: offsets, registers, how they were found
    #[arg(long)]
    pub points: bool,

    /// Try what is said, each claim in a private network namespace: rules that log and trace,
    /// what each command sees of a dropped packet, settings. What would load a module, or needs
    /// a program that is not installed, is named as not tested
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = "all",
        conflicts_with = "points"
    )]
    pub test: Vec<TestChoice>,

    /// Also what is as it should be, and where rules are logged to
    #[arg(short, long)]
    pub verbose: bool,

    /// One JSON array: an object for each finding, those of -v, too (see docs/doctor.md)
    #[arg(long)]
    pub json: bool,
}

/// `--test`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestChoice {
    /// Everything
    All,
    /// Whether rules that log and trace are seen, and where
    Logging,
    /// What drops, trace, resets, changes and stacks see
    Commands,
    /// rp_filter, ip_forward, conntrack, bridges, two tools at once
    Settings,
}
