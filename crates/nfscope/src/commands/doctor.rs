//! `nfscope doctor`: what works on this machine, and why something does not.

use std::io::Write;
use std::path::Path;

use nfscope_collect::drop::DropOptions;
use nfscope_collect::legacy::tables_loaded;
use nfscope_kernel::layout::LayoutSource;
use nfscope_kernel::locate::ipt::Tables;
use nfscope_kernel::locate::nft::CodeOrigin;
use serde::Serialize;

use crate::backend::{self, Request};
use crate::cli::{BackendChoice, DoctorArguments};
use crate::commands::Failure;
use crate::legacy::ATTEMPTS;
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
use crate::sinks::escape;

/// One finding.
#[derive(Debug, Serialize)]
struct Finding {
    topic: &'static str,
    ok: bool,
    text: String,
}

/// Prints the findings. Changes nothing: backends are tried in a private
/// namespace and let go.
pub fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    machine::check_privileges()?;
    let machine = Machine::read()?;
    if arguments.points {
        return points(&machine, arguments.json);
    }
    let mut findings = kernel(&machine);
    findings.extend(backends(&machine));
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
        return Ok(());
    }
    for Finding { topic, ok, text } in &findings {
        let mark = if *ok { "ok  " } else { "note" };
        writeln!(out, "{mark}  {topic:<14} {}", escape(text))?;
    }
    Ok(())
}

fn kernel(machine: &Machine) -> Vec<Finding> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = format!("{} {}", release.trim(), std::env::consts::ARCH);
    let lockdown = Lockdown::read();
    let layout = match &machine.layout {
        Ok(layout) => match layout.source {
            LayoutSource::Btf => Ok("layouts from the kernel's type information".to_string()),
            LayoutSource::Table510 => {
                Ok("no type information: the documented layout of 5.10, tried before use".into())
            }
        },
        Err(why) => Err(why.clone()),
    };
    let reasons = if machine.has_reason {
        "skb:kfree_skb tells why a packet was dropped"
    } else {
        "skb:kfree_skb tells no reason (it does since 5.17): the function is shown"
    };
    let kprobes = Path::new("/sys/bus/event_source/devices/kprobe").exists();
    let finding = |topic, ok, text: &str| Finding { topic, ok, text: text.to_string() };
    vec![
        finding("kernel", true, &release),
        finding("nf_tables", layout.is_ok(), layout.as_ref().unwrap_or_else(|e| e)),
        finding("drop reasons", machine.has_reason, reasons),
        finding(
            "kprobes",
            kprobes,
            if kprobes { "available" } else { "the kernel was built without them" },
        ),
        finding("lockdown", lockdown == Lockdown::Off, lockdown.describe()),
    ]
}

/// Tries every backend that changes no ruleset, with its self-test.
fn backends(machine: &Machine) -> Vec<Finding> {
    let request = Request {
        options: DropOptions::everything(machine.has_reason),
        backend: BackendChoice::Auto,
        ruleset_change: None,
        without_frame: false,
    };
    let mut used = false;
    let tried = [
        ("frame", BackendChoice::Frame),
        ("points", BackendChoice::Points),
        ("trace hook", BackendChoice::TraceHook),
        ("tracepoint", BackendChoice::Tracepoint),
    ]
    .map(|(topic, choice)| {
        let result = backend::attempt(choice, &request, machine);
        let text = match &result {
            Ok(_) if used => "works".to_string(),
            Ok(_) => "works; drops uses it".to_string(),
            Err(e) => e.to_string(),
        };
        used |= result.is_ok();
        Finding { topic, ok: result.is_ok(), text }
    });
    let mut findings: Vec<Finding> = tried.into();
    findings.push(legacy(&request, machine));
    findings.push(Finding {
        topic: "netlink trace",
        ok: true,
        text: "not tried: it needs a table in the traced namespace (drops --backend netlink-trace --allow-ruleset-change)".into(),
    });
    findings
}

/// Tries the probes for rules of iptables-legacy, where there are any tables.
fn legacy(request: &Request, machine: &Machine) -> Finding {
    let topic = "legacy tables";
    if !Tables::ALL.into_iter().any(tables_loaded) {
        let text = "none is loaded: nothing is attached until one is".to_string();
        return Finding { topic, ok: true, text };
    }
    let mut started = match backend::attempt(BackendChoice::Tracepoint, request, machine) {
        Ok(started) => started,
        Err(e) => return Finding { topic, ok: false, text: e.to_string() },
    };
    let mut notices = Vec::new();
    for _ in 0..ATTEMPTS {
        notices.extend(started.attach_legacy());
    }
    let works = if started.legacy.attached() { "works; drops names their rules" } else { "" };
    let ok = notices.is_empty() && !works.is_empty();
    let text = if notices.is_empty() { works.to_string() } else { notices.join("; ") };
    Finding { topic, ok, text }
}

fn points(machine: &Machine, json: bool) -> Result<(), Failure> {
    let layout = machine.layout.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
    let located = machine.locate(layout).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&located)?)?;
        return Ok(());
    }
    let origin = match &located.origin {
        CodeOrigin::ModuleFile { path, verified: true } => {
            format!("{} (build id checked)", path.display())
        }
        CodeOrigin::ModuleFile { path, verified: false } => {
            format!("{} (the kernel shows no build id to check)", path.display())
        }
        CodeOrigin::LiveText => "the running kernel's memory".into(),
    };
    writeln!(out, "nft_do_chain in {origin}")?;
    write!(out, "{}", located.points)?;
    Ok(())
}
