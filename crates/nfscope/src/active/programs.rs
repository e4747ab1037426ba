//! BPF programs, with the functions that they are attached to by name.

use std::sync::Arc;

use nfscope_collect::attached::{self, Attached};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::symbols::{Names, Resolved};
use serde::Serialize;

use super::Owner;

/// The kernel's own types among those of modules.
const KERNEL: &str = "vmlinux";

/// Where a program is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// At a kprobe.
    Kprobe {
        /// The function.
        function: String,
        /// Its module, if it belongs to one.
        #[serde(skip_serializing_if = "Option::is_none")]
        module: Option<String>,
        /// Bytes from its start.
        offset: u64,
        /// Where it returns.
        returns: bool,
    },
    /// At a function, with others at once.
    KprobeMulti {
        /// The function.
        function: String,
        /// Its module, if it belongs to one.
        #[serde(skip_serializing_if = "Option::is_none")]
        module: Option<String>,
        /// Where it returns.
        returns: bool,
    },
    /// Behind a trampoline in a function.
    Trampoline {
        /// The function; absent where the kernel does not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        function: Option<String>,
        /// Its module, if it belongs to one.
        #[serde(skip_serializing_if = "Option::is_none")]
        module: Option<String>,
        /// `trace_fentry`, `trace_fexit`, `lsm_mac`.
        how: String,
    },
    /// At a tracepoint.
    Tracepoint {
        /// Its name.
        name: String,
        /// With the arguments as they are, not a record.
        raw: bool,
    },
    /// At a place in a program's file.
    Uprobe {
        /// The file.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Bytes from its start.
        offsets: Vec<u64>,
        /// Where it returns.
        returns: bool,
    },
    /// Elsewhere, in words.
    Other {
        /// Which.
        text: String,
    },
}

impl Place {
    /// Whether it is in a function.
    pub(super) fn is_in(&self, wanted: &str, of: Option<&str>) -> bool {
        match self {
            Self::Kprobe { function, module, .. } | Self::KprobeMulti { function, module, .. } => {
                function == wanted && module.as_deref() == of
            }
            Self::Trampoline { function, module, .. } => {
                function.as_deref() == Some(wanted) && module.as_deref() == of
            }
            _ => false,
        }
    }
}

/// A BPF program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its type.
    pub program_type: String,
    /// The user that loaded it.
    pub uid: u32,
    /// Where it is attached, as far as the kernel tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// The processes that hold it, or what attaches it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Owner>,
}

impl Program {
    /// Its processes, or itself where no process holds it.
    pub(super) fn owners(&self) -> Vec<Owner> {
        match self.holders.is_empty() {
            true => vec![Owner::Program { id: self.id, name: self.name.clone() }],
            false => self.holders.clone(),
        }
    }
}

/// Names what programs are attached to.
pub(super) fn resolve(attached: &Attached, notices: &mut Vec<String>) -> Vec<Program> {
    let mut names = Names::new();
    if let Err(error) = names.learn(&addresses(attached)) {
        notices.push(format!("functions of programs are not named: {error}"));
    }
    let kernel = Btf::vmlinux().ok().map(Arc::new);
    let resolver = Resolver { attached, names, kernel };
    let one = |program: &attached::Program| {
        let mut places: Vec<Place> = Vec::new();
        for place in program.places.iter().flat_map(|place| resolver.places(place)) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Program {
            id: program.id,
            name: program.name.clone(),
            program_type: program.kind.clone(),
            uid: program.uid,
            places,
            holders: program.holders.iter().map(Owner::from).collect(),
        }
    };
    attached.programs.values().map(one).collect()
}

fn addresses(attached: &Attached) -> Vec<u64> {
    let of = |place: &attached::Place| match place {
        attached::Place::Kprobe { address: Some(address), .. } => vec![*address],
        attached::Place::Kprobes { addresses, .. } => addresses.clone(),
        _ => Vec::new(),
    };
    attached.programs.values().flat_map(|p| p.places.iter().flat_map(of)).collect()
}

struct Resolver<'a> {
    attached: &'a Attached,
    names: Names,
    kernel: Option<Arc<Btf>>,
}

impl Resolver<'_> {
    fn places(&self, place: &attached::Place) -> Vec<Place> {
        let multi = |resolved: Resolved, returns| Place::KprobeMulti {
            function: resolved.name,
            module: resolved.module,
            returns,
        };
        vec![match place {
            attached::Place::Kprobe { function, address, offset, returns } => {
                let resolved = address.and_then(|address| self.names.cached(address));
                match (resolved, function) {
                    (Some(at), _) => Place::Kprobe {
                        function: at.name,
                        module: at.module,
                        offset: at.offset,
                        returns: *returns,
                    },
                    (None, Some(function)) => named(function, *offset, *returns),
                    (None, None) => {
                        let text = address.map(|address| format!("kprobe at {address:#x}"));
                        Place::Other { text: text.unwrap_or_else(|| "a kprobe".into()) }
                    }
                }
            }
            attached::Place::Kprobes { addresses, .. } if addresses.is_empty() => {
                let text = "kprobe-multi at functions that this kernel does not tell (6.6)";
                Place::Other { text: text.into() }
            }
            attached::Place::Kprobes { addresses, returns } => {
                let each = |address: &u64| match self.names.cached(*address) {
                    Some(resolved) => multi(resolved, *returns),
                    None => Place::Other { text: format!("kprobe-multi at {address:#x}") },
                };
                return addresses.iter().map(each).collect();
            }
            attached::Place::Trampoline { how, function } => {
                let told = function.and_then(|(types, id)| self.described(types, id));
                let (function, module) = told.unzip();
                Place::Trampoline { function, module: module.flatten(), how: how.clone() }
            }
            attached::Place::Tracepoint(name) => {
                Place::Tracepoint { name: name.clone(), raw: false }
            }
            attached::Place::RawTracepoint(name) => {
                Place::Tracepoint { name: name.clone(), raw: true }
            }
            attached::Place::Uprobe { file, offsets, returns } => {
                Place::Uprobe { file: file.clone(), offsets: offsets.clone(), returns: *returns }
            }
            attached::Place::Other(text) => Place::Other { text: text.clone() },
        }]
    }

    /// The function with this number among these types, and its module.
    fn described(&self, types: u32, id: u32) -> Option<(String, Option<String>)> {
        let kernel = self.kernel.clone()?;
        let module = self.attached.types.get(&types)?;
        if module == KERNEL {
            return Some((kernel.type_name(id)?.to_owned(), None));
        }
        let btf = Btf::module(module, kernel).ok()?;
        Some((btf.type_name(id)?.to_owned(), Some(module.clone())))
    }
}

/// A place as the kernel writes it: `nf_tables:nft_do_chain`.
fn named(function: &str, offset: u64, returns: bool) -> Place {
    let (module, function) = match function.split_once(':') {
        Some((module, function)) => (Some(module.to_owned()), function),
        None => (None, function),
    };
    Place::Kprobe { function: function.to_owned(), module, offset, returns }
}
