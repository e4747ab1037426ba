//! The running kernel's code symbols, kept for as long as addresses are asked for.

use std::cell::OnceCell;
use std::collections::HashMap;

use nfscope_kernel::symbols::{self, Line, SymbolError};

/// No function is longer: what lies further behind a symbol is data or nothing.
const MAX_FUNCTION: u64 = 256 << 10;

/// One symbol of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub address: u64,
    /// The next higher address of a symbol.
    pub end: u64,
    /// Whether the kernel ends it there, too. It bounds a module's last function by the end of the
    /// module's text (`find_kallsyms_symbol` in `kernel/module/kallsyms.c`), which nothing shows; and it
    /// keeps the true sizes of code that it makes while it runs.
    pub end_known: bool,
    pub name: Box<str>,
    /// The module's number, from 1.
    module: u16,
}

/// `/proc/kallsyms`, by address.
#[derive(Debug, Default)]
pub(crate) struct Kallsyms {
    all: Vec<Live>,
    modules: Vec<String>,
    /// Places in `all`, by name; made when the first name is asked for.
    names: OnceCell<Vec<u32>>,
}

impl Kallsyms {
    /// Reads the table.
    pub fn read() -> Result<Self, SymbolError> {
        let mut out = Self::default();
        let mut numbers: HashMap<String, u16> = HashMap::new();
        symbols::each(|line| out.add(line, &mut numbers))?;
        out.order();
        Ok(out)
    }

    fn add(&mut self, line: Line, numbers: &mut HashMap<String, u16>) {
        // arm64's mapping symbols ($x, $d) and the assembler's own labels: the kernel does not take a
        // module's for functions either
        if !line.is_text() || line.name.starts_with('$') || line.name.starts_with(".L") {
            return;
        }
        let module = match line.module {
            None => 0,
            Some(name) => match numbers.get(name) {
                Some(number) => *number,
                None => {
                    self.modules.push(name.to_owned());
                    let number = u16::try_from(self.modules.len()).unwrap_or(u16::MAX);
                    numbers.insert(name.to_owned(), number);
                    number
                }
            },
        };
        let (address, name) = (line.address, line.name.into());
        self.all.push(Live { address, end: 0, end_known: false, name, module });
    }

    fn order(&mut self) {
        // the kernel's own order among names of one address, but a position-independent alias is last
        self.all.sort_by_key(|symbol| (symbol.address, symbol.name.starts_with("__pi_")));
        let made: Vec<bool> = self.modules.iter().map(|name| made_at_run_time(name)).collect();
        // addresses of symbols with their modules: the one at hand, and the one behind it
        let mut here: Option<(u64, u16)> = None;
        let mut behind: Option<(u64, u16)> = None;
        for symbol in self.all.iter_mut().rev() {
            if here.is_none_or(|(address, _)| address != symbol.address) {
                behind = here.replace((symbol.address, symbol.module));
            }
            symbol.end = behind.map_or(u64::MAX, |(address, _)| address);
            let made = usize::from(symbol.module).checked_sub(1).and_then(|n| made.get(n));
            symbol.end_known =
                made != Some(&true) && behind.is_some_and(|(_, module)| module == symbol.module);
            if !symbol.end_known {
                symbol.end = symbol.end.min(symbol.address.saturating_add(MAX_FUNCTION));
            }
        }
    }

    /// The symbol that an address lies in.
    pub fn at(&self, address: u64) -> Option<&Live> {
        let behind = self.all.partition_point(|symbol| symbol.address <= address);
        let last = self.all.get(behind.checked_sub(1)?)?;
        let first = self.all.partition_point(|symbol| symbol.address < last.address);
        // behind the last symbol of all is anything, if it is the kernel's own
        self.all.get(first).filter(|symbol| {
            address < symbol.end
                && address - symbol.address < MAX_FUNCTION
                && (symbol.module != 0 || behind < self.all.len())
        })
    }

    /// The symbols of a name, in a module if one is named.
    pub fn named(&self, name: &str, module: Option<&str>) -> Vec<&Live> {
        let fits = |symbol: &&Live| module.is_none_or(|module| self.module(symbol) == Some(module));
        self.called(name).filter(fits).collect()
    }

