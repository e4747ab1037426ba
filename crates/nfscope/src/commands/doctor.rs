//! `nfscope doctor`: what works on this machine, and why something does not.

use std::io::Write;

use nfscope_collect::drop::DropOptions;
use nfscope_collect::legacy::tables_loaded;
use nfscope_kernel::layout::LayoutSource;
use nfscope_kernel::locate::ipt::Tables;
use nfscope_kernel::locate::nft::CodeOrigin;

use crate::backend::{self, Request};
use crate::catalogue::Catalogue;
use crate::cli::{BackendChoice, DoctorArguments};
use crate::commands::Failure;
use crate::doctor::{self, Finding, Level};
use crate::legacy::ATTEMPTS;
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
use crate::sinks::escape;

/// Prints the findings. Changes nothing: backends are tried in a private
/// namespace and let go.
pub fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    if arguments.points {
        machine::check_privileges()?;
        return points(&Machine::read()?, arguments.json);
    }
    let findings = findings();
    print(&findings, arguments)?;
    let problems: Vec<&str> =
        findings.iter().filter(|f| f.level == Level::Problem).map(|f| f.topic).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::Other(anyhow::anyhow!(
            "what stops commands here: {}",
            problems.join(", ")
        ))),
    }
}

fn findings() -> Vec<Finding> {
    let mut all = Vec::new();
    // Without them nothing else can be tried.
    let privileges = machine::check_privileges();
    if let Err(error) = &privileges {
        all.push(Finding::new("capabilities", Level::Problem, error.to_string()));
    }
    let lockdown = Lockdown::read();
    let level = match lockdown {
        Lockdown::Off => Level::Ok,
        Lockdown::Integrity => Level::Note,
        Lockdown::Confidentiality => Level::Problem,
    };
    all.push(Finding::new("lockdown", level, lockdown.describe()));
    match Machine::read() {
        Ok(machine) => {
            all.extend(kernel(&machine));
            all.extend(probing());
            if privileges.is_ok() && level != Level::Problem {
                all.extend(backends(&machine));
            }
        }
        Err(error) => all.push(Finding::new("types", Level::Problem, error.to_string())),
    }
    all.extend(doctor::loggers());
    all.extend(doctor::namespaces());
    all
}

fn print(findings: &[Finding], arguments: &DoctorArguments) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let text = serde_json::to_string_pretty(findings).map_err(std::io::Error::from)?;
        return writeln!(out, "{}", escape_lines(&text));
    }
    for Finding { topic, level, netns, text, fix, detail } in findings {
        if *detail && !arguments.verbose {
            continue;
        }
        let mark = match level {
            Level::Ok => "ok     ",
            Level::Note => "note   ",
            Level::Problem => "problem",
        };
        let netns = netns.as_ref().map(|name| format!("netns {name}: ")).unwrap_or_default();
        writeln!(out, "{mark}  {topic:<16} {}", escape(&format!("{netns}{text}")))?;
        if let Some(fix) = fix {
            writeln!(out, "{:>25} -> {}", "", escape(fix))?;
        }
    }
    Ok(())
}

/// As [`escape`], but line by line.
fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(escape).collect();
    lines.join("\n")
}

/// How functions can be probed here at all.
fn probing() -> Vec<Finding> {
    let topic = "probing";
    let catalogue = match Catalogue::read() {
        Ok(catalogue) => catalogue,
        Err(error) => return vec![Finding::new(topic, Level::Note, error.to_string())],
    };
    let (can, cannot) = catalogue.ways();
    let mut text = match can.is_empty() {
        true => "functions cannot be probed".to_owned(),
        false => format!("functions can be probed by {}", can.join(", ")),
    };
    for why in &cannot {
        text += &format!("; {why}");
    }
    let level = if cannot.is_empty() { Level::Ok } else { Level::Note };
    let mut all = vec![Finding::new(topic, level, text)];
    let notice = |text: &String| Finding::new(topic, Level::Note, text.clone());
    all.extend(catalogue.notices.iter().map(notice));
    all
}

fn kernel(machine: &Machine) -> Vec<Finding> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = format!("{} {}", release.trim(), std::env::consts::ARCH);
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
    let (level, reasons) = match machine.has_reason {
        true => (Level::Ok, reasons),
        false => (Level::Note, reasons),
    };
    let tables = match layout {
        Ok(text) => Finding::new("nf_tables", Level::Ok, text),
        Err(text) => Finding::new("nf_tables", Level::Note, text),
    };
    vec![
        Finding::new("kernel", Level::Ok, release),
        tables,
        Finding::new("drop reasons", level, reasons),
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
        let last = choice == BackendChoice::Tracepoint;
        let level = match result {
            Ok(_) => Level::Ok,
            // Without the last one drops cannot be seen at all.
            Err(_) if last => Level::Problem,
            Err(_) => Level::Note,
        };
        Finding::new(topic, level, text)
    });
    let mut findings: Vec<Finding> = tried.into();
    findings.push(legacy(&request, machine));
    let text = "not tried: it needs a table in the traced namespace (drops --backend netlink-trace \
                --allow-ruleset-change)";
    findings.push(Finding::new("netlink trace", Level::Ok, text));
    findings
}

/// Tries the probes for rules of iptables-legacy, where there are any tables.
fn legacy(request: &Request, machine: &Machine) -> Finding {
    let topic = "legacy tables";
    if !Tables::ALL.into_iter().any(tables_loaded) {
        let text = "none is loaded: nothing is attached until one is";
        return Finding::new(topic, Level::Ok, text);
    }
    let mut started = match backend::attempt(BackendChoice::Tracepoint, request, machine) {
        Ok(started) => started,
        Err(e) => return Finding::new(topic, Level::Note, e.to_string()),
    };
    let mut notices = Vec::new();
    for _ in 0..ATTEMPTS {
        notices.extend(started.attach_legacy());
    }
    let works = if started.legacy.attached() { "works; drops names their rules" } else { "" };
    let ok = notices.is_empty() && !works.is_empty();
    let text = if notices.is_empty() { works.to_string() } else { notices.join("; ") };
    Finding::new(topic, if ok { Level::Ok } else { Level::Note }, text)
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
