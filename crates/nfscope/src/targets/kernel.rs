//! The functions and tracepoints of the running kernel that words name.

use std::collections::{BTreeMap, HashMap, HashSet};

use nfscope_collect::stacks::{Argument, Probe, Target};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::symbols;

use super::arguments::{Arguments, Wanted};
use super::similar::Similar;
use super::tracefs::{self, Fields, Named};
use super::words::{Word, is_pattern, only_a_target};
use super::{Function, Place};
use crate::commands::Failure;
use crate::functions::glob::fits;

/// So many functions of a pattern get a kprobe each, where the kernel has no
/// kprobe for many: each takes milliseconds to set and to remove.
pub(super) const MOST_SINGLE: usize = 256;

/// What words name.
#[derive(Debug, Default)]
pub struct Found {
    /// Where.
    pub targets: Vec<Target>,
    /// How many words are targets; the rest is something else.
    pub words: usize,
    /// Functions and tracepoints of patterns that have no packet, though it is
    /// wanted.
    pub without: usize,
    /// Functions of patterns beyond what can have a kprobe each.
    pub beyond: usize,
}

/// Finds the targets that the first words name. `wanted` is told how many words
/// that are, and says what has to be known.
pub fn find(
    words: &[String],
    btf: &Btf,
    wanted: impl FnOnce(usize) -> Wanted,
) -> Result<Found, Failure> {
    let parsed: Vec<Word> = words.iter().map_while(|word| Word::parse(word)).collect();
    let functions = functions(&parsed)?;
    let tracepoints = tracefs::tracepoints();
    let mut named = Vec::new();
    for (word, functions) in parsed.iter().zip(functions) {
        let these = match word {
            Word::Function { place, .. } => Candidate::functions(functions, *place, word),
            Word::Tracepoint { category, name } => {
                let ours = |(c, n): &&(String, String)| fits(category, c) && fits(name, n);
                Candidate::tracepoints(tracepoints.iter().filter(ours), word)
            }
        };
        if these.is_empty() {
            break;
        }
        named.push(these);
    }
    if let Some(word) = words.get(named.len())
        && (named.is_empty() || only_a_target(word))
    {
        return Err(Failure::Usage(unknown(word, &tracepoints)?));
    }
    let wanted = wanted(named.len());
    let arguments = Arguments::read(btf, wanted);
    let mut found = Found { words: named.len(), ..Found::default() };
    for (word, these) in words.iter().zip(named) {
        let before = found.targets.len();
        let pattern = these.iter().any(|n| n.many);
        for one in these {
            let target = one.target(&arguments, wanted);
            if wanted.skb && target.skb.is_none() {
                if !pattern {
                    return Err(Failure::Usage(no_packet(&target)));
                }
                found.without += 1;
            } else if !found.targets.iter().any(|t| t.probe == target.probe) {
                found.targets.push(target);
            }
        }
        if pattern && wanted.skb && found.targets.len() == before {
            let text =
                format!("{word}: none of these takes a packet, so there is nothing to filter");
            return Err(Failure::Usage(text));
        }
    }
    if wanted.reason && !found.targets.iter().any(|t| t.reason.is_some()) {
        return Err(Failure::Usage(
            "--by reason: no target has a drop reason; on kernels from 5.17 on skb:kfree_skb has"
                .into(),
        ));
    }
    found.limit(btf);
    Ok(found)
}

impl Found {
    fn limit(&mut self, btf: &Btf) {
        if btf.has_kprobe_multi() {
            return;
        }
        let mut left = MOST_SINGLE;
        let before = self.targets.len();
        self.targets.retain(|target| {
            let counts = target.many && !matches!(target.probe, Probe::Tracepoint { .. });
            if counts && left == 0 {
                return false;
            }
            left -= usize::from(counts);
            true
        });
        self.beyond = before - self.targets.len();
    }
}

/// One thing that a word names.
struct Candidate {
    function: Option<Function>,
    /// Whether other functions have its name.
    ambiguous: bool,
    probe: Probe,
    many: bool,
    name: String,
}

impl Candidate {
    fn functions(functions: Vec<Function>, place: Place, word: &Word) -> Vec<Self> {
        let mut times: HashMap<Named, usize> = HashMap::new();
        let key = |f: &Function| (f.name.clone(), f.module.clone());
        functions.iter().for_each(|f| *times.entry(key(f)).or_default() += 1);
        let of = |function: Function| {
            let (probe, behind) = match place {
                Place::Entry => (Probe::At(function.address), String::new()),
                Place::Return => (Probe::Return(function.address), ":ret".into()),
                Place::Offset(bytes) => {
                    let address = function.address.checked_add(bytes)?;
                    (Probe::At(address), format!("+{bytes:#x}"))
                }
            };
            let name = format!("{}{behind}", function.name);
            let ambiguous = times.get(&key(&function)).is_none_or(|times| *times > 1);
            let known = place == Place::Entry || place == Place::Offset(0);
            let function = known.then_some(function);
            Some(Self { function, ambiguous, probe, many: many(word), name })
        };
        functions.into_iter().filter_map(of).collect()
    }