    /// All symbols of a name, by address.
    fn called(&self, name: &str) -> impl Iterator<Item = &Live> {
        let name_of = |n: &u32| self.all.get(*n as usize).map(|symbol| &*symbol.name);
        let names = self.names.get_or_init(|| {
            let mut names: Vec<u32> = (0..self.all.len() as u32).collect();
            names.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
            names
        });
        let start = names.partition_point(|n| name_of(n) < Some(name));
        let len = names[start..].partition_point(|n| name_of(n) == Some(name));
        names[start..start + len].iter().filter_map(|n| self.all.get(*n as usize))
    }

    /// The module of a symbol.
    pub fn module(&self, symbol: &Live) -> Option<&str> {
        self.modules.get(usize::from(symbol.module).checked_sub(1)?).map(String::as_str)
    }

    /// The address of the kernel's own symbol of this name.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.called(name).find(|symbol| symbol.module == 0).map(|symbol| symbol.address)
    }

    /// A table of these lines.
    #[cfg(test)]
    pub fn of(lines: &[&str]) -> Self {
        let (mut out, mut numbers) = (Self::default(), HashMap::new());
        lines.iter().filter_map(|line| Line::parse(line)).for_each(|l| out.add(l, &mut numbers));
        out.order();
        out
    }
}

/// Whether a module of `/proc/kallsyms` is none, but code that the kernel makes: no file has it.
pub fn made_at_run_time(module: &str) -> bool {
    module == "bpf" || module.starts_with("__builtin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_aliases() {
        let table = Kallsyms::of(&["20 t b", "10 t __pi_a", "10 T a", "30 T end", "18 d data"]);
        let at = |address| table.at(address).map(|symbol| (&*symbol.name, symbol.end));
        assert_eq!(at(0x1f), Some(("a", 0x20)));
        assert_eq!(at(0x20), Some(("b", 0x30)));
        assert_eq!(at(0x0f), None);
        assert_eq!(at(0x30), None, "nobody knows where the last symbol ends");
        assert_eq!(table.named("__pi_a", None).len(), 1);
    }
    #[test]
    fn ends_do_not_cross_modules() {
        let table = Kallsyms::of(&[
            "1000 t kernel_first",
            "1040 t kernel_last",
            "8000 t one_first\t[one]",
            "8040 t one_last\t[one]",
            "9000 t two_last\t[two]",
            "a000 t bpf_prog_1\t[bpf]",
            "b000 t bpf_prog_2\t[bpf]",
        ]);
        let known = |name: &str| table.named(name, None)[0].end_known;
        for name in ["kernel_first", "one_first"] {
            assert!(known(name), "{name}");
        }
        for name in ["kernel_last", "one_last", "two_last", "bpf_prog_1", "bpf_prog_2"] {
            assert!(!known(name), "{name}");
        }
        let at = |address| table.at(address).map(|symbol| &*symbol.name);
        assert_eq!(at(0x8041), Some("one_last"));
        assert_eq!(at(0xb010), Some("bpf_prog_2"), "a module's function may be the last of all");
        assert_eq!(at(0xb000 + MAX_FUNCTION), None);
    }

    #[test]
    fn mapping_symbols_are_no_functions() {
        let table = Kallsyms::of(&[
            "8000 t $x\t[one]",
            "8000 t one_first\t[one]",
            "8010 t $d\t[one]",
            "8018 t .L123\t[one]",
            "8020 t $x.1\t[one]",
            "8040 t one_last\t[one]",
        ]);
        let symbol = table.at(0x8021).unwrap();
        assert_eq!((&*symbol.name, symbol.end, symbol.end_known), ("one_first", 0x8040, true));
        assert!(table.named("$x", None).is_empty());
    }

    #[test]
    fn by_name() {
        let table = Kallsyms::of(&["30 t c", "20 t b", "10 t a", "8000 t b\t[one]", "40 t b"]);
        let addresses = |name: &str, module| -> Vec<u64> {
            table.named(name, module).iter().map(|symbol| symbol.address).collect()
        };
        assert_eq!(addresses("b", None), [0x20, 0x40, 0x8000]);
        assert_eq!(addresses("b", Some("one")), [0x8000]);
        assert_eq!(addresses("a", None), [0x10]);
        assert_eq!(addresses("c", None), [0x30]);
        assert!(addresses("d", None).is_empty() && addresses("", None).is_empty());
        assert_eq!(table.address("b"), Some(0x20));
    }
}
