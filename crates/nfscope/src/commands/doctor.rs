//! `nfscope doctor`: what works on this machine, and why something does not.

mod located;
mod test;
mod uses;

use std::io::Write;

use nfscope_kernel::layout::LayoutSource;

use crate::catalogue::Catalogue;
use crate::cli::DoctorArguments;
use crate::commands::Failure;
use crate::doctor::{self, Finding, Level};
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
use crate::sinks::escape;
use test::{Outcome, Proof};

/// Whether kprobes are armed (`kernel/kprobes.c`).
const KPROBES_ENABLED: &str = "/sys/kernel/debug/kprobes/enabled";

/// Prints the findings. Changes nothing: backends are tried in a private
/// namespace and let go.
pub fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    if arguments.points {
        machine::check_privileges()?;
        return points(&Machine::read()?, arguments.json);
    }
    if !arguments.test.is_empty() {
        machine::check_privileges()?;
    }
    let machine = Machine::read();
    let findings = findings(&machine);
    // where nothing is seen, which is a problem of its own, nothing needs to be waited for
    let watch = Lockdown::read() != Lockdown::Confidentiality && !kprobes_off();
    let proofs = test::proofs(&arguments.test, machine.as_ref().ok().filter(|_| watch));
    print(&findings, &proofs, arguments)?;
    let problems: Vec<&str> =
        findings.iter().filter(|f| f.level == Level::Problem).map(|f| f.topic).collect();
    let disproved: Vec<&str> =
        proofs.iter().filter(|p| p.outcome == Outcome::Disproved).map(|p| p.topic).collect();
    let mut why = Vec::new();
    if !problems.is_empty() {
        why.push(format!("what stops commands here: {}", problems.join(", ")));
    }
    if !disproved.is_empty() {
        why.push(format!("what turned out otherwise than said: {}", disproved.join(", ")));
    }
    match why.is_empty() {
        true => Ok(()),
        false => Err(Failure::Other(anyhow::anyhow!(why.join("; ")))),
    }
}

fn findings(machine: &anyhow::Result<Machine>) -> Vec<Finding> {
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
    match machine {
        Ok(machine) => {
            all.extend(kernel(machine));
            all.extend(settings());
            all.extend(probing());
            if privileges.is_ok() && level != Level::Problem {
                all.extend(located::findings(machine));
                all.extend(uses::drops(machine));
                all.extend(uses::findings(machine));
            }
        }
        Err(error) => all.push(Finding::new("types", Level::Problem, error.to_string())),
    }
    all.extend(doctor::loggers());
    all.extend(doctor::namespaces());
    all
}

fn print(
    findings: &[Finding],
    proofs: &[Proof],
    arguments: &DoctorArguments,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut all = Vec::new();
        all.extend(findings.iter().map(serde_json::to_value));
        all.extend(proofs.iter().map(serde_json::to_value));
        let all: Vec<_> = all.into_iter().collect::<Result<_, _>>()?;
        let text = serde_json::to_string_pretty(&all)?;
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
    if !proofs.is_empty() {
        writeln!(out, "\ntried with packets in private namespaces:")?;
    }
    for Proof { topic, claimed, seen, outcome } in proofs {
        let (mark, word) = match outcome {
            Outcome::Agrees => ("agrees    ", "seen"),
            Outcome::Disproved => ("disproved ", "seen"),
            Outcome::NotTested => ("not tested", "since"),
        };
        writeln!(out, "{mark}  {topic:<13} {}", escape(claimed))?;
        writeln!(out, "{:>25} {word}: {}", "", escape(seen))?;
    }
    Ok(())
}

/// As [`escape`], but line by line.
fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(escape).collect();
    lines.join("\n")
}

fn kprobes_off() -> bool {
    std::fs::read_to_string(KPROBES_ENABLED).is_ok_and(|text| text.trim() == "0")
}

/// Settings of the kernel that take from what is seen.
fn settings() -> Vec<Finding> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut all = Vec::new();
    if kprobes_off() {
        let text = "kprobes are switched off: they can be attached, and see nothing";
        let command = format!("echo 1 >{KPROBES_ENABLED}");
        all.push(Finding::new("kprobes", Level::Problem, text).fix(command));
    }
    if read("/proc/sys/kernel/kptr_restrict").trim() == "2" {
        let text = "the kernel hides its addresses from everybody: functions are not found by name, \
                    nor named";
        let command = "sysctl -w kernel.kptr_restrict=1";
        all.push(Finding::new("kptr_restrict", Level::Note, text).fix(command));
    }
    all
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
    let notice = |text: &String| Finding::new("functions", Level::Note, text.clone());
    all.extend(catalogue.notices.iter().map(notice));
    if catalogue.notices.is_empty() {
        let text = "lists them with their types and how each can be probed";
        all.push(Finding::new("functions", Level::Ok, text));
    }
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

fn points(machine: &Machine, json: bool) -> Result<(), Failure> {
    let layout = machine.layout.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
    let located = machine.locate(layout).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&located)?)?;
        return Ok(());
    }
    writeln!(out, "nft_do_chain in {}", located::origin(&located))?;
    write!(out, "{}", located.points)?;
    Ok(())
}
