//! The kernel lab: fetches kernels, boots them under QEMU and runs nfscope's
//! scenarios in them.

mod archive;
mod cache;
mod command;
mod image;
mod kernel;
mod root;
mod shell;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Boot real kernels under QEMU and run nfscope's scenarios in them.
#[derive(Parser)]
#[command(name = "nfscope-lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fetch(command::fetch::Arguments),
    Symbols(command::symbols::Arguments),
    Sysroot(command::sysroot::Arguments),
    Test(command::test::Arguments),
    Vm(command::vm::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Fetch(arguments) => command::fetch::run(&arguments),
        Command::Symbols(arguments) => command::symbols::run(&arguments),
        Command::Sysroot(arguments) => command::sysroot::run(&arguments),
        Command::Test(arguments) => command::test::run(&arguments),
        Command::Vm(arguments) => command::vm::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("nfscope-lab: {error:#}");
        ExitCode::FAILURE
    })
}
