//! Probes in netfilter: at what rejects packets with a reset, and at what calls
//! them INVALID. They are parts of modules, which come and go.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::path::Path;

use libbpf_rs::{Link, Object};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::symbols;

use super::Losses;
use super::collector::{losses, set_ring};
use super::config::{Config, ModuleArguments};
use super::functions::{argument, is_packet};
use crate::drop::NftOffsets;
use crate::memory::MapMemory;
use crate::nft::ValueAt;
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("netfilter");
/// What is behind all conditions, in every kernel.
const SENT: (&str, &str) = ("at_reject_sent", "nf_ct_attach");
const CONNTRACK: &str = "nf_conntrack";
/// What calls targets of iptables-nft.
pub const TARGET: &str = "nft_target_eval_xt";
/// Program, function, and its module.
const PLACES: [(&str, &str, &str); 9] = [
    ("at_invalid", "nf_ct_l4proto_log_invalid", CONNTRACK),
    ("at_reject", "nf_send_reset", "nf_reject_ipv4"),
    ("at_reject", "nf_send_reset6", "nf_reject_ipv6"),
    ("at_reject_eval", "nft_reject_ipv4_eval", "nft_reject_ipv4"),
    ("at_reject_eval", "nft_reject_ipv6_eval", "nft_reject_ipv6"),
    ("at_reject_eval", "nft_reject_inet_eval", "nft_reject_inet"),
    ("at_reject_target", TARGET, "nft_compat"),
    ("at_reject_link", "nft_reject_bridge_eval", "nft_reject_bridge"),
    ("at_reject_link", "nft_reject_netdev_eval", "nft_reject_netdev"),
];

/// conntrack's hook functions at prerouting: `net/netfilter/nf_conntrack_proto.c`.
const HOOKS: [&str; 2] = ["ipv4_conntrack_in", "ipv6_conntrack_in"];

/// Where expressions are called without their base chain in any register.
const CHAIN: (&str, &str) = ("at_chain", "nft_do_chain");

/// Where an expression's rule is at the entry of its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalValues {
    /// The rule.
    pub rule: ValueAt,
    /// Its base chain.
    pub chain: ValueAt,
}

