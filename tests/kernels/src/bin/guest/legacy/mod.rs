//! `nfscope-guest legacy`: the differential test of `nfscope trace` in tables of
//! iptables-legacy.

mod compare;
mod counters;
mod kernel;
mod rules;
mod told;
mod traffic;

use anyhow::Result;

/// Random rules of iptables-legacy, traffic for them, and what nfscope told
/// compared with what the kernel says.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Rules(rules::Arguments),
    Traffic(traffic::Arguments),
    Compare(compare::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Rules(arguments) => rules::run(arguments),
        Command::Traffic(arguments) => traffic::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
    }
}
