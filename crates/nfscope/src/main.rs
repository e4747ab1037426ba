//! nfscope: what did the kernel do with my packet, and why?

use std::process::ExitCode;

use clap::Parser;
use nfscope::cli::{Arguments, Command};
use nfscope::commands::{self, Failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Drops(arguments) => commands::drops::run(&arguments),
        Command::Trace(arguments) => commands::trace::run(&arguments),
        Command::Resets(arguments) => commands::resets::run(&arguments),
        Command::Stacks(arguments) => commands::stacks::run(&arguments),
        Command::Functions(arguments) => commands::functions::run(&arguments),
        Command::Probe(arguments) => commands::probe::run(&arguments),
        Command::Changes(arguments) => commands::changes::run(&arguments),
        Command::Symbolize(arguments) => commands::symbolize::run(&arguments),
        Command::Demo(arguments) => commands::demo::run(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            commands::say(format_args!("nfscope: {text}"));
            ExitCode::from(2)
        }
        Err(Failure::Other(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Other(error)) => {
            commands::say(format_args!("nfscope: {}", commands::sentence(&error)));
            ExitCode::from(1)
        }
    }
}

/// The reader has seen enough (`nfscope … | head`).
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
