//! Starts the collector of `trace`: by the best backend that works here; beside
//! probes for nftables those for tables of iptables-legacy.

use std::sync::Arc;
use std::time::Duration;

use nfscope_collect::CollectError;
use nfscope_collect::legacy::{ChangeCount, tables_loaded};
use nfscope_collect::nft::{Scratch, nft_offsets, state_offsets, trace_arguments};
use nfscope_collect::preempt::Interruptible;
use nfscope_collect::trace::{
    Attachment, NetlinkCollector, TraceCollector, TraceLosses, TraceOptions, TraceRecord,
    TraceSetup,
};
use nfscope_event::Backend;
use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::locate::ipt::Tables;
use nfscope_kernel::locate::nft::NftPoints;
use nfscope_ruleset::netlink::scratch::Table;
use nfscope_ruleset::netns;

use crate::backend::Leftover;
use crate::cli::TraceBackendChoice;
use crate::legacy::{self, LegacyRules};
use crate::machine::Machine;

/// What a user is to know of the backend that sees the least.
const NETLINK_SEES: &str = "the kernel's netlink trace tells rules that match and policies only: no \
    connections, no times but those of reading, and not what becomes of a packet";

/// What a command wants of a backend.
#[derive(Debug, Clone, Copy)]
pub struct TraceRequest<'a> {
    /// For the collector.
    pub options: &'a TraceOptions,
    /// Which backend.
    pub backend: TraceBackendChoice,
    /// Whether a table may be made, and whether it may stay behind.
    pub ruleset_change: Option<Leftover>,
}

impl<'a> TraceRequest<'a> {
    /// The best backend that changes nothing.
    pub fn automatic(options: &'a TraceOptions) -> Self {
        Self { options, backend: TraceBackendChoice::Auto, ruleset_change: None }
    }
}

/// A running collector.
pub struct StartedTrace {
    source: Source,
    /// Sentences for the user: why a better backend was not used.
    pub notices: Vec<String>,
}

enum Source {
    Probes(Box<Probes>),
    Netlink(NetlinkCollector),
}

/// Programs, and what they need to stay alive.
struct Probes {
    collector: TraceCollector,
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
        match &self.source {
            Source::Probes(probes) => probes.collector.backend(),
            Source::Netlink(_) => Backend::NetlinkTrace,
        }
    }

    /// How many of the functions to be told the kernel lets nobody probe.
    pub fn refused_functions(&self) -> usize {
        match &self.source {
            Source::Probes(probes) => probes.collector.refused_functions(),
            Source::Netlink(_) => 0,
        }
    }

    /// The backend in words.
    pub fn describe(&self) -> &'static str {
        match &self.source {
            Source::Netlink(_) => "rules by netlink trace",
            Source::Probes(probes) if probes.without_nft => {
                "rules of iptables-legacy by probe points in its tables"
            }
            Source::Probes(_) => match self.backend() {
                Backend::Frame | Backend::Points => "rules by probe points in nft_do_chain",
                _ => "rules by the trace hook",
            },
        }
    }

    /// Attaches to legacy tables that have come, lets go of those that have gone.
    /// Sentences for the user.
    pub fn advance(&mut self) -> Vec<String> {
        match &mut self.source {
            Source::Probes(probes) => probes.advance(),
            Source::Netlink(_) => Vec::new(),
        }
    }

    /// How many legacy tables were replaced: once, when that begins to be counted.
    pub fn new_count(&mut self) -> Option<ChangeCount> {
        match &mut self.source {
            Source::Probes(probes) => probes.legacy.new_count(),
            Source::Netlink(_) => None,
        }
    }

    /// Waits for records.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<TraceRecord>, CollectError> {
        match &mut self.source {
            Source::Probes(probes) => probes.collector.poll(timeout),
            Source::Netlink(netlink) => netlink.poll(timeout),
        }
    }

    /// Losses since the start.
    pub fn losses(&self) -> Result<TraceLosses, CollectError> {
        match &self.source {
            Source::Probes(probes) => probes.collector.losses(),
            Source::Netlink(netlink) => Ok(netlink.losses()),
        }
    }
}

impl Probes {
    fn advance(&mut self) -> Vec<String> {
        let mut notices = self.legacy.advance(&mut self.collector, &self.scratch);
        if self.without_nft && nfscope_ruleset::nf_tables_loaded() {
            self.without_nft = false;
            let text = "nf_tables was loaded: its rules are shown when trace is started anew";
            notices.push(text.into());
        }
        notices
    }
}

impl From<Probes> for StartedTrace {
    fn from(probes: Probes) -> Self {
        Self { source: Source::Probes(Box::new(probes)), notices: Vec::new() }
    }
}

