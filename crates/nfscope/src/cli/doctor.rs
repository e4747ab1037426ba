//! `nfscope doctor`

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  nfscope doctor            what works here, and what does not and why
  nfscope doctor --points   the probe points found in this kernel's machine code";

/// Arguments of `nfscope doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArguments {
    /// Show the probe points of nft_do_chain: offsets, registers, how they were found
    #[arg(long)]
    pub points: bool,

    /// One JSON array: an object a line of the report
    #[arg(long)]
    pub json: bool,
}
