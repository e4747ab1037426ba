//! One way to learn of nft's decisions, ready to be attached.

use nfscope_event::Backend;

use super::PointValues;
use crate::drop::{Config, NftOffsets, TraceArguments};

/// A kprobe to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Name of the program in `drop.bpf.c`.
    pub program: &'static str,
    /// Kernel function.
    pub function: String,
    /// Byte offset in it.
    pub offset: u64,
    /// Address of the function, where it is known: 5.10 takes 80 ms to look a
    /// name up.
    pub address: Option<u64>,
    /// Modules that may be loaded later: attached as soon as all of them are.
    pub late_modules: &'static [&'static str],
}

/// Where values are at the points of a kernel.
#[derive(Debug, Clone, Default)]
pub struct Points {
    /// Only a rule's drop passes here.
    pub rule_drop: PointValues,
    /// Only a policy's drop passes here.
    pub policy_drop: PointValues,
    /// Every verdict passes here.
    pub verdict: PointValues,
    /// Every policy decision passes here.
    pub policy: PointValues,
    /// Entry of an expression's eval function.
    pub eval: PointValues,
}

/// A backend with all it needs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which backend.
    pub backend: Backend,
    /// Kprobes.
    pub probes: Vec<Probe>,
    /// A function to attach to at its entry with fentry, and the program.
    pub fentry: Option<(&'static str, String)>,
    /// Whether there is a trial with a ruleset of nftables.
    pub trial: bool,
    /// Whether the kernel's trace key must be on.
    pub trace_key: bool,
    points: Points,
    trace: TraceArguments,
    pub(crate) nft: NftOffsets,
    freed_after_return: bool,
}

/// The function of the trace hook.
const TRACE_FUNCTION: &str = "__nft_trace_packet";

impl Setup {
    /// The drop tracepoint alone: no rule is named. `trial`: whether it is
    /// tried all the same; that loads nf_tables.
    pub fn tracepoint(trial: bool) -> Self {
        Self {
            backend: Backend::Tracepoint,
            probes: Vec::new(),
            fentry: None,
            trial,
            trace_key: false,
            points: Points::default(),
            trace: TraceArguments::default(),
            nft: NftOffsets::default(),
            freed_after_return: false,
        }
    }

    /// The trace hook, by fentry or by kprobe.
    pub fn trace_hook(nft: NftOffsets, trace: TraceArguments, fentry: bool) -> Self {
        let probe = Probe {
            program: "trace_packet_kprobe",
            function: TRACE_FUNCTION.into(),
            offset: 0,
            address: None,
            late_modules: &[],
        };
        Self {
            backend: Backend::TraceHook,
            probes: if fentry { Vec::new() } else { vec![probe] },
            fentry: fentry.then(|| ("trace_packet_fentry", TRACE_FUNCTION.to_string())),
            trace_key: true,
            trace,
            nft,
            // a copy at the hook is right on every kernel
            freed_after_return: true,
            ..Self::tracepoint(true)
        }
    }

    /// The tracepoint, with `nft_do_chain`'s stack frame; and, where they are
    /// given, with probes where eval functions end packets elsewhere.
    pub fn frame(nft: NftOffsets, evals: Option<(PointValues, Vec<Probe>)>) -> Self {
        let (eval, probes) = evals.unwrap_or_default();
        Self {
            backend: Backend::Frame,
            probes,
            points: Points { eval, ..Points::default() },
            nft,
            ..Self::tracepoint(true)
        }
    }

    /// Probe points inside `nft_do_chain`.
    pub fn points(
        nft: NftOffsets,
        points: Points,
        probes: Vec<Probe>,
        freed_after_return: bool,
    ) -> Self {
        Self {
            backend: Backend::Points,
            probes,
            points,
            nft,
            freed_after_return,
            ..Self::tracepoint(true)
        }
    }

    /// Whether it is known that `nft_do_chain` itself frees what a rule drops:
    /// then no such packet comes to the place where other hooks' drops end.
    pub fn frees_inside(&self) -> bool {
        matches!(self.backend, Backend::Points | Backend::Frame) && !self.freed_after_return
    }

    /// Tells where a function is.
    pub fn at_address(mut self, function: &str, address: Option<u64>) -> Self {
        for probe in self.probes.iter_mut().filter(|probe| probe.function == function) {
            probe.address = address;
        }
        self
    }

    /// Names of the programs to load.
    pub fn programs(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.probes.iter().map(|p| p.program).collect();
        names.extend(self.fentry.as_ref().map(|(program, _)| *program));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Writes this backend's part of the settings.
    pub fn configure(&self, config: &mut Config) {
        config.nft = self.nft;
        config.rule_drop = self.points.rule_drop;
        config.policy_drop = self.points.policy_drop;
        config.verdict = self.points.verdict;
        config.policy = self.points.policy;
        config.eval = self.points.eval;
        config.trace = self.trace;
        config.frame_on = self.backend == Backend::Frame;
        config.notes_on = !self.programs().is_empty();
        config.freed_after_return = self.freed_after_return;
    }
}
