//! Source lines of the running kernel's stacks (`--source`).

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use nfscope_event::SourceFrame;
use nfscope_symbols::{DebugFiles, Frame, Kernel, Lookup, Store, Target, made_at_run_time};

use super::symbols::Symbols;

/// So many addresses are kept: nfscope may run for ever.
const MAX: usize = 4096;
/// How often the kernel's symbols are read again, for modules that came later.
const AGE: Duration = Duration::from_secs(1);

/// Looks up lines, and keeps what was asked.
pub struct SourceLines<'a> {
    kernel: Kernel<'a>,
    read: Instant,
    known: HashMap<u64, Vec<SourceFrame>>,
    /// What is missing, each told once.
    told: HashSet<String>,
    notices: Vec<String>,
}

impl<'a> SourceLines<'a> {
    /// Opens the kernel's debug information, so that the first stack does not wait for it.
    pub fn open(store: &'a Store) -> io::Result<Self> {
        let mut kernel = Kernel::running(store, DebugFiles::default())?;
        let (mut told, mut notices) = (HashSet::new(), Vec::new());
        if !kernel.is_running() {
            notices.push("--source: the kernel hides its symbols, no lines are told".to_owned());
        }
        notices.extend(kernel.notes(None).iter().filter(|n| told.insert((*n).clone())).cloned());
        Ok(Self { kernel, read: Instant::now(), known: HashMap::new(), told, notices })
    }

    /// What is at an address that stands in a stack: the call that returns there. `function` is
    /// what it is known to be in.
    pub fn at(&mut self, address: u64, function: Option<&str>) -> Vec<SourceFrame> {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let found = match self.look(address, function) {
            Some(found) => found,
            None if self.read.elapsed() >= AGE => {
                self.read = Instant::now();
                self.kernel.reread();
                self.known.clear();
                // what the kernel says now is right, whatever was known of the place before
                self.look(address, None).unwrap_or_default()
            }
            // perhaps a module's that has just come: not to be kept
            None => return Vec::new(),
        };
        if self.known.len() >= MAX {
            // what is asked for often is soon there again
            self.known.clear();
        }
        self.known.insert(address, found.clone());
        found
    }

    /// The same for each of a stack's addresses.
    pub fn stack(&mut self, addresses: &[u64], symbols: &mut Symbols) -> Vec<Vec<SourceFrame>> {
        addresses.iter().map(|at| self.at(*at, symbols.function(*at).as_deref())).collect()
    }

    /// Sentences for the user.
    pub fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// None where the symbols that were read have another function there, or nothing.
    fn look(&mut self, address: u64, function: Option<&str>) -> Option<Vec<SourceFrame>> {
        let answers = self.kernel.resolve(&Target::Address(address), Lookup::Return).ok()?;
        let answer = answers.into_iter().next()?;
        let name = answer.symbol.as_ref().map(|symbol| symbol.name.as_str());
        if function.is_some() && name != function {
            return None;
        }
        // what is missing of the module; that an address has no line is seen in the stack
        if !answer.module.as_deref().is_some_and(made_at_run_time) {
            let notes = self.kernel.notes(answer.module.as_deref());
            let new = notes.iter().filter(|note| self.told.insert((*note).clone()));
            self.notices.extend(new.cloned());
        }
        Some(answer.frames.into_iter().map(source_frame).collect())
    }
}

/// A frame as events have it.
pub fn source_frame(frame: Frame) -> SourceFrame {
    let Frame { function, file, line, column, inlined } = frame;
    SourceFrame { function, file, line, column, inlined }
}