    fn tracepoints<'a>(
        tracepoints: impl Iterator<Item = &'a (String, String)>,
        word: &Word,
    ) -> Vec<Self> {
        let of = |(category, name): &(String, String)| Self {
            function: None,
            ambiguous: false,
            name: format!("{category}:{name}"),
            probe: Probe::Tracepoint { category: category.clone(), name: name.clone() },
            many: many(word),
        };
        tracepoints.map(of).collect()
    }

    fn target(self, arguments: &Arguments, wanted: Wanted) -> Target {
        let (skb, reason) = match (&self.probe, &self.function) {
            (Probe::Tracepoint { category, name }, _) => {
                let fields = Fields::read(category, name);
                (fields.skb.map(Argument::Byte), fields.reason.map(Argument::Byte))
            }
            (_, Some(f)) if !self.ambiguous => (arguments.skb(f), arguments.reason(f)),
            _ => (None, None),
        };
        Target {
            probe: self.probe,
            many: self.many,
            skb: skb.filter(|_| wanted.skb),
            reason: reason.filter(|_| wanted.reason),
            name: self.name,
        }
    }
}

fn many(word: &Word) -> bool {
    match word {
        Word::Function { pattern, .. } => is_pattern(pattern),
        Word::Tracepoint { category, name } => is_pattern(category) || is_pattern(name),
    }
}

/// The functions that each word names, in one pass.
pub(super) fn functions(words: &[Word]) -> Result<Vec<Vec<Function>>, symbols::SymbolError> {
    let patterns: Vec<Option<&str>> = words
        .iter()
        .map(|word| match word {
            Word::Function { pattern, .. } => Some(pattern.as_str()),
            Word::Tracepoint { .. } => None,
        })
        .collect();
    let globs = patterns.iter().flatten().any(|p| is_pattern(p));
    let traceable = if globs { tracefs::traceable() } else { HashSet::new() };
    let mut found: Vec<BTreeMap<u64, Function>> = vec![BTreeMap::new(); words.len()];
    symbols::each(|line| {
        if !line.is_text() {
            return;
        }
        for (pattern, found) in patterns.iter().zip(&mut found) {
            let Some(pattern) = pattern else { continue };
            let glob = is_pattern(pattern);
            if if glob { !fits(pattern, line.name) } else { *pattern != line.name } {
                continue;
            }
            let (name, module) = (line.name.to_owned(), line.module.map(str::to_owned));
            let named = (name, module);
            if glob && !traceable.is_empty() && !traceable.contains(&named) {
                continue;
            }
            let (name, module) = named;
            let address = line.address;
            found.entry(address).or_insert(Function { name, module, address });
        }
    })?;
    Ok(found.into_iter().map(|found| found.into_values().collect()).collect())
}

pub(super) fn unknown(word: &str, tracepoints: &[(String, String)]) -> Result<String, Failure> {
    let Some(parsed) = Word::parse(word) else {
        return Ok(format!(
            "{word}: not a function or tracepoint; the first word names the target"
        ));
    };
    let (wanted, what) = match &parsed {
        Word::Function { pattern, .. } => (pattern.clone(), "function"),
        Word::Tracepoint { category, name } => (format!("{category}:{name}"), "tracepoint"),
    };
    let mut similar = Similar::to(&wanted);
    if what == "tracepoint" {
        tracepoints.iter().for_each(|(c, n)| similar.offer(&format!("{c}:{n}")));
    } else {
        symbols::each(|line| {
            if line.is_text() {
                similar.offer(line.name);
            }
        })?;
    }
    let question = similar.question();
    let why = match what {
        "tracepoint" if tracepoints.is_empty() => {
            " (tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing)"
        }
        _ if question.is_empty() => " (is its module loaded, is it inlined?)",
        _ => "",
    };
    Ok(format!("{word}: this kernel has no such {what}{why}{question}"))
}

fn no_packet(target: &Target) -> String {
    let why = match target.probe {
        Probe::Return(_) => "where a function returns its arguments are gone".to_owned(),
        Probe::Tracepoint { .. } => "its record has no packet".to_owned(),
        Probe::At(_) => "it takes no packet (struct sk_buff *) among its first six arguments, or \
             the kernel's type information does not tell, or the place is inside of it"
            .to_owned(),
    };
    format!("{}: packets cannot be filtered or told apart here: {why}", target.name)
}
