//! What scenarios need inside the guest: traffic, listeners, and a check of
//! what nfscope printed. Linked statically, and quick to start, since the
//! guest's processor is emulated.

mod await_line;
mod compare;
mod differential;
mod expect;
mod generate;
mod legacy;
mod listen;
mod oracle;
mod probe_paths;
mod send;
mod traffic;
mod trees;
mod tunnel_rule;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Helper for nfscope's scenarios.
#[derive(Parser)]
#[command(name = "nfscope-guest", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Await(await_line::Arguments),
    Differential(differential::Arguments),
    #[command(hide = true)]
    DifferentialSend(traffic::send::SendArguments),
    Expect(expect::Arguments),
    Legacy(legacy::Arguments),
    Listen(listen::Arguments),
    ProbePaths(probe_paths::Arguments),
    Send(send::Arguments),
    Trees(trees::Arguments),
    TunnelRule(tunnel_rule::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Await(arguments) => await_line::run(&arguments),
        Command::Differential(arguments) => differential::run(&arguments),
        Command::DifferentialSend(arguments) => traffic::send::run(&arguments),
        Command::Expect(arguments) => expect::run(&arguments),
        Command::Legacy(arguments) => legacy::run(&arguments),
        Command::Listen(arguments) => listen::run(&arguments),
        Command::ProbePaths(arguments) => probe_paths::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Trees(arguments) => trees::run(&arguments),
        Command::TunnelRule(arguments) => tunnel_rule::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nfscope-guest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
