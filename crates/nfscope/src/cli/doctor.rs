//! `nfscope doctor`

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  nfscope doctor            what works here, what does not and why, and how to mend it
  nfscope doctor -v         with what is as it should be, too
  nfscope doctor --points   the probe points found in this kernel's machine code

It changes nothing. Exit status 1 if a problem stops a command.";

/// Arguments of `nfscope doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArguments {
    /// Show the probe points of nft_do_chain: offsets, registers, how they were found
    #[arg(long)]
    pub points: bool,

    /// Also what is as it should be, and where rules are logged to
    #[arg(short, long)]
    pub verbose: bool,

    /// One JSON array: an object for each finding, those of -v, too (see docs/doctor.md)
    #[arg(long)]
    pub json: bool,
}
