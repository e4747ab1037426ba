//! Starts the collector of `trace`: by the best backend that works here.

use std::time::Duration;

use nfscope_collect::CollectError;
use nfscope_collect::nft::{Scratch, nft_offsets, trace_arguments};
use nfscope_collect::trace::{
    Attachment, TraceCollector, TraceLosses, TraceOptions, TraceRecord, TraceSetup,
};
use nfscope_event::Backend;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::locate::nft::NftPoints;
use nfscope_ruleset::netlink::scratch::Table;

use crate::cli::TraceBackendChoice;
use crate::machine::Machine;

/// A running collector and what it needs to stay alive.
pub struct StartedTrace {
    collector: TraceCollector,
    /// Sentences for the user: why a better backend was not used.
    pub notices: Vec<String>,
    /// Keeps the trace key on.
    _key: Option<Table>,
    _scratch: Scratch,
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
            Backend::Frame | Backend::Points => "rules by probe points in nft_do_chain",
            _ => "rules by the trace hook",
        }
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
    let layout = machine.layout.as_ref().map_err(|reason| CollectError::Backend {
        backend,
        reason: if machine.has_nf_tables {
            reason.clone()
        } else {
            "nf_tables is not loaded, so no packet passes a rule of it; nft list ruleset loads it"
                .into()
        },
    })?;
    let start = Start { options, machine, layout };
    match choice {
        TraceBackendChoice::Points => start.points(),
        TraceBackendChoice::TraceHook => start.trace_hook(),
        TraceBackendChoice::Auto => start.points().or_else(|points| {
            let mut started = start.trace_hook().map_err(|hook| {
                CollectError::NoBackend(format!(
                    "trace needs kprobes or fentry: {points}; {hook}; drops may still work, \
                     see nfscope doctor"
                ))
            })?;
            started.notices.push(points.to_string());
            Ok(started)
        }),
    }
}

struct Start<'a> {
    options: &'a TraceOptions,
    machine: &'a Machine,
    layout: &'a NftLayout,
}

impl Start<'_> {
    fn points(&self) -> Result<StartedTrace, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "points", reason };
        let located = self.machine.locate(self.layout).map_err(refuse)?;
        let offsets = nft_offsets(self.layout, &self.machine.btf);
        let setup = |by| TraceSetup::points(offsets, &located.points, by, |f| self.has_function(f));
        self.either(refuse, |by| self.run(setup(by).map_err(refuse)?, Some(&located.points)))
    }

    fn trace_hook(&self) -> Result<StartedTrace, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "trace_hook", reason };
        let arguments = trace_arguments(self.layout, &self.machine.btf).ok_or_else(|| {
            refuse("this kernel has no function __nft_trace_packet that nfscope understands".into())
        })?;
        let offsets = nft_offsets(self.layout, &self.machine.btf);
        // rules that do not match are told by a probe point only
        let points = match self.options.misses {
            Some(_) => Some(self.machine.locate(self.layout).map_err(refuse)?.points),
            None => None,
        };
        self.either(refuse, |by| {
            let has = |f: &str| self.has_function(f);
            self.run(TraceSetup::trace_hook(offsets, arguments, by, has), points.as_ref())
        })
    }

    /// By what is cheapest of what this kernel allows.
    fn either(
        &self,
        refuse: impl Fn(String) -> CollectError,
        run: impl Fn(Attachment) -> Result<StartedTrace, CollectError>,
    ) -> Result<StartedTrace, CollectError> {
        let mut reasons = Vec::new();
        let mut interruptible = false;
        for (by, name) in [
            (Attachment::Fentry, "by fentry"),
            (Attachment::ModuleKprobe, "by fentry and kprobe"),
            (Attachment::Kprobe, "by kprobe"),
            (Attachment::KprobeAndEvent, "by kprobe and trace event"),
        ] {
            let by_entry = matches!(by, Attachment::Fentry | Attachment::ModuleKprobe);
            if interruptible && by_entry {
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
        Ok(StartedTrace { collector, notices: Vec::new(), _key: key, _scratch: scratch })
    }

    fn has_function(&self, name: &str) -> bool {
        self.machine.btf.func_params(name).is_some()
    }
}
