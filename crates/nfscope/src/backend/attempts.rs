//! Starts one backend, or says why it does not work here.

use nfscope_collect::CollectError;
use nfscope_collect::drop::DropCollector;
use nfscope_collect::nft::{
    NetlinkTrace, Scratch, Setup, evals, evals_loaded, nft_offsets, points_setup, trace_arguments,
};
use nfscope_kernel::locate::nft::FUNCTION;
use nfscope_ruleset::netns;

use super::{Leftover, Request, Started, nft_text};
use crate::cli::BackendChoice;
use crate::hook_naming::HookNaming;
use crate::legacy::LegacyRules;
use crate::machine::Machine;

/// Starts one backend.
pub fn attempt(
    choice: BackendChoice,
    request: &Request,
    machine: &Machine,
) -> Result<Started, CollectError> {
    match choice {
        BackendChoice::Frame => frame(request, machine),
        BackendChoice::Points => points(request, machine),
        BackendChoice::TraceHook => trace_hook(request, machine),
        BackendChoice::NetlinkTrace => netlink_trace(request, machine),
        _ => run(request, &tracepoint(machine), machine.scratch().ok(), machine),
    }
}

fn run(
    request: &Request,
    setup: &Setup,
    scratch: Option<Scratch>,
    machine: &Machine,
) -> Result<Started, CollectError> {
    let key = match &scratch {
        Some(scratch) if setup.trace_key => Some(scratch.trace_key()?),
        _ => None,
    };
    let collector = DropCollector::start(&request.options, setup, scratch.as_ref(), &machine.btf)?;
    Ok(Started {
        collector,
        netlink: None,
        hook: HookNaming::begin(setup.frees_inside()),
        legacy: LegacyRules::default(),
        nft_reasons: None,
        awaits_nft: false,
        awaits_evals: false,
        unattributed: 0,
        frame_failures: 0,
        nft_text: nft_text(),
        interruptible: request.options.interruptible,
        interrupted: false,
        since: 0,
        notices: Vec::new(),
        _key: key,
        scratch,
    })
}

fn frame(request: &Request, machine: &Machine) -> Result<Started, CollectError> {
    let refuse = |reason: String| CollectError::Backend { backend: "frame", reason };
    let layout = machine.layout.as_ref().map_err(|e| refuse(e.clone()))?;
    let (mut found, mut notices) = (None, Vec::new());
    let loaded = evals_loaded();
    if loaded {
        let why = match machine.locate(layout) {
            Ok(located) => {
                found = evals(&located.points);
                "where their rule is was not found in the machine code".into()
            }
            Err(e) => e,
        };
        if found.is_none() {
            notices.push(format!(
                "packets that queue or fwd ends are not put down to their rules: {why}"
            ));
        }
    }
    let setup = Setup::frame(nft_offsets(layout, &machine.btf), found);
    let mut started = run(request, &setup, Some(machine.scratch()?), machine)?;
    started.awaits_evals = !loaded;
    started.notices.splice(0..0, notices);
    Ok(started)
}

fn points(request: &Request, machine: &Machine) -> Result<Started, CollectError> {
    let refuse = |reason: String| CollectError::Backend { backend: "points", reason };
    let layout = machine.layout.as_ref().map_err(|e| refuse(e.clone()))?;
    let located = machine.locate(layout).map_err(refuse)?;
    let setup = points_setup(nft_offsets(layout, &machine.btf), &located.points).map_err(refuse)?;
    let setup = setup.at_address(FUNCTION, located.address);
    run(request, &setup, Some(machine.scratch()?), machine)
}

fn trace_hook(request: &Request, machine: &Machine) -> Result<Started, CollectError> {
    let refuse = |reason: String| CollectError::Backend { backend: "trace_hook", reason };
    let layout = machine.layout.as_ref().map_err(|e| refuse(e.clone()))?;
    let arguments = trace_arguments(layout, &machine.btf).ok_or_else(|| {
        refuse("this kernel has no function __nft_trace_packet that nfscope understands".into())
    })?;
    let offsets = nft_offsets(layout, &machine.btf);
    let with = |fentry| -> Result<Started, CollectError> {
        let setup = Setup::trace_hook(offsets, arguments, fentry);
        run(request, &setup, Some(machine.scratch()?), machine)
    };
    // fentry is cheaper, but many kernels let another task interrupt its
    // programs and then skip them for that task
    with(false).or_else(|kprobe| {
        with(true).map_err(|fentry| refuse(format!("by kprobe: {kprobe}; by fentry: {fentry}")))
    })
}

/// A backend that needs no trial can still be seen at work; making rules for
/// that would load nf_tables.
fn tracepoint(machine: &Machine) -> Setup {
    Setup::tracepoint(machine.has_nf_tables)
}

fn netlink_trace(request: &Request, machine: &Machine) -> Result<Started, CollectError> {
    let refuse = |reason: String| CollectError::Backend { backend: "netlink_trace", reason };
    let Some(leftover) = request.ruleset_change else {
        return Err(refuse(
            "it needs a table of its own in the traced namespace; --allow-ruleset-change permits that"
                .into(),
        ));
    };
    let inode = match request.options.netns {
        Some(inode) => inode,
        None => netns::Handle::current().map_err(|e| refuse(e.to_string()))?.inode(),
    };
    let filter = request.options.filter.as_ref().map(|filter| filter.decisions.clone());
    let trace = NetlinkTrace::start(inode, leftover == Leftover::Accepted, filter)?;
    let mut started = run(request, &tracepoint(machine), machine.scratch().ok(), machine)?;
    started.notices.extend_from_slice(trace.notices());
    started.netlink = Some(trace);
    Ok(started)
}
