//! The kernel's functions and tracepoints as data: where they are, their types,
//! how they can be probed.

mod blacklist;
pub mod events;
mod pattern;
mod probing;
mod symbols;
mod traceable;

use std::collections::HashMap;

use nfscope_kernel::btf::{Btf, Carrier, Parameter};
use nfscope_kernel::symbols::SymbolError;

use crate::lockdown::Lockdown;
use crate::targets::tracefs;
use blacklist::Blacklist;
use probing::{Abilities, Facts};
use symbols::{Section, Symbol, Symbols};
use traceable::{Known, Traceable};

pub use pattern::Pattern;
pub use probing::{Answer, Probes};

/// Where the kernel lists what kprobes may not touch (`kernel/kprobes.c`).
const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";
/// What the compiler cut from a function, or changed in it, is called so.
const SUFFIX: char = '.';

/// All that is known of the kernel's functions.
pub struct Catalogue {
    symbols: Symbols,
    traceable: Traceable,
    blacklist: Blacklist,
    abilities: Abilities,
    types: Types,
    /// What could not be read, and what follows.
    pub notices: Vec<String>,
}

/// A function's type: where it is described.
#[derive(Clone, Copy)]
struct Described<'a> {
    btf: &'a Btf,
    id: u32,
    /// Functions of this name that are described, or stand in the code.
    times: usize,
}

/// A function.
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its module, if it belongs to one.
    pub module: Option<&'a str>,
    /// Its first byte, if the kernel shows it.
    pub address: Option<u64>,
    /// How it can be probed.
    pub probes: Probes,
    described: Option<Described<'a>>,
}

/// Types of the kernel (no module's), and of the modules that have their own.
pub type Types = Vec<(Option<String>, Btf)>;

/// Reads the running kernel's types; where there are none, adds a notice.
pub fn types(notices: &mut Vec<String>) -> Types {
    let kernel = match Btf::vmlinux() {
        Ok(kernel) => kernel,
        Err(error) => {
            notices.push(format!("no types: {error}"));
            return Vec::new();
        }
    };
    let modules = kernel.modules().into_iter().map(|(name, btf)| (Some(name), btf));
    let modules: Vec<_> = modules.collect();
    std::iter::once((None, kernel)).chain(modules).collect()
}

impl Catalogue {
    /// Reads the running kernel.
    ///
    /// # Errors
    /// If its symbols cannot be read.
    pub fn read() -> Result<Self, SymbolError> {
        let addresses = || tracefs::read("available_filter_functions_addrs");
        let names = || tracefs::read("available_filter_functions");
        let (symbols, list, types) = std::thread::scope(|scope| {
            // The kernel writes its lists as they are read, which takes most of the time.
            let list = scope.spawn(|| match addresses() {
                Some(text) => (Some(text), None),
                None => (None, names()),
            });
            let types = scope.spawn(|| {
                let mut notices = Vec::new();
                (types(&mut notices), notices)
            });
            let symbols = Symbols::read();
            (symbols, list.join().unwrap_or_default(), types.join().unwrap_or_default())
        });
        let symbols = symbols?;
        let (types, mut notices) = types;
        if symbols.hidden {
            notices.push(
                "no addresses (kernel.kptr_restrict, or CAP_SYSLOG is missing): how functions can \
                 be probed is not known; run it as root"
                    .into(),
            );
        }
        if list == (None, None) {
            notices.push(
                "available_filter_functions cannot be read (run it as root; is tracefs mounted? \
                 mount -t tracefs tracefs /sys/kernel/tracing): how functions can be probed is \
                 not known"
                    .into(),
            );
        }
        let blacklist = std::fs::read_to_string(BLACKLIST).ok();
        if blacklist.is_none() {
            notices.push(
                "the kprobe blacklist cannot be read (run it as root; is debugfs mounted? mount -t \
                 debugfs debugfs /sys/kernel/debug): where kprobes are refused is not known"
                    .into(),
            );
        }
        let traceable = Traceable::new(list.0.as_deref(), list.1.as_deref(), &symbols);
        let abilities = abilities(&symbols, &types);
        let blacklist = Blacklist::new(blacklist.as_deref());
        Ok(Self { symbols, traceable, blacklist, abilities, types, notices })
    }

