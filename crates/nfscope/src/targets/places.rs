//! The places that one word names, one by one, with the functions that they are in.

use std::collections::HashMap;

use nfscope_collect::stacks::{Probe, Target};
use nfscope_kernel::btf::Btf;

use super::arguments::{Arguments, Wanted};
use super::kernel::{MOST_SINGLE, functions, unknown};
use super::tracefs::{self, Fields};
use super::words::{Word, is_pattern};
use super::{Function, Place};
use crate::commands::Failure;
use crate::functions::glob::fits;

/// A place in the kernel.
#[derive(Debug, Clone)]
pub struct At {
    /// Where the probe goes.
    pub target: Target,
    /// The function that it is in, if it is no tracepoint.
    pub function: Option<Function>,
    /// Where in it.
    pub place: Place,
    /// Other functions of the module have the same name.
    pub ambiguous: bool,
}

/// The places that a word names.
#[derive(Debug)]
pub struct Places {
    /// Them.
    pub all: Vec<At>,
    /// The word is a pattern: none of them has to be there.
    pub pattern: bool,
    /// Functions of the pattern beyond what can have a kprobe each.
    pub beyond: usize,
    /// Those left out, since no packet is there to filter.
    pub without: usize,
}

/// Finds them. `returns`: where functions return; `packets`: only those that have
/// one.
pub fn places(text: &str, btf: &Btf, returns: bool, packets: bool) -> Result<Places, Failure> {
    let tracepoints = tracefs::tracepoints();
    let Some(word) = Word::parse(text) else {
        return Err(Failure::Usage(unknown(text, &tracepoints)?));
    };
    let (mut all, pattern) = match &word {
        Word::Function { pattern, place } => {
            if returns && matches!(place, Place::Offset(_)) {
                let text = format!("{text}: --ret is for functions, not for places inside of them");
                return Err(Failure::Usage(text));
            }
            let place = if returns { Place::Return } else { *place };
            let found = functions(std::slice::from_ref(&word))?.into_iter().flatten().collect();
            (of_functions(found, place, is_pattern(pattern)), is_pattern(pattern))
        }
        Word::Tracepoint { category, name } => {
            if returns {
                return Err(Failure::Usage(format!("{text}: a tracepoint does not return")));
            }
            let many = is_pattern(category) || is_pattern(name);
            let ours = |(c, n): &&(String, String)| fits(category, c) && fits(name, n);
            (tracepoints.iter().filter(ours).map(|t| of_tracepoint(t, many)).collect(), many)
        }
    };
    if all.is_empty() {
        return Err(Failure::Usage(unknown(text, &tracepoints)?));
    }
    let mut without = 0;
    if packets {
        let arguments = Arguments::read(btf, Wanted { skb: true, reason: false });
        for at in &mut all {
            at.target.skb = match (&at.function, at.place) {
                (_, Place::Offset(_)) => None,
                (Some(function), _) if !at.ambiguous => arguments.skb(function),
                (Some(_), _) => None,
                (None, _) => at.target.skb,
            };
        }
        let before = all.len();
        all.retain(|at| at.target.skb.is_some());
        without = before - all.len();
        if all.is_empty() {
            return Err(Failure::Usage(format!(
                "--filter: {text} has no packet (struct sk_buff *) among its first six \
                 arguments, or the kernel's type information does not tell"
            )));
        }
    }
    let calls = returns || all.iter().any(|at| matches!(at.target.probe, Probe::Return(_)));
    let singly = calls || !btf.has_kprobe_multi();
    let is_function = matches!(word, Word::Function { .. });
    let most = if singly && is_function { MOST_SINGLE } else { usize::MAX };
    let beyond = all.len().saturating_sub(most);
    all.truncate(most);
    Ok(Places { all, pattern, beyond, without })
}

fn of_functions(functions: Vec<Function>, place: Place, many: bool) -> Vec<At> {
    let key = |f: &Function| (f.name.clone(), f.module.clone());
    let mut times: HashMap<_, usize> = HashMap::new();
    functions.iter().for_each(|f| *times.entry(key(f)).or_default() += 1);
    let of = |function: Function| {
        let (probe, behind) = match place {
            Place::Entry => (Probe::At(function.address), String::new()),
            Place::Return => (Probe::Return(function.address), String::new()),
            Place::Offset(bytes) => {
                (Probe::At(function.address.checked_add(bytes)?), format!("+{bytes:#x}"))
            }
        };
        let name = format!("{}{behind}", function.name);
        let ambiguous = times.get(&key(&function)).is_none_or(|times| *times > 1);
        let target = Target { probe, many, skb: None, reason: None, name };
        Some(At { target, function: Some(function), place, ambiguous })
    };
    functions.into_iter().filter_map(of).collect()
}

fn of_tracepoint((category, name): &(String, String), many: bool) -> At {
    let skb = Fields::read(category, name).skb.map(nfscope_collect::stacks::Argument::Byte);
    let probe = Probe::Tracepoint { category: category.clone(), name: name.clone() };
    let name = format!("{category}:{name}");
    let target = Target { probe, many, skb, reason: None, name };
    At { target, function: None, place: Place::Entry, ambiguous: false }
}
