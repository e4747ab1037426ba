//! Starts the collector of `trace`: by the best backend that works here.

use std::time::Duration;

use nfscope_collect::CollectError;
use nfscope_collect::nft::{Scratch, nft_offsets, trace_arguments};
use nfscope_collect::trace::{TraceCollector, TraceLosses, TraceOptions, TraceRecord, TraceSetup};
use nfscope_event::Backend;
use nfscope_ruleset::netlink::scratch::Table;

use crate::cli::TraceBackendChoice;
use crate::machine::Machine;

/// A running collector and what it needs to stay alive.
pub struct StartedTrace {
    collector: TraceCollector,
    /// Keeps the trace key on.
    _key: Option<Table>,
    _scratch: Scratch,
}

impl StartedTrace {
    /// Which backend tells the rules.
    pub fn backend(&self) -> Backend {
        self.collector.backend()
    }

    /// The backend in words.
    pub fn describe(&self) -> &'static str {
        match self.backend() {
            Backend::Points => "rules by probe points in nft_do_chain",
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
    match choice {
        TraceBackendChoice::Auto | TraceBackendChoice::TraceHook => trace_hook(options, machine),
    }
}

fn trace_hook(options: &TraceOptions, machine: &Machine) -> Result<StartedTrace, CollectError> {
    let refuse = |reason: String| CollectError::Backend { backend: "trace_hook", reason };
    let layout = machine.layout.as_ref().map_err(|e| refuse(e.clone()))?;
    let arguments = trace_arguments(layout, &machine.btf).ok_or_else(|| {
        refuse("this kernel has no function __nft_trace_packet that nfscope understands".into())
    })?;
    let offsets = nft_offsets(layout, &machine.btf);
    let with = |fentry| {
        let has_function = |name: &str| machine.btf.func_params(name).is_some();
        let setup = TraceSetup::trace_hook(offsets, arguments, fentry, has_function);
        run(options, &setup)
    };
    // fentry is cheaper; kernels without types for modules have only kprobes
    with(true).or_else(|fentry| {
        with(false).map_err(|kprobe| refuse(format!("by fentry: {fentry}; by kprobe: {kprobe}")))
    })
}

fn run(options: &TraceOptions, setup: &TraceSetup) -> Result<StartedTrace, CollectError> {
    let scratch = Scratch::new()?;
    let key = if setup.trace_key { Some(scratch.trace_key()?) } else { None };
    let collector = TraceCollector::start(options, setup, &scratch)?;
    Ok(StartedTrace { collector, _key: key, _scratch: scratch })
}
