//! What is attached now, as text and as JSON.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::active::{Active, Event, Kprobe, Owner, Place, Program, Traced};
use crate::commands::{Failure, say};
use crate::sinks::{escape, json_line};

/// A line of the output.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Kprobe(&'a Kprobe),
    Ftrace(&'a Traced),
    Event(&'a Event),
    Bpf(&'a Program),
}

/// Looks and prints.
pub fn run(json: bool) -> Result<(), Failure> {
    let active = Active::read();
    let lines: Vec<Line> = (active.kprobes.iter().map(Line::Kprobe))
        .chain(active.traced.iter().map(Line::Ftrace))
        .chain(active.events.iter().map(Line::Event))
        .chain(active.programs.iter().map(Line::Bpf))
        .collect();
    let mut out = BufWriter::new(io::stdout().lock());
    for line in &lines {
        match json {
            true => json_line(&mut out, line)?,
            false => writeln!(out, "{}", escape(&text(line)))?,
        }
    }
    out.flush()?;
    active.notices.iter().for_each(|notice| say(format_args!("-- {notice}")));
    say(format_args!(
        "{} kprobes, {} functions with ftrace, {} events of tracefs, {} BPF programs",
        active.kprobes.len(),
        active.traced.len(),
        active.events.len(),
        active.programs.len()
    ));
    Ok(())
}

fn text(line: &Line) -> String {
    match line {
        Line::Kprobe(probe) => {
            let kind = if probe.returns { "kretprobe" } else { "kprobe" };
            let flags = match probe.flags.is_empty() {
                true => String::new(),
                false => format!(" ({})", probe.flags.join(", ").to_lowercase()),
            };
            let place = place(&probe.function, probe.module.as_deref(), probe.offset);
            format!("{kind:<9} {place}{flags}{}", owners(&probe.owners))
        }
        Line::Ftrace(traced) => {
            let kinds: Vec<&str> = match traced.kinds.is_empty() {
                true => traced.callbacks.iter().map(String::as_str).collect(),
                false => traced.kinds.iter().copied().collect(),
            };
            let place = place(&traced.function, traced.module.as_deref(), 0);
            let by = if kinds.is_empty() { "several".to_owned() } else { kinds.join(", ") };
            format!("ftrace    {place}: {by}{}", owners(&traced.owners))
        }
        Line::Event(event) => {
            let state = if event.enabled { "on" } else { "off" };
            let within = event.instance.as_ref().map(|i| format!(" in instance {i}"));
            let defined = event.definition.as_ref().map(|text| format!(": {text}"));
            format!(
                "event     {}:{} {state}{}{}",
                event.group,
                event.name,
                within.unwrap_or_default(),
                defined.unwrap_or_default()
            )
        }
        Line::Bpf(program) => bpf(program),
    }
}

fn bpf(program: &Program) -> String {
    let mut shown: Vec<String> = program.places.iter().map(attached).collect();
    if shown.is_empty() {
        shown.push("not attached by a link or perf event".into());
    }
    let holders: BTreeSet<Owner> = program.holders.iter().cloned().collect();
    let by = match holders.is_empty() {
        true => "; no process holds it (pinned, or held by the kernel)".to_owned(),
        false => owners(&holders),
    };
    let name = if program.name.is_empty() { "(no name)" } else { &program.name };
    format!("bpf       {} {name} ({}): {}{by}", program.id, program.program_type, shown.join(", "))
}

fn attached(at: &Place) -> String {
    let back = |returns: &bool| if *returns { ":ret" } else { "" };
    match at {
        Place::Kprobe { function, module, offset, returns } => {
            format!("kprobe {}{}", place(function, module.as_deref(), *offset), back(returns))
        }
        Place::KprobeMulti { function, module, returns } => {
            format!("kprobe-multi {}{}", place(function, module.as_deref(), 0), back(returns))
        }
        Place::Trampoline { function: Some(function), module, how } => {
            format!("{how} {}", place(function, module.as_deref(), 0))
        }
        Place::Trampoline { function: None, how, .. } => {
            format!("{how} of a function that this kernel does not tell")
        }
        Place::Tracepoint { name, raw } => {
            format!("{}tracepoint {name}", if *raw { "raw " } else { "" })
        }
        Place::Uprobe { file, offsets, returns } => {
            let at: Vec<String> = offsets.iter().map(|offset| format!("{offset:#x}")).collect();
            let file = file.as_deref().unwrap_or("a file");
            format!("uprobe {file}+{}{}", at.join(","), back(returns))
        }
        Place::Other { text } => text.clone(),
    }
}

fn place(function: &str, module: Option<&str>, offset: u64) -> String {
    let behind = if offset > 0 { format!("+{offset:#x}") } else { String::new() };
    let module = module.map(|module| format!(" [{module}]")).unwrap_or_default();
    format!("{function}{behind}{module}")
}

fn owners(owners: &BTreeSet<Owner>) -> String {
    let one = |owner: &Owner| match owner {
        Owner::Process { pid, command } => format!("{command} (pid {pid})"),
        Owner::Program { id, name } => format!("BPF program {id} {name}"),
        Owner::Event { name } => format!("event {name}"),
    };
    let all: Vec<String> = owners.iter().map(one).collect();
    if all.is_empty() { "; owner not known".into() } else { format!("; {}", all.join(", ")) }
}
