//! Which kernel functions a trace tells: those that take a packet, by the
//! kernel's own type information, of the names that are wanted.

pub mod glob;
mod path;

use std::collections::{BTreeMap, HashMap, HashSet};

use nfscope_collect::trace::{Function, Functions, MOST_POSITIONS};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::symbols;

use glob::fits;
use path::{DOORS, PATH};

/// The word for the default set in a list of patterns.
pub const DEFAULT: &str = "default";
/// So many functions get a kprobe each, where the kernel has no kprobe for
/// many: each takes milliseconds to set and to remove.
const MOST_SINGLE: usize = 256;
/// How far behind a function's first byte its probe may stop: a landing pad
/// (`endbr64`, `bti`), a call to the tracer, a breakpoint.
const PROBE_SPAN: u64 = 16;
/// The functions that the kernel's tracer can stop at, a line each with its
/// module in brackets; where tracefs is not mounted nobody knows them ahead.
const TRACEABLE: &str = "/sys/kernel/tracing/available_filter_functions";
/// What a packet is in the kernel.
const PACKET: &str = "sk_buff";

/// A name and its module.
type Named = (String, Option<String>);

/// Functions by their addresses.
#[derive(Debug, Clone, Default)]
pub struct FunctionNames(BTreeMap<u64, Named>);

impl FunctionNames {
    /// The function that a probe stopped at.
    pub fn get(&self, address: u64) -> Option<(&str, Option<&str>)> {
        let (start, (name, module)) = self.0.range(..=address).next_back()?;
        (address - start <= PROBE_SPAN).then_some((name.as_str(), module.as_deref()))
    }
}

/// The functions to tell.
#[derive(Debug, Clone, Default)]
pub struct FunctionSet {
    /// For the collector.
    pub functions: Functions,
    /// For those who read.
    pub names: FunctionNames,
    /// Wanted, and not probed since a kprobe each would be too many.
    pub beyond: usize,
    /// Wanted, and not to be told from another of the same name, or without a
    /// symbol.
    pub ambiguous: usize,
    /// Wanted, and the kernel's tracer does not stop there.
    pub untraceable: usize,
    /// Wanted, and the packet is too far behind among its arguments.
    pub far: usize,
}

/// A function that is wanted.
struct Candidate {
    name: Named,
    position: u32,
    /// Number of the pattern that wants it.
    rank: usize,
}

impl FunctionSet {
    /// The functions whose names fit one of `patterns`.
    pub fn choose(patterns: &[String], kernel: &Btf) -> anyhow::Result<Self> {
        let patterns: Vec<&str> = patterns
            .iter()
            .flat_map(|p| if p == DEFAULT { PATH.to_vec() } else { vec![p.as_str()] })
            .collect();
        let mut candidates = candidates(&patterns, kernel);
        let addresses = addresses(&candidates)?;
        let multi = kernel.has_kprobe_multi();
        // a few that are refused are found by halves, of many that takes long
        let mut untraceable = 0;
        if multi && candidates.len() > MOST_SINGLE {
            let before = candidates.len();
            let text = std::fs::read_to_string(TRACEABLE).unwrap_or_default();
            keep_traceable(&mut candidates, &text);
            untraceable = before - candidates.len();
        }
        Ok(Self { untraceable, ..Self::arrange(candidates, &addresses, multi) })
    }

    fn arrange(
        mut candidates: Vec<Candidate>,
        addresses: &HashMap<Named, Vec<u64>>,
        multi: bool,
    ) -> Self {
        let mut set = Self::default();
        set.functions.multi = multi;
        candidates.sort_by(|a, b| (a.rank, &a.name).cmp(&(b.rank, &b.name)));
        let mut times: HashMap<&Named, usize> = HashMap::new();
        candidates.iter().for_each(|c| *times.entry(&c.name).or_default() += 1);
        for candidate in &candidates {
            let of_name = addresses.get(&candidate.name).map_or(&[][..], Vec::as_slice);
            let ([address], Some(1)) = (of_name, times.get(&candidate.name)) else {
                set.ambiguous += 1;
                continue;
            };
            if candidate.position >= MOST_POSITIONS {
                set.far += 1;
            } else if !multi && set.functions.list.len() >= MOST_SINGLE {
                set.beyond += 1;
            } else if set.names.0.insert(*address, candidate.name.clone()).is_none() {
                let door = DOORS.contains(&candidate.name.0.as_str());
                let (address, position) = (*address, candidate.position);
                set.functions.list.push(Function { address, position, door });
            }
        }
        set
    }

    /// What a user has to know: that some are not probed.
    pub fn notice(&self) -> Option<String> {
        (self.beyond > 0).then(|| {
            format!(
                "{} of {} functions are told: this kernel takes a kprobe for each (kprobe-multi \
                 came with 5.18); choose with --functions=GLOB",
                self.functions.list.len(),
                self.functions.list.len() + self.beyond
            )
        })
    }

