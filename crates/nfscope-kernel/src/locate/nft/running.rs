//! The points of the running kernel.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{FUNCTION, NftPoints, Refusal, locate};
use crate::btf::Btf;
use crate::layout::NftLayout;
use crate::live::{self, LiveError};
use crate::modules::{FunctionError, ModuleError, ModuleFile, function};
use crate::text::TextSource;

/// Why the running kernel has no points.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// The module's file cannot be used.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The function is not in it.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The function cannot be read from the kernel's memory.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The locator refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Where machine code came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeOrigin {
    /// A module file.
    ModuleFile {
        /// The file.
        path: PathBuf,
        /// Its build id was found to be the loaded module's.
        verified: bool,
    },
    /// The running kernel's memory.
    LiveText,
}

/// Points, and where the machine code came from.
#[derive(Debug, Serialize)]
pub struct Located {
    /// Where it came from.
    pub origin: CodeOrigin,
    /// What was found.
    pub points: NftPoints,
    /// Where the function is in the kernel's memory, where that is known beyond doubt.
    #[serde(skip)]
    pub address: Option<u64>,
}

impl Located {
    /// Locates the points by the module file of the running kernel.
    pub fn by_module_file(layout: &NftLayout, btf: Option<&Btf>) -> Result<Self, RunningError> {
        let file = ModuleFile::of_running_kernel("nf_tables")?;
        let text = function(&file.elf()?, FUNCTION)?;
        let points = locate(&text, layout, btf)?;
        let address = file.address("nf_tables", FUNCTION);
        Ok(Self {
            origin: CodeOrigin::ModuleFile { path: file.path, verified: file.verified },
            points,
            address,
        })
    }

    /// Locates the points in the running kernel's memory; nf_tables may be a module or
    /// built in (a built-in module has no `initstate`).
    pub fn by_live_text(
        source: &mut dyn TextSource,
        layout: &NftLayout,
        btf: Option<&Btf>,
    ) -> Result<Self, RunningError> {
        let module = Path::new("/sys/module/nf_tables/initstate").exists().then_some("nf_tables");
        let text = live::function(source, FUNCTION, module, btf)?;
        let points = locate(&text, layout, btf)?;
        Ok(Self { origin: CodeOrigin::LiveText, points, address: None })
    }
}