    /// The types, the kernel's own first.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// The functions that `wanted` takes by name and module, sorted by name.
    pub fn functions(&self, wanted: impl Fn(&str, Option<&str>) -> bool) -> Vec<Function<'_>> {
        let mut described: HashMap<(Option<&str>, &str), Described> = HashMap::new();
        for (module, btf) in &self.types {
            for (id, name) in btf.functions().filter(|(_, name)| wanted(name, module.as_deref())) {
                let first = Described { btf, id, times: 0 };
                described.entry((module.as_deref(), name)).or_insert(first).times += 1;
            }
        }
        let mut all = Vec::new();
        for symbols in self.symbols.by_name() {
            let Some(first) = symbols.first() else { continue };
            let (name, module) = (first.name.as_str(), first.module.as_deref());
            if wanted(name, module) {
                let of_name = described.remove(&(module, name));
                all.extend(symbols.iter().map(|one| self.function(one, symbols.len(), of_name)));
            }
        }
        let absent = described.into_iter().map(|((module, name), described)| Function {
            name,
            module,
            address: None,
            probes: Probes::all(Answer::No(self.absent(name, module))),
            described: Some(described),
        });
        all.extend(absent);
        all.sort_by_key(|f| (f.name, f.module, f.address));
        all
    }

    /// The ways to probe functions that this kernel has at all, and why not others.
    pub fn ways(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        self.abilities.ways()
    }

    /// The names of all functions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.list().iter().map(|symbol| symbol.name.as_str())
    }

    /// Why a function that is described has no code of its own.
    fn absent(&self, name: &str, module: Option<&str>) -> &'static str {
        let list = self.symbols.list();
        let cut = format!("{name}{SUFFIX}");
        let next = list.partition_point(|s| s.name.as_str() < cut.as_str());
        let renamed = list[next..].iter().take_while(|s| s.name.starts_with(&cut));
        match renamed.into_iter().any(|s| s.module.as_deref() == module) {
            true => {
                "no symbol has this name: the compiler made others of it (NAME.isra, NAME.part)"
            }
            false => "no symbol has this name: it is inlined, or gone",
        }
    }

    fn function<'a>(
        &'a self,
        symbol: &'a Symbol,
        same_name: usize,
        of_name: Option<Described<'a>>,
    ) -> Function<'a> {
        let module = symbol.module.as_deref();
        let origin = symbol.name.split_once(SUFFIX).map(|(origin, _)| origin);
        let origin = origin.and_then(|origin| self.symbols.named(origin, module).first());
        let on_list = |at: u64| self.blacklist.has(at);
        let own = on_list(symbol.address);
        let probes = self.abilities.probes(&Facts {
            name: &symbol.name,
            in_module: module.is_some(),
            freed: self.symbols.section(symbol) == Section::Init,
            same_name,
            traceable: self.traceable.at(symbol.address),
            origin_traceable: origin.map_or(Known::No, |o| self.traceable.at(o.address)),
            blacklisted: match origin.map(|o| on_list(o.address)) {
                Some(Some(true)) => Some(true),
                _ => own,
            },
            arguments: of_name.map(|d| d.btf.trampoline(d.id)),
        });
        let described = of_name.map(|d| Described { times: d.times.max(same_name), ..d });
        let address = (!self.symbols.hidden).then_some(symbol.address);
        Function { name: &symbol.name, module, address, probes, described }
    }
}

impl Function<'_> {
    /// The function in C, if its type is known.
    pub fn signature(&self) -> Option<String> {
        self.described.and_then(|d| d.btf.signature(d.id))
    }

    /// What it returns.
    pub fn returned(&self) -> Option<String> {
        self.described.and_then(|d| d.btf.returned(d.id))
    }

    /// Its parameters.
    pub fn parameters(&self) -> Option<Vec<Parameter>> {
        self.described.and_then(|d| d.btf.parameters(d.id))
    }

    /// The name of one of its parameters.
    pub fn parameter_name(&self, position: u32) -> Option<&str> {
        self.described.and_then(|d| d.btf.parameter_name(d.id, position))
    }

    /// The type is that of one of so many functions of this name.
    pub fn shared_type(&self) -> Option<usize> {
        self.described.map(|d| d.times).filter(|times| *times > 1)
    }

    /// The argument that is a packet.
    pub fn skb(&self) -> Option<Carrier> {
        self.described.and_then(|d| d.btf.carrier(d.id, "sk_buff", false))
    }

    /// The argument that is a socket.
    pub fn sock(&self) -> Option<Carrier> {
        self.described.and_then(|d| d.btf.carrier(d.id, "sock", true))
    }
}

fn abilities(symbols: &Symbols, types: &[(Option<String>, Btf)]) -> Abilities {
    let kernel = types.first().map(|(_, btf)| btf);
    let has = |name: &str| symbols.has(name);
    Abilities {
        kprobes: has("register_kprobe"),
        kprobe_multi: has("register_fprobe_ips") && has("bpf_kprobe_multi_link_attach"),
        trampolines: has("register_ftrace_direct"),
        // "bpf: Allow struct argument in trampoline based programs" (6.1)
        structs: kernel.is_some_and(|btf| btf.member("btf_func_model", "arg_flags").is_some()),
        // "bpf, x86: allow function arguments up to 12 for TRACING" (6.6) made it of save_regs
        stack_arguments: has("save_args"),
        only_traceable: has("within_notrace_func") || has("__within_notrace_func"),
        // "bpf: Support BPF ksym variables in kernel modules" (5.12); before that modules show it
        module_types: types.len() > 1 || has("btf_try_get_module"),
        locked: Lockdown::read() == Lockdown::Confidentiality,
    }
}
