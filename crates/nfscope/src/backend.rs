//! Chooses a backend: the best one that works here.

mod attempts;

use std::time::Duration;

use nfscope_collect::CollectError;
use nfscope_collect::drop::{DropCollector, DropOptions, DropRecord, Losses};
use nfscope_collect::nft::{NetlinkTrace, Scratch, Setup, evals_loaded, nft_offsets};
use nfscope_event::Backend;
use nfscope_ruleset::netlink::scratch::Table;

pub use attempts::attempt;

use crate::cli::BackendChoice;
use crate::hook_naming::HookNaming;
use crate::legacy::LegacyRules;
use crate::machine::Machine;
use crate::resolve::ReasonNames;

const NO_NF_TABLES: &str = "nf_tables is not loaded, so no nftables rule can drop anything yet; \
    rules are named as soon as it is";

/// How often the stack frame is looked for before another backend is taken.
const FRAME_TRIES: u32 = 3;

/// Where the module's code is, if it is a module.
fn nft_text() -> Option<String> {
    std::fs::read_to_string("/sys/module/nf_tables/sections/.text").ok()
}

/// What may happen to the netlink backend's table when nfscope is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// It must go away (an owned table).
    Refused,
    /// It may stay.
    Accepted,
}

/// What a command wants of a backend.
#[derive(Debug, Clone)]
pub struct Request {
    /// For the collector.
    pub options: DropOptions,
    /// Which backend.
    pub backend: BackendChoice,
    /// Whether a table may be made, and whether it may stay behind.
    pub ruleset_change: Option<Leftover>,
    /// The stack frame was tried long enough.
    pub without_frame: bool,
}

/// A running collector and what it needs to stay alive.
pub struct Started {
    collector: DropCollector,
    netlink: Option<NetlinkTrace>,
    hook: HookNaming,
    /// Rules of x_tables.
    pub legacy: LegacyRules,
    /// The reasons that nftables' drops carry, where there are reasons.
    nft_reasons: Option<[u32; 2]>,
    /// A better backend may work once nf_tables is loaded.
    awaits_nft: bool,
    /// Probes are needed once certain modules are loaded.
    awaits_evals: bool,
    /// Rules that the stack frame did not tell, as far as that was dealt with.
    unattributed: u64,
    /// How often in a row the stack frame was not found again.
    frame_failures: u32,
    /// Where nf_tables' code was when this was started.
    nft_text: Option<String>,
    /// It was started for programs that other tasks can interrupt.
    interruptible: bool,
    /// A record was made where another task could have interrupted.
    interrupted: bool,
    /// Records from before that time (monotonic ns) are another collector's.
    since: u64,
    /// Sentences for the user: why a better backend was not used.
    pub notices: Vec<String>,
    /// Keeps the trace key on.
    _key: Option<Table>,
    scratch: Option<Scratch>,
}

impl Started {
    /// Which backend tells the rules.
    pub fn backend(&self) -> Backend {
        if self.netlink.is_some() { Backend::NetlinkTrace } else { self.collector.backend() }
    }

    /// Where dropped packets are freed, as the backend's trial saw it.
    pub fn drop_sites(&self) -> &[u64] {
        self.collector.drop_sites()
    }

