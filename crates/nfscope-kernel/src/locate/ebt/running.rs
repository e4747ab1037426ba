//! The points of the running kernel.

use super::{BridgePoints, FUNCTION, MODULE, locate};
use crate::btf::Btf;
use crate::live::{self, KCore};
use crate::locate::ipt::LegacyError;
use crate::modules::{ModuleFile, function};

/// The points of `ebt_do_table`, and where the function is.
#[derive(Debug, Clone)]
pub struct BridgeLocated {
    /// What was found.
    pub points: BridgePoints,
    /// Where the function is in the kernel's memory, where that is known beyond doubt.
    pub address: Option<u64>,
}

impl BridgeLocated {
    /// Finds the points in the module's file, else (it is not installed, or built in) in the kernel's
    /// memory.
    pub fn find(btf: Option<&Btf>) -> Result<Self, LegacyError> {
        match Self::by_module_file() {
            Err(LegacyError::Module(_) | LegacyError::Function(_)) => Self::by_live_text(btf),
            other => other,
        }
    }

    fn by_module_file() -> Result<Self, LegacyError> {
        let file = ModuleFile::of_running_kernel(MODULE)?;
        let text = function(&file.elf()?, FUNCTION)?;
        let address = file.address(MODULE, FUNCTION);
        Ok(Self { points: locate(&text)?, address })
    }

    fn by_live_text(btf: Option<&Btf>) -> Result<Self, LegacyError> {
        let state = std::path::Path::new("/sys/module").join(MODULE).join("initstate");
        let module = state.exists().then_some(MODULE);
        let text = live::function(&mut KCore::open()?, FUNCTION, module, btf)?;
        Ok(Self { points: locate(&text)?, address: None })
    }
}