/// Starts the backend that was chosen, or the best.
pub fn start(request: &TraceRequest, machine: &Machine) -> Result<StartedTrace, CollectError> {
    use TraceBackendChoice as B;
    let start = Start { options: request.options, machine };
    if request.backend == B::NetlinkTrace {
        return start.netlink(request.ruleset_change);
    }
    if !machine.has_nf_tables && Tables::ALL.into_iter().any(tables_loaded) {
        return start.tables_only();
    }
    let mut notices = Vec::new();
    let probes = match request.backend {
        B::Points => start.points(),
        B::TraceHook => start.trace_hook(),
        B::Auto | B::NetlinkTrace => start.points().or_else(|points| {
            notices.push(points.to_string());
            start.trace_hook()
        }),
    };
    let mut probes = match probes {
        Ok(probes) => probes,
        Err(hook) if request.backend == B::Auto => {
            notices.push(hook.to_string());
            return match start.netlink(request.ruleset_change) {
                Ok(mut started) => {
                    started.notices.splice(0..0, notices);
                    Ok(started)
                }
                Err(netlink) => {
                    notices.push(netlink.to_string());
                    let all = notices.join("; ");
                    let text = format!(
                        "trace needs kprobes, fentry or consent: {all}; drops may \
                        still work, see nfscope doctor"
                    );
                    Err(CollectError::NoBackend(text))
                }
            };
        }
        Err(e) => return Err(e),
    };
    notices.extend(probes.advance());
    probes.collector.begin()?;
    Ok(StartedTrace { notices, ..probes.into() })
}

struct Start<'a> {
    options: &'a TraceOptions,
    machine: &'a Machine,
}

impl Start<'_> {
    fn layout(&self, backend: &'static str) -> Result<&NftLayout, CollectError> {
        let reason = match &self.machine.layout {
            Ok(layout) => return Ok(layout),
            Err(reason) if self.machine.has_nf_tables => reason.clone(),
            Err(_) => "neither nf_tables nor a table of iptables-legacy is loaded, so no packet \
                passes a rule; nft list ruleset or iptables-legacy -L loads them"
                .into(),
        };
        Err(CollectError::Backend { backend, reason })
    }

    /// By a table of our own in the namespace.
    fn netlink(&self, consent: Option<Leftover>) -> Result<StartedTrace, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "netlink_trace", reason };
        let Some(leftover) = consent else {
            return Err(refuse(
                "it needs a table of its own in the traced namespace; \
                 --allow-ruleset-change permits that"
                    .into(),
            ));
        };
        let inode = match self.options.netns {
            Some(inode) => inode,
            None => netns::Handle::current().map_err(|e| refuse(e.to_string()))?.inode(),
        };
        let may_stay = leftover == Leftover::Accepted;
        let collector = NetlinkCollector::start(self.options, inode, may_stay)?;
        let mut notices = vec![NETLINK_SEES.to_owned()];
        notices.extend_from_slice(collector.notices());
        Ok(StartedTrace { source: Source::Netlink(collector), notices })
    }

    fn points(&self) -> Result<Probes, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "points", reason };
        let layout = self.layout("points")?;
        let located = self.machine.locate(layout).map_err(refuse)?;
        let offsets = nft_offsets(layout, &self.machine.btf);
        let setup = |by| TraceSetup::points(offsets, &located.points, by, |f| self.has_function(f));
        self.either(refuse, |by| self.run(setup(by).map_err(refuse)?, Some(&located.points)))
    }

    fn trace_hook(&self) -> Result<Probes, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "trace_hook", reason };
        let layout = self.layout("trace_hook")?;
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
        let probes = self.either(refuse, |by| {
            let setup = TraceSetup::without_nft(offsets, by, |f| self.has_function(f));
            let btf = &self.machine.btf;
            let (scratch, options) = (Scratch::new()?, self.options);
            let mut collector = TraceCollector::start_untried(options, &setup, &scratch, btf)?;
            let mut legacy = LegacyRules::default();
            legacy.begin(&mut collector, &scratch)?;
            collector.begin()?;
            Ok(Probes { collector, _key: None, scratch, legacy, without_nft: true })
        })?;
        Ok(probes.into())
    }

    /// By what is cheapest of what this kernel allows.
    fn either(
        &self,
        refuse: impl Fn(String) -> CollectError,
        run: impl Fn(Attachment) -> Result<Probes, CollectError>,
    ) -> Result<Probes, CollectError> {
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

    fn run(&self, setup: TraceSetup, points: Option<&NftPoints>) -> Result<Probes, CollectError> {
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
        let legacy = LegacyRules::default();
        Ok(Probes { collector, _key: key, scratch, legacy, without_nft: false })
    }

    fn has_function(&self, name: &str) -> bool {
        self.machine.btf.func_params(name).is_some()
    }
}
