//! Starts the collector of `trace`: by the best backend that works here; beside
//! it the probes for tables of iptables-legacy.

use std::sync::Arc;
use std::time::Duration;

use nfscope_collect::CollectError;
use nfscope_collect::legacy::{ChangeCount, tables_loaded};
use nfscope_collect::nft::{Scratch, nft_offsets, state_offsets, trace_arguments};
use nfscope_collect::preempt::Interruptible;
use nfscope_collect::trace::{
    Attachment, TraceCollector, TraceLosses, TraceOptions, TraceRecord, TraceSetup,
};
use nfscope_event::Backend;
use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::locate::ipt::Tables;
use nfscope_kernel::locate::nft::NftPoints;
use nfscope_ruleset::netlink::scratch::Table;

use crate::cli::TraceBackendChoice;
use crate::legacy::{self, LegacyRules};
use crate::machine::Machine;

/// A running collector and what it needs to stay alive.
pub struct StartedTrace {
    collector: TraceCollector,
    /// Sentences for the user: why a better backend was not used.
    pub notices: Vec<String>,
    /// Keeps the trace key on.
    _key: Option<Table>,
    scratch: Scratch,
    legacy: LegacyRules,
    /// nf_tables is not loaded: only tables of x_tables are shown.
    without_nft: bool,
}

impl StartedTrace {
    /// Which backend tells the rules.
    pub fn backend(&self) -> Backend {
        self.collector.backend()
    }

    /// How many of the functions to be told the kernel lets nobody probe.
    pub fn refused_functions(&self) -> usize {
        self.collector.refused_functions()
    }

    /// The backend in words.
    pub fn describe(&self) -> &'static str {
        match self.backend() {
            _ if self.without_nft => "rules of iptables-legacy by probe points in its tables",
            Backend::Frame | Backend::Points => "rules by probe points in nft_do_chain",
            _ => "rules by the trace hook",
        }
    }

    /// Attaches to legacy tables that have come, lets go of those that have gone.
    /// Sentences for the user.
    pub fn advance(&mut self) -> Vec<String> {
        let mut notices = self.legacy.advance(&mut self.collector, &self.scratch);
        if self.without_nft && nfscope_ruleset::nf_tables_loaded() {
            self.without_nft = false;
            let text = "nf_tables was loaded: its rules are shown when trace is started anew";
            notices.push(text.into());
        }
        notices
    }

    /// How many legacy tables were replaced: once, when that begins to be counted.
    pub fn new_count(&mut self) -> Option<ChangeCount> {
        self.legacy.new_count()
    }

    /// Waits for records.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<TraceRecord>, CollectError> {
        self.collector.poll(timeout)
    }

    /// Losses since the start.
    pub fn losses(&self) -> Result<TraceLosses, CollectError> {
        self.collector.losses()
    }
}

/// Starts the backend that was chosen, or the best.
pub fn start(
    options: &TraceOptions,
    choice: TraceBackendChoice,
    machine: &Machine,
) -> Result<StartedTrace, CollectError> {
    let backend = match choice {
        TraceBackendChoice::TraceHook => "trace_hook",
        TraceBackendChoice::Points | TraceBackendChoice::Auto => "points",
    };
    let start = Start { options, machine };
    if !machine.has_nf_tables && Tables::ALL.into_iter().any(tables_loaded) {
        return start.tables_only();
    }
    let layout = machine.layout.as_ref().map_err(|reason| CollectError::Backend {
        backend,
        reason: if machine.has_nf_tables {
            reason.clone()
        } else {
            "neither nf_tables nor a table of iptables-legacy is loaded, so no packet passes a \
             rule; nft list ruleset or iptables-legacy -L loads them"
                .into()
        },
    })?;
    let mut started = match choice {
        TraceBackendChoice::Points => start.points(layout),
        TraceBackendChoice::TraceHook => start.trace_hook(layout),
        TraceBackendChoice::Auto => start.points(layout).or_else(|points| {
            let mut started = start.trace_hook(layout).map_err(|hook| {
                CollectError::NoBackend(format!(
                    "trace needs kprobes or fentry: {points}; {hook}; drops may still work, \
                     see nfscope doctor"
                ))
            })?;
            started.notices.push(points.to_string());
            Ok(started)
        }),
    }?;
    let notices = started.advance();
    started.notices.extend(notices);
    started.collector.begin()?;
    Ok(started)
}

