//! Addresses of the running kernel as function names.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Looks addresses up in `/proc/kallsyms`, each once. No table is kept: a
/// machine drops packets in a few dozen places, the table has 150,000 lines.
#[derive(Debug, Default)]
pub struct Symbols {
    known: HashMap<u64, Option<Symbol>>,
}

#[derive(Debug, Clone)]
struct Symbol {
    name: String,
    offset: u64,
    module: Option<String>,
}

impl Symbols {
    /// The function that holds the address.
    pub fn function(&mut self, address: u64) -> Option<String> {
        self.find(address).map(|s| s.name)
    }

    /// `function+0xoff`, with the module in brackets if there is one.
    pub fn place(&mut self, address: u64) -> Option<String> {
        let Symbol { name, offset, module } = self.find(address)?;
        let module = module.map(|m| format!(" [{m}]")).unwrap_or_default();
        Some(format!("{name}+{offset:#x}{module}"))
    }

    fn find(&mut self, address: u64) -> Option<Symbol> {
        self.known.entry(address).or_insert_with(|| scan(address)).clone()
    }
}

fn scan(address: u64) -> Option<Symbol> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open("/proc/kallsyms").ok()?);
    let mut best: Option<(u64, String)> = None;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
        let mut words = line.split_ascii_whitespace();
        let start = words.next().and_then(|w| u64::from_str_radix(w, 16).ok());
        let kind = words.next().unwrap_or_default();
        if let Some(start) = start
            && start != 0
            && start <= address
            && matches!(kind, "t" | "T" | "w" | "W")
            && best.as_ref().is_none_or(|(b, _)| start > *b)
        {
            best = Some((start, words.collect::<Vec<_>>().join(" ")));
        }
        line.clear();
    }
    let (start, text) = best?;
    let mut words = text.split(' ');
    let name = words.next()?.to_string();
    let module = words.next().map(|m| m.trim_matches(['[', ']']).to_string());
    Some(Symbol { name, offset: address - start, module })
}
