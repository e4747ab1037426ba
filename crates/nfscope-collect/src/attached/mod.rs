//! The BPF programs of this machine: which are loaded, where they are attached,
//! and which processes hold them. Nothing is attached or changed by looking.

mod holders;
mod links;
mod query;

use std::collections::{BTreeMap, BTreeSet};

pub use links::Place;

/// A process that holds a program, or what attaches it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub command: String,
}

/// A loaded program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, if it has one.
    pub name: String,
    /// Its type: `kprobe`, `tracing`, `sched_cls`.
    pub kind: String,
    /// The user that loaded it.
    pub uid: u32,
    /// Where it is attached, as far as the kernel tells.
    pub places: Vec<Place>,
    /// Who holds it.
    pub holders: BTreeSet<Holder>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Attached {
    /// The programs by id.
    pub programs: BTreeMap<u32, Program>,
    /// Names of the types that programs are attached to, by the kernel's number:
    /// `vmlinux` or a module's.
    pub types: BTreeMap<u32, String>,
    /// Processes whose descriptors cannot be seen.
    pub unseen: usize,
    /// Programs and links of which the kernel tells nothing.
    pub untold: usize,
}

impl Attached {
    /// Looks at all programs, all links and all processes.
    ///
    /// # Errors
    /// If the kernel lists no programs (it wants CAP_SYS_ADMIN).
    pub fn read() -> std::io::Result<Self> {
        let mut all = Self::default();
        query::programs(&mut all)?;
        links::read(&mut all)?;
        holders::read(&mut all);
        Ok(all)
    }

    fn attach(&mut self, program: u32, place: Place) {
        if let Some(program) = self.programs.get_mut(&program)
            && !program.places.contains(&place)
        {
            program.places.push(place);
        }
    }
}
