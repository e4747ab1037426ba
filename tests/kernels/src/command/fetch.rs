//! `nfscope-lab fetch`

use std::process::ExitCode;

use anyhow::Result;

use super::prepare;
use crate::{cache::Cache, kernel::spec::KernelSpec};

/// Fetch kernels and the guest's programs into the cache.
#[derive(clap::Args)]
pub struct Arguments {
    /// 5.10, 6.1, 6.12, 6.18, 7.2 (all of them by default), arm64, or
    /// SUITE:PREFIX[:FLAVOUR] of Debian, such as trixie:6.12:rt-amd64.
    kernels: Vec<KernelSpec>,
}

/// Run it.
///
/// # Errors
/// When something that is not cached cannot be fetched.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let kernels = match &arguments.kernels[..] {
        [] => KernelSpec::defaults(),
        named => named.to_vec(),
    };
    for spec in &kernels {
        let (kernel, _) = prepare(&cache, spec)?;
        println!("{spec} {}", kernel.release);
    }
    Ok(ExitCode::SUCCESS)
}
