//! `nfscope-lab sysroot`

use std::process::ExitCode;

use anyhow::Result;

use crate::{cache::Cache, kernel::spec::Architecture, root::sysroot};

/// Print the folder with headers, libraries and the compiler (`cc`) to build
/// static programs for arm64 guests; it is made if it is missing.
#[derive(clap::Args)]
pub struct Arguments {}

/// Run it.
///
/// # Errors
/// When packages that are not cached cannot be fetched.
pub fn run(_: &Arguments) -> Result<ExitCode> {
    println!("{}", sysroot::ensure(&Cache::open()?, Architecture::Arm64)?.display());
    Ok(ExitCode::SUCCESS)
}
