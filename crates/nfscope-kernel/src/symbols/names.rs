//! Addresses to names.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use serde::Serialize;

use super::{BUFFER, KALLSYMS, SymbolError, scan};

/// An address as symbol and offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The symbol.
    pub name: String,
    /// Bytes from its start.
    pub offset: u64,
    /// Bytes to the next symbol.
    pub size: u64,
    /// Its module, if it belongs to one.
    pub module: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Range {
    end: u64,
    name: String,
    module: Option<String>,
}

/// Names of code addresses. What was asked once is remembered for its whole symbol; everything else
/// costs a pass over the kernel's table, so ask for many addresses together.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<u64, Range>,
}

impl Names {
    /// An empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// The symbol that an address lies in.
    pub fn resolve(&mut self, address: u64) -> Result<Option<Resolved>, SymbolError> {
        self.learn(&[address])?;
        Ok(self.cached(address))
    }

    /// What is known of an address without another pass.
    pub fn cached(&self, address: u64) -> Option<Resolved> {
        let (start, range) = self.known.range(..=address).next_back()?;
        (address < range.end).then(|| Resolved {
            name: range.name.clone(),
            offset: address - start,
            size: range.end - start,
            module: range.module.clone(),
        })
    }

    /// Looks all these addresses up in one pass.
    pub fn learn(&mut self, addresses: &[u64]) -> Result<(), SymbolError> {
        if addresses.iter().all(|address| self.cached(*address).is_some()) {
            return Ok(());
        }
        self.learn_from(BufReader::with_capacity(BUFFER, std::fs::File::open(KALLSYMS)?), addresses)
    }

    /// The same, from a table given by its text.
    pub fn learn_from(
        &mut self,
        table: impl BufRead,
        addresses: &[u64],
    ) -> Result<(), SymbolError> {
        let mut wanted: Vec<u64> =
            addresses.iter().copied().filter(|address| self.cached(*address).is_none()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut best: Vec<Option<(u64, Range)>> = vec![None; wanted.len()];
        let mut ends = vec![u64::MAX; wanted.len()];
        scan(table, |line| {
            if !line.is_text() {
                return;
            }
            // The symbol starts between two wanted addresses: it may be the start for the one behind it
            // and the end for the one in front. Those further away are settled afterwards.
            let split = wanted.partition_point(|address| *address < line.address);
            if let Some(end) = split.checked_sub(1).and_then(|front| ends.get_mut(front)) {
                *end = line.address.min(*end);
            }
            // Of several names for one address the first is kept, but a position-independent alias
            // (`__pi_memset`) gives way to the function's own.
            let better = |(start, range): &(u64, Range)| {
                *start < line.address || *start == line.address && range.name.starts_with("__pi_")
            };
            if let Some(slot) = best.get_mut(split)
                && slot.as_ref().is_none_or(better)
            {
                let (start, range) = slot.get_or_insert_with(|| (0, Range::default()));
                *start = line.address;
                range.name.clear();
                range.name.push_str(line.name);
                range.module = line.module.map(str::to_owned);
            }
        })?;
        for n in (1..ends.len()).rev() {
            ends[n - 1] = ends[n - 1].min(ends[n]);
        }
        let mut start: Option<(u64, Range)> = None;
        for (slot, end) in best.into_iter().zip(ends) {
            start = match (start, slot) {
                (Some(front), Some(own)) => Some(if front.0 > own.0 { front } else { own }),
                (front, own) => own.or(front),
            };
            if let Some((start, range)) = &start {
                self.known.insert(*start, Range { end, ..range.clone() });
            }
        }
        Ok(())
    }
}
