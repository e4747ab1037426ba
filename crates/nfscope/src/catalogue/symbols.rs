//! The kernel's code symbols, sorted by name.

use nfscope_kernel::symbols::{self, Line, SymbolError};

/// Modules that kallsyms makes up for code that the kernel writes while it runs
/// (trampolines, BPF programs): they are no functions.
const GENERATED: [&str; 4] =
    ["bpf", "__builtin__ftrace", "__builtin__kprobes", "__builtin__bpf_trampoline"];
/// What the build puts between functions: room for callers' checks in front of them,
/// and jumps to where static calls lead.
const BETWEEN: [&str; 3] = ["__pfx_", "__cfi_", "__SCT__"];
/// A call to the tracer stands so far behind a function's first byte at most: a
/// landing pad (`endbr64`, `bti`) and a few instructions on arm64.
const CALL_SPAN: u64 = 16;

/// A code symbol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its module, if it belongs to one.
    pub module: Option<String>,
    /// Its address; 0 where the kernel hides it.
    pub address: u64,
}

/// Where the kernel's own code lies.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    text: Option<u64>,
    text_end: Option<u64>,
    init: Option<u64>,
    init_end: Option<u64>,
}

/// Where a symbol lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Among the code that stays.
    Code,
    /// Among what is freed after boot.
    Init,
    /// Elsewhere: it is no function, whatever the table says of its kind.
    Outside,
}

/// All code symbols.
#[derive(Debug, Default)]
pub struct Symbols {
    list: Vec<Symbol>,
    /// Where something begins, padding too: a function ends there at the latest.
    starts: Vec<u64>,
    bounds: Bounds,
    /// The kernel shows no addresses.
    pub hidden: bool,
}

impl Symbols {
    /// Reads the running kernel's.
    ///
    /// # Errors
    /// If its table cannot be read.
    pub fn read() -> Result<Self, SymbolError> {
        let mut all = Self::default();
        match symbols::each(|line| all.add(line)) {
            Err(SymbolError::Hidden) => all.hidden = true,
            other => other?,
        }
        all.arrange();
        Ok(all)
    }

    fn arrange(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.retain(|symbol| self.section(symbol) != Section::Outside);
        list.sort_unstable();
        list.dedup();
        self.list = list;
        self.starts.sort_unstable();
        self.starts.dedup();
    }

    fn add(&mut self, line: Line) {
        if !line.is_text() || line.module.is_some_and(|module| GENERATED.contains(&module)) {
            return;
        }
        if line.module.is_none() {
            let bound = match line.name {
                "_stext" => Some(&mut self.bounds.text),
                "_etext" => Some(&mut self.bounds.text_end),
                "_sinittext" => Some(&mut self.bounds.init),
                "_einittext" => Some(&mut self.bounds.init_end),
                _ => None,
            };
            bound.into_iter().for_each(|bound| *bound = Some(line.address));
        }
        self.starts.push(line.address);
        if !BETWEEN.iter().any(|begin| line.name.starts_with(begin)) {
            let (name, module) = (line.name.to_owned(), line.module.map(str::to_owned));
            self.list.push(Symbol { name, module, address: line.address });
        }
    }

    /// All, by name, module and address.
    pub fn list(&self) -> &[Symbol] {
        &self.list
    }

    /// Those of each name in each module.
    pub fn by_name(&self) -> impl Iterator<Item = &[Symbol]> {
        self.list.chunk_by(|a, b| a.name == b.name && a.module == b.module)
    }

    /// Those of one name in one module.
    pub fn named(&self, name: &str, module: Option<&str>) -> &[Symbol] {
        let key = |s: &Symbol| (s.name.as_str(), s.module.as_deref()).cmp(&(name, module));
        let begin = self.list.partition_point(|s| key(s).is_lt());
        let rest = &self.list[begin..];
        &rest[..rest.partition_point(|s| key(s).is_eq())]
    }

    /// Whether the kernel has a function of this name.
    pub fn has(&self, name: &str) -> bool {
        !self.named(name, None).is_empty()
    }

    /// The start of the function that has its call to the tracer here.
    pub fn traced_at(&self, call: u64) -> Option<u64> {
        let behind = self.starts.partition_point(|start| *start <= call);
        let start = *self.starts.get(behind.checked_sub(1)?)?;
        (call - start <= CALL_SPAN).then_some(start)
    }

    /// Where a symbol lies.
    pub fn section(&self, symbol: &Symbol) -> Section {
        let within = |begin: Option<u64>, end: Option<u64>| match (begin, end) {
            (Some(begin), Some(end)) => Some((begin..end).contains(&symbol.address)),
            _ => None,
        };
        if self.hidden || symbol.module.is_some() {
            Section::Code
        } else if within(self.bounds.init, self.bounds.init_end) == Some(true) {
            Section::Init
        } else if within(self.bounds.text, self.bounds.text_end) == Some(false) {
            Section::Outside
        } else {
            Section::Code
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// From lines of kallsyms.
    pub fn table(text: &str) -> Symbols {
        let mut all = Symbols::default();
        text.lines().filter_map(Line::parse).for_each(|line| all.add(line));
        all.arrange();
        all
    }

    #[test]
    fn functions_and_where_they_lie() {
        let all = table(
            "1000 T _stext\n1000 t twice\n1020 T __pfx_ip_rcv\n1030 T ip_rcv\n1040 D data\n\
             1050 t twice\n1080 T _etext\n2000 T _sinittext\n2010 t start\n2020 T _einittext\n\
             3000 t nft_do_chain\t[nf_tables]\n4000 t bpf_prog_1\t[bpf]\n5000 t reset\n",
        );
        assert_eq!(all.named("twice", None).len(), 2);
        assert_eq!(all.named("nft_do_chain", Some("nf_tables")).len(), 1);
        assert!(all.has("ip_rcv") && !all.has("__pfx_ip_rcv") && !all.has("bpf_prog_1"));
        let section = |name, module| all.section(&all.named(name, module)[0]);
        assert_eq!(section("ip_rcv", None), Section::Code);
        assert_eq!(section("start", None), Section::Init);
        assert!(!all.has("reset"), "it lies outside of the code");
        assert_eq!(section("nft_do_chain", Some("nf_tables")), Section::Code);
        assert_eq!(all.traced_at(0x1034), Some(0x1030));
        assert_eq!(all.traced_at(0x1024), Some(0x1020), "not the function in front");
        assert_eq!(all.traced_at(0x1044), None);
    }
}