    /// The backend in words.
    pub fn describe(&self) -> &'static str {
        match self.backend() {
            Backend::Frame => "rules by nft_do_chain's stack frame",
            Backend::Points => "rules by probe points in nft_do_chain",
            Backend::TraceHook => "rules by the trace hook",
            Backend::NetlinkTrace => "rules by netlink trace",
            Backend::Tracepoint if self.legacy.attached() => {
                "rules of iptables-legacy by probe points; those of nftables are not named"
            }
            Backend::Tracepoint => "by the drop tracepoint alone: rules are not named",
        }
    }

    /// Waits for records; `last`: hands out what was held back.
    pub fn poll(&mut self, timeout: Duration, last: bool) -> Result<Vec<DropRecord>, CollectError> {
        let mut records = self.collector.poll(timeout)?;
        records.retain(|record| record.monotonic_ns >= self.since);
        self.interrupted |= records.iter().any(|record| record.preemptible);
        if let Some(netlink) = &mut self.netlink {
            // queues without a listener give no reason
            let reasons = self.nft_reasons;
            let maybe_nft = |r: &DropRecord| reasons.is_none_or(|all| all.contains(&r.reason));
            records = netlink.attribute(records, maybe_nft, last);
        }
        for record in &mut records {
            if record.nft.is_none() && record.legacy.is_none() && self.by_a_hook(record) {
                record.hook_function = self.hook.function(record);
            }
        }
        self.hook.advance();
        Ok(records)
    }

    /// Whether a netfilter hook may have dropped it: by its reason, or by where
    /// hooks' drops are freed, as far as that is known.
    fn by_a_hook(&self, record: &DropRecord) -> bool {
        let sites = self.collector.drop_sites();
        match self.nft_reasons {
            Some([drop, _]) => record.reason == drop,
            None => sites.is_empty() || sites.contains(&record.location),
        }
    }

    /// Attaches what could not be attached before. Sentences for the user: what
    /// does not work.
    pub fn attach_late(&mut self) -> Result<Vec<String>, CollectError> {
        self.collector.attach_late()?;
        Ok(self.attach_legacy())
    }

    /// Attaches to x_tables, as far as it is loaded.
    pub fn attach_legacy(&mut self) -> Vec<String> {
        match &self.scratch {
            Some(scratch) => self.legacy.advance(&mut self.collector, scratch),
            None => Vec::new(),
        }
    }

    /// Why another backend would work better than when this one was started.
    pub fn outdated(&self) -> Option<&'static str> {
        if self.awaits_nft && nfscope_ruleset::nf_tables_loaded() {
            Some("nf_tables was loaded")
        } else if self.awaits_evals && evals_loaded() {
            Some("a module was loaded whose expressions end packets in their own way")
        } else if self.frame_failures >= FRAME_TRIES {
            Some("nft_do_chain's stack frame is not found any more")
        } else if self.nft_text.is_some() && nft_text().is_some_and(|at| Some(at) != self.nft_text)
        {
            Some("nf_tables was unloaded and loaded again")
        } else if self.interrupted && !self.interruptible && self.netlink.is_none() {
            Some("other tasks can interrupt the tracepoint's program here, which loses drops")
        } else {
            None
        }
    }

    /// Whether the stack frame was not where it should be since the last call:
    /// other programs on the tracepoint have come or gone.
    pub fn frame_moved(&mut self) -> bool {
        let known = self.unattributed;
        self.unattributed = self.collector.losses().map_or(known, |losses| losses.frame);
        self.backend() == Backend::Frame && self.unattributed > known
    }

    /// Finds the stack frame again.
    pub fn find_frame_again(&mut self, machine: &Machine) -> Result<(), CollectError> {
        let found = self.look_for_frame(machine);
        self.frame_failures = if found.is_ok() { 0 } else { self.frame_failures + 1 };
        found
    }

    fn look_for_frame(&mut self, machine: &Machine) -> Result<(), CollectError> {
        let refuse = |reason| CollectError::Backend { backend: "frame", reason };
        let layout = machine.layout.as_ref().map_err(|e| refuse(e.clone()))?;
        let scratch = self.scratch.as_ref().ok_or_else(|| refuse("no trial".into()))?;
        let setup = Setup::frame(nft_offsets(layout, &machine.btf), None);
        self.collector.find_frame_again(scratch, &setup, &machine.btf)
    }

    /// Changes to the best backend that works now. What the old one saw until
    /// the new one was there is returned; no record is lost or seen twice. If
    /// it fails the old one goes on for good.
    pub fn renew(
        &mut self,
        request: &Request,
        machine: &Machine,
    ) -> anyhow::Result<(Vec<DropRecord>, Losses)> {
        let mut request = request.clone();
        request.without_frame |= self.frame_failures >= FRAME_TRIES;
        (self.frame_failures, self.nft_text) = (0, None);
        request.options.interruptible = self.interruptible || self.interrupted;
        (self.awaits_nft, self.awaits_evals, self.interruptible) = (false, false, true);
        let mut next = best(&request, machine)?;
        // the old collector's probes stay as long as it does
        next.legacy = std::mem::take(&mut self.legacy);
        next.legacy.begin_anew();
        let notices = next.attach_legacy();
        next.notices.extend(notices);
        next.since = nfscope_ruleset::monotonic_ns();
        next.nft_reasons = self.nft_reasons;
        let mut records = Vec::new();
        loop {
            let some = self.poll(Duration::ZERO, true)?;
            let read_all = some.last().is_none_or(|last| last.monotonic_ns >= next.since);
            records.extend(some);
            if read_all {
                break;
            }
        }
        let trials = machine.scratches();
        records.retain(|r| r.monotonic_ns < next.since && !trials.contains(&r.netns));
        let losses = self.losses()?;
        *self = next;
        // the old collector's program was still there when the new one looked
        if self.backend() == Backend::Frame
            && let Err(e) = self.find_frame_again(machine)
        {
            self.notices.push(e.to_string());
        }
        Ok((records, losses))
    }

    /// Whether the netlink trace has come to an end by itself.
    pub fn trace_ended(&self) -> bool {
        self.netlink.as_ref().is_some_and(NetlinkTrace::ended)
    }

    /// Losses since the start.
    pub fn losses(&self) -> Result<Losses, CollectError> {
        let mut losses = self.collector.losses()?;
        losses.netlink = self.netlink.as_ref().map_or(0, NetlinkTrace::lost);
        Ok(losses)
    }
}

