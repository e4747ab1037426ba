//! The points of the running kernel.

use std::path::PathBuf;

use serde::Serialize;

use super::{FUNCTION, NftPoints, Refusal, locate};
use crate::btf::Btf;
use crate::layout::NftLayout;
use crate::modules::{FunctionError, ModuleError, ModuleFile, function};

/// Why the running kernel has no points.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// The module's file cannot be used.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The function is not in it.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The locator refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Points, and where the machine code came from.
#[derive(Debug, Serialize)]
pub struct Located {
    /// The module file.
    pub path: PathBuf,
    /// The file's build id is the loaded module's.
    pub verified: bool,
    /// What was found.
    pub points: NftPoints,
}

impl Located {
    /// Locates the points by the module file of the running kernel.
    pub fn by_module_file(layout: &NftLayout, btf: Option<&Btf>) -> Result<Self, RunningError> {
        let file = ModuleFile::of_running_kernel("nf_tables")?;
        let text = function(&file.elf()?, FUNCTION)?;
        let points = locate(&text, layout, btf)?;
        Ok(Self { path: file.path, verified: file.verified, points })
    }
}
