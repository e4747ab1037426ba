//! Addresses of code and data as symbols and offsets, as the kernel prints them (`%pS`).

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use super::{Line, SymbolError, open, scan};

/// The symbol in front of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The symbol.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// Bytes from its start.
    pub offset: u64,
    /// Whether it is code.
    pub text: bool,
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.offset > 0 {
            write!(f, "+{:#x}", self.offset)?;
        }
        match &self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}

/// The nearest symbol in front of each of these addresses, in one pass.
pub fn nearest(addresses: &[u64]) -> Result<BTreeMap<u64, Near>, SymbolError> {
    nearest_in(open()?, addresses)
}

/// The same, in a table given by its text.
pub fn nearest_in(
    table: impl BufRead,
    addresses: &[u64],
) -> Result<BTreeMap<u64, Near>, SymbolError> {
    let mut wanted = addresses.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let mut best: Vec<Option<(u64, Near)>> = vec![None; wanted.len()];
    scan(table, |line| {
        if !has_place(&line) {
            return;
        }
        // the first wanted address behind it; those further behind are settled afterwards
        let first = wanted.partition_point(|address| *address < line.address);
        let Some(slot) = best.get_mut(first) else { return };
        let better = |(start, near): &(u64, Near)| {
            *start < line.address || *start == line.address && near.name.starts_with("__pi_")
        };
        if slot.as_ref().is_none_or(better) {
            let (name, module) = (line.name.to_owned(), line.module.map(str::to_owned));
            *slot = Some((line.address, Near { name, module, offset: 0, text: line.is_text() }));
        }
    })?;
    let mut front: Option<(u64, Near)> = None;
    let mut out = BTreeMap::new();
    for (address, own) in wanted.into_iter().zip(best) {
        front = own.or(front);
        if let Some((start, near)) = &front {
            out.insert(address, Near { offset: address - start, ..near.clone() });
        }
    }
    Ok(out)
}

/// Numbers that are no places (a processor's own variables, on x86) and assemblers' labels name nothing.
fn has_place(line: &Line) -> bool {
    !matches!(line.kind, 'a' | 'A' | 'U') && !line.name.starts_with(['$', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_data_by_the_symbol_in_front() {
        let table = "10 A number\n1000 T code\n2000 d data\t[one]\n2000 t $d\n3000 b last\n";
        let found = nearest_in(table.as_bytes(), &[0x20, 0x1000, 0x1010, 0x2fff, 0x3000]).unwrap();
        let text = |address: u64| found.get(&address).map(Near::to_string);
        assert_eq!(text(0x20), None);
        assert_eq!(text(0x1000).as_deref(), Some("code"));
        assert_eq!(text(0x1010).as_deref(), Some("code+0x10"));
        assert_eq!(text(0x2fff).as_deref(), Some("data+0xfff [one]"));
        assert_eq!(text(0x3000).as_deref(), Some("last"));
        assert!(found[&0x1000].text && !found[&0x3000].text);
    }
}