/// Tries the backends from the best on; with a choice only that one.
pub fn start(
    request: &Request,
    machine: &Machine,
    reasons: &ReasonNames,
) -> anyhow::Result<Started> {
    let mut started = best(request, machine)?;
    started.nft_reasons = reasons
        .number("NETFILTER_DROP")
        .zip(reasons.number("NOT_SPECIFIED"))
        .map(|(drop, none)| [drop, none]);
    let notices = started.attach_legacy();
    started.notices.extend(notices);
    Ok(started)
}

/// The backends in the order in which they are tried: the first that works is used.
pub fn order(request: &Request) -> &[BackendChoice] {
    use BackendChoice as B;
    match request.backend {
        B::Auto if request.ruleset_change.is_some() => {
            &[B::Frame, B::Points, B::TraceHook, B::NetlinkTrace, B::Tracepoint]
        }
        B::Auto => &[B::Frame, B::Points, B::TraceHook, B::Tracepoint],
        _ => std::slice::from_ref(&request.backend),
    }
}

fn best(request: &Request, machine: &Machine) -> anyhow::Result<Started> {
    use BackendChoice as B;
    let order = order(request);
    let mut notices: Vec<String> = Vec::new();
    let mut refusal = None;
    for choice in order.iter().filter(|choice| **choice != B::Frame || !request.without_frame) {
        match attempt(*choice, request, machine) {
            Ok(mut started) => {
                started.awaits_nft = request.backend == B::Auto
                    && started.backend() == Backend::Tracepoint
                    && !machine.has_nf_tables;
                if started.awaits_nft {
                    notices = vec![NO_NF_TABLES.into()];
                }
                started.notices.splice(0..0, notices);
                return Ok(started);
            }
            Err(e) => {
                // probe points are as good, so that nobody needs to know
                if *choice != B::Frame || order.len() == 1 {
                    notices.push(e.to_string());
                }
                refusal = Some(e);
            }
        }
    }
    Err(refusal.map_or_else(|| anyhow::anyhow!("no backend to try"), anyhow::Error::from))
}
