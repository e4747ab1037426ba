//! Chooses a backend: the best one that works here.

use nfscope_collect::CollectError;
use nfscope_collect::drop::DropCollector;
use nfscope_collect::nft::{Scratch, Setup, nft_offsets, trace_arguments};
use nfscope_event::Backend;

use super::settings::Settings;
use crate::cli::BackendChoice;
use crate::machine::Machine;

/// A running collector and what it needs to stay alive.
pub struct Started {
    /// Sends records.
    pub collector: DropCollector,
    /// Sentences for the user: why a better backend was not used.
    pub notices: Vec<String>,
    /// Keeps the trace key on.
    _key: Option<nfscope_ruleset::netlink::scratch::Table>,
    _scratch: Option<Scratch>,
}

impl Started {
    /// The backend in words.
    pub fn describe(&self) -> &'static str {
        match self.collector.backend() {
            Backend::Points => "probe points in nft_do_chain",
            Backend::TraceHook => "the trace hook",
            Backend::NetlinkTrace => "netlink trace",
            Backend::Tracepoint => "nothing but the drop tracepoint",
        }
    }
}

/// Tries the backends from the best on; with a choice only that one.
pub fn start(settings: &Settings, machine: &Machine) -> anyhow::Result<Started> {
    let order: &[BackendChoice] = match settings.backend {
        BackendChoice::Auto => &[BackendChoice::TraceHook, BackendChoice::Tracepoint],
        _ => std::slice::from_ref(&settings.backend),
    };
    let mut notices = Vec::new();
    let mut refusal = None;
    for choice in order {
        match attempt(*choice, settings, machine) {
            Ok(mut started) => {
                started.notices = notices;
                return Ok(started);
            }
            Err(e) => {
                notices.push(e.to_string());
                refusal = Some(e);
            }
        }
    }
    Err(refusal.map_or_else(|| anyhow::anyhow!("no backend to try"), anyhow::Error::from))
}

fn attempt(
    choice: BackendChoice,
    settings: &Settings,
    machine: &Machine,
) -> Result<Started, CollectError> {
    match choice {
        BackendChoice::TraceHook => trace_hook(settings, machine),
        _ => run(settings, &Setup::tracepoint(), None),
    }
}

fn run(
    settings: &Settings,
    setup: &Setup,
    scratch: Option<Scratch>,
) -> Result<Started, CollectError> {
    let key = match &scratch {
        Some(scratch) if setup.trace_key => Some(scratch.trace_key()?),
        _ => None,
    };
    let collector = DropCollector::start(&settings.options, setup, scratch.as_ref())?;
    Ok(Started { collector, notices: Vec::new(), _key: key, _scratch: scratch })
}

fn trace_hook(settings: &Settings, machine: &Machine) -> Result<Started, CollectError> {
    let refuse = |reason: String| CollectError::Backend { backend: "trace_hook", reason };
    let layout = machine.layout.as_ref().map_err(|e| refuse(e.clone()))?;
    let arguments = trace_arguments(layout, &machine.btf).ok_or_else(|| {
        refuse("this kernel has no function __nft_trace_packet that nfscope understands".into())
    })?;
    let offsets = nft_offsets(layout, &machine.btf);
    let with = |fentry| -> Result<Started, CollectError> {
        run(settings, &Setup::trace_hook(offsets, arguments, fentry), Some(Scratch::new()?))
    };
    // fentry is cheaper; kernels without types for modules have only kprobes
    with(true).or_else(|fentry| {
        with(false).map_err(|kprobe| refuse(format!("by fentry: {fentry}; by kprobe: {kprobe}")))
    })
}
