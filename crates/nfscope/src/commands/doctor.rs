//! `nfscope doctor`: what works on this machine.

use crate::cli::DoctorArguments;
use crate::commands::Failure;

/// Prints the findings.
pub fn run(_arguments: &DoctorArguments) -> Result<(), Failure> {
    Ok(())
}
