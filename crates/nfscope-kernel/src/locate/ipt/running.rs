//! The points of the running kernel.

use std::path::Path;

use super::{Refusal, TablePoints, Tables, locate};
use crate::btf::Btf;
use crate::live::{self, KCore, KCoreError, LiveError};
use crate::modules::{FunctionError, ModuleError, ModuleFile, function};

/// Why the running kernel has no points.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// The module's file cannot be used.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The function is not in it.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The kernel's memory cannot be read.
    #[error(transparent)]
    Memory(#[from] KCoreError),
    /// The function cannot be read from the kernel's memory.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The locator refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The points of a table function, and where the function is.
#[derive(Debug, Clone)]
pub struct LegacyLocated {
    /// What was found.
    pub points: TablePoints,
    /// Where the function is in the kernel's memory, where that is known beyond doubt.
    pub address: Option<u64>,
}

impl LegacyLocated {
    /// Finds the points in the module's file, else (it is not installed, or built in) in the kernel's
    /// memory.
    pub fn find(tables: Tables, btf: Option<&Btf>) -> Result<Self, LegacyError> {
        match Self::by_module_file(tables) {
            Err(LegacyError::Module(_) | LegacyError::Function(_)) => {
                Self::by_live_text(tables, btf)
            }
            other => other,
        }
    }

    fn by_module_file(tables: Tables) -> Result<Self, LegacyError> {
        let file = ModuleFile::of_running_kernel(tables.module())?;
        let text = function(&file.elf()?, tables.function())?;
        let address = file.address(tables.module(), tables.function());
        Ok(Self { points: locate(&text, tables)?, address })
    }

    fn by_live_text(tables: Tables, btf: Option<&Btf>) -> Result<Self, LegacyError> {
        let state = Path::new("/sys/module").join(tables.module()).join("initstate");
        let module = state.exists().then_some(tables.module());
        let text = live::function(&mut KCore::open()?, tables.function(), module, btf)?;
        Ok(Self { points: locate(&text, tables)?, address: None })
    }
}
