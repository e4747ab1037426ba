//! The machine code of a function in a linked file (vmlinux, a program).

use std::collections::BTreeMap;

use nfscope_kernel::isa::Arch;
use nfscope_kernel::live::jump_sites;
use nfscope_kernel::text::{FunctionText, JumpSite};
use object::{Architecture, Object as _, ObjectSymbol};

use crate::{Image, Symbol};

/// The kernel's jump table lies between them.
const TABLE: [&str; 2] = ["__start___jump_table", "__stop___jump_table"];

impl Image<'_> {
    /// The code of a symbol, with the kernel's jump labels in it. The error says why there is none.
    pub fn code(&self, symbol: &Symbol) -> Result<FunctionText, String> {
        let object = self.object();
        let path = object.path().display();
        let arch = match object.file().architecture() {
            Architecture::X86_64 => Arch::X86_64,
            Architecture::Aarch64 => Arch::Aarch64,
            other => return Err(format!("{path}: no machine code is shown of {other:?}")),
        };
        let size = symbol.end.wrapping_sub(symbol.address);
        let code = object.bytes(symbol.address, size).ok_or_else(|| {
            format!("{path} has no code of {}, only what is known of it", symbol.name)
        })?;
        Ok(FunctionText {
            name: symbol.name.to_owned(),
            arch,
            code: code.to_vec(),
            relocations: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            jump_sites: self.jump_sites(symbol.address, size),
            patched: Vec::new(),
        })
    }

    fn jump_sites(&self, start: u64, size: u64) -> Vec<JumpSite> {
        // the table has no section of its own: symbols stand around it
        let mut bounds = TABLE.map(|_| None);
        self.object().file().symbols().for_each(|symbol| {
            let name = symbol.name().unwrap_or_default();
            if let Some(n) = TABLE.iter().position(|wanted| *wanted == name) {
                bounds[n] = Some(symbol.address());
            }
        });
        let [Some(first), Some(last)] = bounds else { return Vec::new() };
        let bytes = self.object().bytes(first, last.saturating_sub(first)).unwrap_or_default();
        let sites = jump_sites(bytes, first, start, size);
        // the symbols of a file that are kept are those of code: keys are not among them
        sites.into_iter().map(|(site, _)| site).collect()
    }
}