/// Modules with any of it that are loaded, and where: one that was loaded anew is
/// another.
pub type LoadedModules = Vec<(&'static str, String)>;

/// What of it can be probed.
#[derive(Debug, Clone, Default)]
pub struct NetfilterPlaces {
    /// The functions that are there, of modules or built in, and conntrack's hooks.
    functions: HashMap<&'static str, u64>,
    /// Functions of loaded modules that are not there.
    absent: Vec<&'static str>,
    format: [ValueAt; 2],
    skb: ValueAt,
    eval: Option<EvalValues>,
    nft: NftOffsets,
}

impl NetfilterPlaces {
    /// The modules that are loaded now. What is built in may not show here, but does
    /// not come and go.
    pub fn loaded() -> LoadedModules {
        let mut all = LoadedModules::new();
        for (_, _, module) in PLACES {
            let folder = Path::new("/sys/module").join(module);
            if folder.exists() && all.iter().all(|(known, _)| *known != module) {
                let at = std::fs::read_to_string(folder.join("sections/.text"));
                all.push((module, at.unwrap_or_default()));
            }
        }
        all
    }

    /// `types`: those of a module, as far as the kernel tells them.
    pub fn new(modules: &LoadedModules, types: impl Fn(&str) -> Option<Btf>) -> Self {
        let functions = functions();
        let loaded = |module| modules.iter().any(|(loaded, _)| *loaded == module);
        let absent = PLACES
            .iter()
            .filter(|(_, function, module)| loaded(*module) && !functions.contains_key(function))
            .map(|(_, function, _)| *function)
            .collect();
        let format = ModuleArguments::conntrack(types(CONNTRACK).as_ref());
        let parameters =
            [("nf_reject_ipv4", "nf_send_reset"), ("nf_reject_ipv6", "nf_send_reset6")]
                .iter()
                .find_map(|(module, function)| types(module)?.func_params(function));
        // 5.10 tells no types of modules
        let skb = parameters.and_then(|all| all.iter().position(|(_, k)| is_packet(k)));
        let skb = skb.map_or(ValueAt::None, argument);
        Self { functions, absent, format, skb, ..Self::default() }
    }

    /// With what tells the rules of nftables.
    pub fn with_rules(mut self, nft: NftOffsets, eval: EvalValues) -> Self {
        (self.nft, self.eval) = (nft, Some(eval));
        self
    }

    /// Addresses of conntrack's hook functions; 0: not there.
    pub(super) fn hooks(&self) -> [u64; 2] {
        HOOKS.map(|name| self.functions.get(name).copied().unwrap_or(0))
    }

    /// Functions of loaded modules that this kernel does not have under their names:
    /// what passes there is not seen.
    pub fn absent(&self) -> &[&'static str] {
        &self.absent
    }

    /// Whether expressions of nftables that can reject are there.
    pub fn has_expressions(&self) -> bool {
        self.functions.keys().any(|function| function.starts_with("nft_"))
    }

    pub(super) fn is_empty(&self) -> bool {
        PLACES.iter().all(|(_, function, _)| !self.functions.contains_key(function))
    }

    pub(super) fn configure(&self, config: &mut Config) {
        let [format, first, skb, rule, chain] = &mut config.modules.values;
        ([*format, *first], *skb) = (self.format, self.skb);
        if let Some(eval) = self.eval {
            (*rule, *chain) = (eval.rule, eval.chain);
        }
        config.nft = self.nft;
    }

    /// What is to be probed now: without its rules' layout no expression.
    fn probes(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let chain =
            self.has_expressions() && self.eval.is_some_and(|eval| eval.chain == ValueAt::None);
        let chain = chain.then_some(CHAIN);
        let places = PLACES
            .iter()
            .filter(|(program, function, _)| {
                self.functions.contains_key(function)
                    && (self.eval.is_some() || ["at_reject", "at_invalid"].contains(program))
            })
            .map(|(program, function, _)| (*program, *function));
        chain.into_iter().chain(places)
    }
}

/// The places' functions that the kernel has now, and conntrack's hooks, with their
/// addresses; where it hides those, 0.
fn functions() -> HashMap<&'static str, u64> {
    let names = PLACES.iter().map(|(_, function, _)| *function).chain(HOOKS);
    let wanted: HashMap<&str, &'static str> = names.map(|name| (name, name)).collect();
    let mut found = HashMap::new();
    // what it has read so far counts when the table cannot be read further
    let _ = symbols::each(|line| {
        if let Some(name) = wanted.get(line.name).filter(|_| line.is_text()) {
            found.entry(*name).or_insert(line.address);
        }
    });
    found
}

/// The programs, loaded, and their probes.
pub struct Netfilter {
    links: Vec<Link>,
    counters: MapMemory,
    object: Object,
}

impl Netfilter {
    /// Not attached yet.
    pub(super) fn load(
        places: &NetfilterPlaces,
        config: &Config,
        filter: Option<&nfscope_filter::Compiled>,
        (maps, ring_bytes): (&[(&str, BorrowedFd<'_>)], u32),
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let compiled = OBJECT.with_variables(config.context_known);
        let mut open = object::open_filtered(compiled, filter, btf)?;
        object::set_rodata(&mut open, &config.bytes())?;
        set_ring(&mut open, ring_bytes)?;
        object::share(&mut open, maps)?;
        let mut programs: Vec<&str> = places.probes().map(|(program, _)| program).collect();
        programs.push(SENT.0);
        let object = object::load(open, &programs)?;
        let counters = object::memory(&object, ".bss")?;
        Ok(Self { links: Vec::new(), counters, object })
    }

    pub(super) fn attach(&mut self, places: &NetfilterPlaces) -> Result<(), CollectError> {
        for (program, function) in std::iter::once(SENT).chain(places.probes()) {
            let attach = |p: &libbpf_rs::ProgramMut<'_>| raw::attach_kprobe(p, function, 0);
            self.links.push(object::with_program(&self.object, program, attach)?);
        }
        Ok(())
    }

    pub(super) fn losses(&self) -> Losses {
        losses(&self.object, &self.counters, self.links.iter())
    }

    /// Detaches everything; what was lost until then.
    pub(super) fn end(mut self) -> Losses {
        // the links count what the kernel skipped, the object what found no room
        let nested = self.losses().nested;
        self.links.clear();
        Losses { nested, ..self.losses() }
    }
}