struct Start<'a> {
    options: &'a TraceOptions,
    machine: &'a Machine,
}

impl Start<'_> {
    fn points(&self, layout: &NftLayout) -> Result<StartedTrace, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "points", reason };
        let located = self.machine.locate(layout).map_err(refuse)?;
        let offsets = nft_offsets(layout, &self.machine.btf);
        let setup = |by| TraceSetup::points(offsets, &located.points, by, |f| self.has_function(f));
        self.either(refuse, |by| self.run(setup(by).map_err(refuse)?, Some(&located.points)))
    }

    fn trace_hook(&self, layout: &NftLayout) -> Result<StartedTrace, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "trace_hook", reason };
        let arguments = trace_arguments(layout, &self.machine.btf).ok_or_else(|| {
            refuse("this kernel has no function __nft_trace_packet that nfscope understands".into())
        })?;
        let offsets = nft_offsets(layout, &self.machine.btf);
        // rules that do not match are told by a probe point only
        let points = match self.options.misses {
            Some(_) => Some(self.machine.locate(layout).map_err(refuse)?.points),
            None => None,
        };
        self.either(refuse, |by| {
            let has = |f: &str| self.has_function(f);
            self.run(TraceSetup::trace_hook(offsets, arguments, by, has), points.as_ref())
        })
    }

    /// Without nftables.
    fn tables_only(&self) -> Result<StartedTrace, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "legacy", reason };
        let vmlinux = Btf::vmlinux().map_err(|e| refuse(e.to_string()))?;
        let (layout, _) = legacy::layout(Arc::new(vmlinux))?;
        let offsets = state_offsets(&layout);
        self.either(refuse, |by| {
            let setup = TraceSetup::without_nft(offsets, by, |f| self.has_function(f));
            let btf = &self.machine.btf;
            let (scratch, options) = (Scratch::new()?, self.options);
            let mut collector = TraceCollector::start_untried(options, &setup, &scratch, btf)?;
            let mut legacy = LegacyRules::default();
            legacy.begin(&mut collector, &scratch)?;
            collector.begin()?;
            let (notices, _key) = (Vec::new(), None);
            Ok(StartedTrace { collector, notices, _key, scratch, legacy, without_nft: true })
        })
    }

    /// By what is cheapest of what this kernel allows.
    fn either(
        &self,
        refuse: impl Fn(String) -> CollectError,
        run: impl Fn(Attachment) -> Result<StartedTrace, CollectError>,
    ) -> Result<StartedTrace, CollectError> {
        let mut reasons = Vec::new();
        let seen = Interruptible::seen(&self.machine.btf);
        let mut interruptible = seen.entries;
        for (by, name) in [
            (Attachment::Fentry, "by fentry"),
            (Attachment::ModuleKprobe, "by fentry and kprobe"),
            (Attachment::Kprobe, "by kprobe"),
            (Attachment::KprobeAndEvent, "by kprobe and trace event"),
        ] {
            let by_entry = matches!(by, Attachment::Fentry | Attachment::ModuleKprobe);
            let by_tracepoint = by != Attachment::KprobeAndEvent;
            if interruptible && by_entry || seen.tracepoints && by_tracepoint {
                continue;
            }
            match run(by) {
                Ok(started) => return Ok(started),
                Err(e) => {
                    interruptible |= matches!(e, CollectError::Interruptible);
                    reasons.push(format!("{name}: {e}"));
                }
            }
        }
        Err(refuse(reasons.join("; ")))
    }

    fn run(
        &self,
        setup: TraceSetup,
        points: Option<&NftPoints>,
    ) -> Result<StartedTrace, CollectError> {
        let setup = match (self.options.misses, points) {
            (Some(_), Some(points)) => setup.with_misses(points).map_err(|why| {
                let reason = format!("rules that do not match cannot be told here: {why}");
                CollectError::Backend { backend: "points", reason }
            })?,
            _ => setup,
        };
        let scratch = Scratch::new()?;
        let key = if setup.trace_key { Some(scratch.trace_key()?) } else { None };
        let collector = TraceCollector::start(self.options, &setup, &scratch, &self.machine.btf)?;
        Ok(StartedTrace {
            collector,
            notices: Vec::new(),
            _key: key,
            scratch,
            legacy: LegacyRules::default(),
            without_nft: false,
        })
    }

    fn has_function(&self, name: &str) -> bool {
        self.machine.btf.func_params(name).is_some()
    }
}
