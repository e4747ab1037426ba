//! Addresses of the running kernel as function names.

use nfscope_kernel::symbols::{Names, Resolved};

/// Looks addresses up in the kernel's own table, many in one pass. What could
/// not be read stays unknown; the address is shown instead.
#[derive(Debug, Default)]
pub struct Symbols(Names);

impl Symbols {
    /// Looks these up, so that asking for one of them costs nothing.
    pub fn learn(&mut self, addresses: &[u64]) {
        // unreadable symbols (no CAP_SYSLOG) leave addresses as they are
        let _ = self.0.learn(addresses);
    }

    /// The function that holds the address.
    pub fn function(&mut self, address: u64) -> Option<String> {
        self.find(address).map(|found| found.name)
    }

    /// `function+0xoff`, with the module in brackets if there is one.
    pub fn place(&mut self, address: u64) -> Option<String> {
        let Resolved { name, offset, module, .. } = self.find(address)?;
        let module = module.map(|m| format!(" [{m}]")).unwrap_or_default();
        Some(format!("{name}+{offset:#x}{module}"))
    }

    /// Function, offset and module.
    pub fn resolved(&mut self, address: u64) -> Option<Resolved> {
        self.find(address)
    }

    fn find(&mut self, address: u64) -> Option<Resolved> {
        self.learn(&[address]);
        self.0.cached(address)
    }
}
