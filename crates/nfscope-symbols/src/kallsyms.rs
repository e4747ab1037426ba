//! The running kernel's code symbols, kept for as long as addresses are asked for.

use std::collections::HashMap;

use nfscope_kernel::symbols::{self, SymbolError};

/// No function is longer: what lies further behind a symbol is data or nothing.
const MAX_FUNCTION: u64 = 256 << 10;

/// One symbol of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub address: u64,
    /// The next higher address of a symbol.
    pub end: u64,
    pub name: Box<str>,
    /// The module's number, from 1.
    module: u16,
}

/// `/proc/kallsyms`, by address.
#[derive(Debug, Default)]
pub(crate) struct Kallsyms {
    all: Vec<Live>,
    modules: Vec<String>,
}

impl Kallsyms {
    /// Reads the table.
    pub fn read() -> Result<Self, SymbolError> {
        let mut out = Self::default();
        let mut numbers: HashMap<String, u16> = HashMap::new();
        symbols::each(|line| {
            if !line.is_text() {
                return;
            }
            let module = match line.module {
                None => 0,
                Some(name) => match numbers.get(name) {
                    Some(number) => *number,
                    None => {
                        out.modules.push(name.to_owned());
                        let number = u16::try_from(out.modules.len()).unwrap_or(u16::MAX);
                        numbers.insert(name.to_owned(), number);
                        number
                    }
                },
            };
            out.all.push(Live { address: line.address, end: 0, name: line.name.into(), module });
        })?;
        out.order();
        Ok(out)
    }

    fn order(&mut self) {
        // the kernel's own order among names of one address, but a position-independent alias is last
        self.all.sort_by_key(|symbol| (symbol.address, symbol.name.starts_with("__pi_")));
        let (mut next, mut end) = (u64::MAX, u64::MAX);
        for symbol in self.all.iter_mut().rev() {
            if symbol.address != next {
                (end, next) = (next, symbol.address);
            }
            symbol.end = end;
        }
    }

    /// The symbol that an address lies in.
    pub fn at(&self, address: u64) -> Option<&Live> {
        let behind = self.all.partition_point(|symbol| symbol.address <= address);
        let last = self.all.get(behind.checked_sub(1)?)?;
        let first = self.all.partition_point(|symbol| symbol.address < last.address);
        self.all
            .get(first)
            .filter(|symbol| symbol.end != u64::MAX && address - symbol.address < MAX_FUNCTION)
    }

    /// The symbols of a name, in a module if one is named.
    pub fn named(&self, name: &str, module: Option<&str>) -> Vec<&Live> {
        let fits = |symbol: &&Live| {
            &*symbol.name == name && module.is_none_or(|module| self.module(symbol) == Some(module))
        };
        self.all.iter().filter(fits).collect()
    }

    /// The module of a symbol.
    pub fn module(&self, symbol: &Live) -> Option<&str> {
        self.modules.get(usize::from(symbol.module).checked_sub(1)?).map(String::as_str)
    }

    /// The address of the kernel's own symbol of this name.
    pub fn address(&self, name: &str) -> Option<u64> {
        let own = self.all.iter().find(|symbol| symbol.module == 0 && &*symbol.name == name);
        own.map(|symbol| symbol.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_aliases() {
        let live = |address, name: &str| Live { address, end: 0, name: name.into(), module: 0 };
        let all = vec![live(0x20, "b"), live(0x10, "__pi_a"), live(0x10, "a"), live(0x30, "end")];
        let mut table = Kallsyms { all, modules: Vec::new() };
        table.order();
        let at = |address| table.at(address).map(|symbol| (&*symbol.name, symbol.end));
        assert_eq!(at(0x1f), Some(("a", 0x20)));
        assert_eq!(at(0x20), Some(("b", 0x30)));
        assert_eq!(at(0x0f), None);
        assert_eq!(at(0x30), None, "nobody knows where the last symbol ends");
        assert_eq!(table.named("__pi_a", None).len(), 1);
    }
}
