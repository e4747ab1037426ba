//! `nfscope demo`

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  nfscope demo       build two private namespaces, send packets, show what dropped them
  nfscope demo -v    the same, with all facts of each drop

Nothing outside the two namespaces is touched, and they are gone at the end.";

/// Arguments of `nfscope demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArguments {
    /// All facts of each drop, one a line
    #[arg(short, long)]
    pub verbose: bool,

    /// One JSON object a drop
    #[arg(long)]
    pub json: bool,
}