    /// What was left out and why, `refused`: by the kernel.
    pub fn left_out(&self, refused: usize) -> Option<String> {
        let counts = [
            (
                refused + self.untraceable,
                "that the kernel lets nobody probe (notrace, blacklisted)",
            ),
            (self.ambiguous, "whose name is not that of one symbol"),
            (self.far, "with the packet behind their fifth argument"),
        ];
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let some: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
        (!some.is_empty()).then(|| format!("functions left out: {}", some.join(", ")))
    }
}

fn candidates(patterns: &[&str], kernel: &Btf) -> Vec<Candidate> {
    let kernel = kernel.kernel();
    let mut out = Vec::new();
    let mut add = |btf: &Btf, module: Option<&str>| {
        for taking in btf.functions_taking(PACKET) {
            if let Some(rank) = patterns.iter().position(|p| fits(p, &taking.name)) {
                let name = (taking.name, module.map(str::to_owned));
                out.push(Candidate { name, position: taking.position, rank });
            }
        }
    };
    add(kernel, None);
    kernel.modules().iter().for_each(|(name, btf)| add(btf, Some(name)));
    out
}

/// Leaves out what is not in the tracer's list, if there is one.
fn keep_traceable(candidates: &mut Vec<Candidate>, list: &str) {
    // behind the name may stand the module, and flags
    let named = |line: &str| -> Option<Named> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?.to_owned();
        let module = words.next().and_then(|m| m.strip_prefix('[')?.strip_suffix(']'));
        Some((name, module.map(str::to_owned)))
    };
    let traceable: HashSet<Named> = list.lines().filter_map(named).collect();
    if !traceable.is_empty() {
        candidates.retain(|candidate| traceable.contains(&candidate.name));
    }
}

/// Where the kernel has code of these names.
fn addresses(candidates: &[Candidate]) -> Result<HashMap<Named, Vec<u64>>, symbols::SymbolError> {
    let mut found: HashMap<Named, Vec<u64>> =
        candidates.iter().map(|c| (c.name.clone(), Vec::new())).collect();
    let mut by_name: HashMap<&str, Vec<&Named>> = HashMap::new();
    candidates.iter().for_each(|c| by_name.entry(&c.name.0).or_default().push(&c.name));
    symbols::each(|line| {
        let Some(names) = by_name.get(line.name).filter(|_| line.is_text()) else { return };
        let ours = names.iter().find(|(_, module)| module.as_deref() == line.module);
        if let Some(all) = ours.and_then(|name| found.get_mut(*name))
            && !all.contains(&line.address)
        {
            all.push(line.address);
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, position: u32, rank: usize) -> Candidate {
        Candidate { name: (name.into(), None), position, rank }
    }

    #[test]
    fn what_cannot_be_told_apart_or_read_is_counted() {
        let all = vec![
            candidate("twice", 0, 0),
            candidate("far", 5, 0),
            candidate("gone", 0, 0),
            candidate("ip_rcv", 0, 1),
            candidate("udp_rcv", 0, 0),
        ];
        let addresses =
            [("twice", vec![1, 2]), ("far", vec![3]), ("ip_rcv", vec![64]), ("udp_rcv", vec![5])]
                .map(|(name, at)| ((name.to_owned(), None), at))
                .into();
        let set = FunctionSet::arrange(all, &addresses, true);
        assert_eq!((set.ambiguous, set.far, set.beyond), (2, 1, 0));
        let list: Vec<_> = set.functions.list.iter().map(|f| (f.address, f.door)).collect();
        assert_eq!(list, [(5, false), (64, true)]);
        assert_eq!(set.names.get(68), Some(("ip_rcv", None)));
        assert_eq!(set.names.get(64 + PROBE_SPAN + 1), None);
        assert_eq!(set.names.get(4), None);
        assert!(set.left_out(1).unwrap().starts_with("functions left out: 1 that"));
        assert_eq!(set.notice(), None);
    }

    #[test]
    fn the_tracers_list_decides_if_there_is_one() {
        let names = |list: &str| {
            let mut all = vec![candidate("ip_rcv", 0, 0), candidate("hidden", 0, 0)];
            all.push(Candidate {
                name: ("br".into(), Some("bridge".into())),
                ..candidate("", 0, 0)
            });
            keep_traceable(&mut all, list);
            all.into_iter().map(|c| c.name.0).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["ip_rcv", "hidden", "br"]);
        assert_eq!(names("ip_rcv\nhidden [other]\nbr [bridge]\n"), ["ip_rcv", "br"]);
    }

    #[test]
    fn single_kprobes_are_capped_by_rank() {
        let name = |n: usize| format!("f{n:03}");
        let all = (0..300).map(|n| candidate(&name(n), 0, 299 - n)).collect();
        let addresses = (0..300).map(|n| ((name(n), None), vec![n as u64 * 64 + 64])).collect();
        let set = FunctionSet::arrange(all, &addresses, false);
        assert_eq!((set.functions.list.len(), set.beyond), (MOST_SINGLE, 44));
        assert_eq!(set.names.get(64), None, "the last in rank");
        assert!(set.notice().unwrap().starts_with("256 of 300 functions"));
    }
}
