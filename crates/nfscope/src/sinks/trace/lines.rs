//! A step on a packet's way as a line.

use std::io::{self, Write};

use nfscope_event::{
    Called, Cause, ChainRef, Conntrack, Device, Dropped, Ended, Enter, Mapped, Mapping, Mappings,
    Netns, NoMatch, Process, RuleText, Step, Trace, TracePolicy, TraceRule, Verdict,
};

use super::super::color::{Tone, paint};
use super::super::text::TextOptions;
use super::super::{cause_text, escape, packet_text};
use super::verbose::verbose;
use super::{Told, TreeOptions, evaluation, socket, tables};

/// Spaces before the lines of a packet, and for each level below.
const INDENT: usize = 2;

/// Writes a step, indented. `told`: what need not be told again; `prefix`: what
/// its lines begin with.
pub(super) fn line<W: Write>(
    writer: &mut W,
    shows: &TreeOptions,
    trace: &Trace,
    told: &Told,
    prefix: &str,
) -> io::Result<()> {
    let options = &shows.text;
    let level = match &trace.step {
        Step::Rule(rule) => 2 + rule.depth as usize,
        Step::NoMatch(rule) => 2 + rule.depth as usize,
        Step::End(end) => 2 + end.depth as usize,
        Step::TableRule(rule) => 2 + rule.depth as usize,
        Step::TableNoMatch(rule) => 2 + rule.depth as usize,
        Step::TableEnd(end) => 2 + end.depth as usize,
        Step::Policy(_) | Step::TablePolicy(_) | Step::Mapped(_) => 2,
        Step::Function(called) if called.traversal.is_some() => 2,
        _ => 1,
    };
    let (own, others) =
        if shows.lists_all { Default::default() } else { evaluation::not_matched(&trace.step) };
    let count = |writer: &mut W, text: String, level: usize| {
        let text = paint(options.color, Tone::Faint, text);
        writeln!(writer, "{prefix}{:1$}{text}", "", indent(level))
    };
    if let Some(text) = own {
        count(writer, text, level)?;
    }
    // an implicit end of the base chain is told by the policy that follows
    let implicit = matches!(&trace.step, Step::End(end) if end.depth == 0);
    if implicit && !options.verbose && !shows.expr {
        return Ok(());
    }
    write!(writer, "{prefix}{:1$}", "", indent(level))?;
    // in a stream the prefix has the time
    if matches!(&trace.step, Step::Function(_)) && !shows.linger.is_zero() {
        let time = options.clock.time(trace.time_ns);
        write!(writer, "{}  ", paint(options.color, Tone::Faint, time))?;
    }
    let (tone, text) = describe(&trace.step);
    match tone {
        Some(tone) => write!(writer, "{}", paint(options.color, tone, text))?,
        None => write!(writer, "{text}")?,
    }
    if trace.netns.inode != told.netns.inode {
        let name = packet_text::netns(&trace.netns, options.own_netns);
        write!(writer, "  {}", if name.is_empty() { "this netns" } else { &name })?;
    }
    writeln!(writer)?;
    let nat = mappings_after(trace, told.nat);
    if matches!(&trace.step, Step::Enter(_) | Step::EnterTable(_)) && nat != told.nat {
        writeln!(writer, "{:1$}nat: {2}", "", indent(level + 1), mappings(nat))?;
    }
    if shows.expr {
        for (label, text) in evaluation::facts(&trace.step) {
            fact(writer, options, level + 1, label, text)?;
        }
    }
    if options.verbose {
        verbose(writer, options, trace, level + 1)?;
    }
    others.into_iter().try_for_each(|text| count(writer, text, 2))
}

fn indent(level: usize) -> usize {
    (level * INDENT).min(80)
}

/// A line below a step.
pub(super) fn fact<W: Write>(
    writer: &mut W,
    options: &TextOptions,
    level: usize,
    label: &str,
    text: String,
) -> io::Result<()> {
    let label = paint(options.color, Tone::Faint, format!("{label:<8}"));
    writeln!(writer, "{:1$}{label}  {text}", "", indent(level))
}

/// The namespace a packet is in behind a step.
pub(super) fn netns_after(step: &Trace, before: Netns) -> Netns {
    if step.netns.inode == 0 { before } else { step.netns.clone() }
}

/// How NAT maps the packet, as told behind a step.
pub(super) fn mappings_after(step: &Trace, before: Mappings) -> Mappings {
    let conntrack = match &step.step {
        Step::Enter(enter) => &enter.conntrack,
        Step::EnterTable(enter) => &enter.conntrack,
        Step::Mapped(mapped) => return (mapped.source, mapped.destination),
        _ => return before,
    };
    match conntrack {
        Some(c) if c.source_nat.is_some() || c.destination_nat.is_some() => {
            (c.source_nat, c.destination_nat)
        }
        _ => before,
    }
}

/// A step in words, without indentation; all of it harmless to a terminal.
pub(in super::super) fn describe(step: &Step) -> (Option<Tone>, String) {
    match step {
        Step::Enter(enter) => (None, entered(enter)),
        Step::Rule(rule) => {
            (matches!(rule.verdict, Verdict::Drop).then_some(Tone::Verdict), matched(rule))
        }
        Step::NoMatch(rule) => (Some(Tone::Faint), missed(rule)),
        Step::End(end) => (None, format!("end of chain {}", chain(&end.place))),
        Step::Policy(policy) => {
            (matches!(policy.verdict, Verdict::Drop).then_some(Tone::Verdict), decided(policy))
        }
        Step::Mapped(step) => (None, mapped(step)),
        Step::EnterTable(_)
        | Step::TableRule(_)
        | Step::TableNoMatch(_)
        | Step::TableEnd(_)
        | Step::TablePolicy(_) => tables::describe(step),
        Step::Function(called) => (None, function(called)),
        Step::Sent(sent) => (None, format!("sent on {}", device(&sent.device))),
        Step::Delivered(delivered) => (None, socket::describe(&delivered.socket)),
        Step::Cloned(cloned) => (None, format!("copied: packet {}", cloned.copy)),
        Step::Dropped(dropped) => (Some(Tone::Verdict), gone(dropped)),
        Step::Consumed(ended) => (None, freed("consumed", ended)),
        Step::Freed(ended) => (None, freed("freed", ended)),
        Step::Missing(missing) => {
            let lost = match missing.count {
                None => "-- steps may be missing: the kernel lost some meanwhile".into(),
                Some(1) => "-- 1 step lost here".into(),
                Some(count) => format!("-- {count} steps lost here"),
            };
            (Some(Tone::Warning), lost)
        }
    }
}

/// `input  ip filter input, priority 0  eth0 in`
fn entered(enter: &Enter) -> String {
    let place = &enter.place;
    let hook = place.hook.as_deref().unwrap_or("?");
    let table = format!("{} {}", place.family, escape(&place.table));
    let mut text = format!("{}  {table} {}", escape(hook), chain(place));
    if let Some(priority) = place.priority {
        text += &format!(", priority {priority}");
    }
    text + &situation(&enter.in_device, &enter.out_device, enter.conntrack.as_ref())
}

/// The hook's devices and the connection's state, two spaces before each.
pub(super) fn situation(
    input: &Option<Device>,
    output: &Option<Device>,
    conntrack: Option<&Conntrack>,
) -> String {
    let mut text = match (input, output) {
        (Some(input), Some(output)) => format!("  {} -> {}", device(input), device(output)),
        (Some(input), None) => format!("  {} in", device(input)),
        (None, Some(output)) => format!("  {} out", device(output)),
        (None, None) => String::new(),
    };
    if let Some(conntrack) = conntrack {
        let reply = if conntrack.is_reply { " reply" } else { "" };
        text += &format!("  ct {}{reply}", escape(&conntrack.state));
    }
    text
}

/// `    +12.3 us  ip_rcv`, the time since the packet was first seen
fn function(called: &Called) -> String {
    let offset = format!("+{}.{}", called.offset_ns / 1000, called.offset_ns % 1000 / 100);
    let module = called.module.as_deref().map(|m| format!(" [{}]", escape(m))).unwrap_or_default();
    format!("{offset:>9} us  {}{module}", escape(&called.function))
}

/// `mapped: destination 10.0.0.2.80 -> 10.1.0.5.8080`
fn mapped(mapped: &Mapped) -> String {
    match (mapped.source, mapped.destination) {
        (None, None) => "mapped to itself".into(),
        both => format!("mapped: {}", mappings(both)),
    }
}

fn mappings((source, destination): Mappings) -> String {
    let one = |what: &str, mapping: Option<Mapping>| {
        mapping.map(|m| format!("{what} {}.{} -> {}.{}", m.from, m.from_port, m.to, m.to_port))
    };
    let both = [one("source", source), one("destination", destination)];
    both.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn chain(place: &ChainRef) -> std::borrow::Cow<'_, str> {
    escape(place.chain.as_deref().unwrap_or("?"))
}

pub(super) fn device(device: &Device) -> String {
    if device.name.is_empty() {
        format!("if{}", device.index)
    } else {
        escape(&device.name).into_owned()
    }
}

/// `rule 7: tcp dport 10000 drop -> drop (4.2 us)`
fn matched(rule: &TraceRule) -> String {
    let mut line = format!("rule {}: {}", rule.handle, words(&rule.text));
    if let Some(element) = &rule.element {
        line += &format!(" (element {})", escape(element));
    }
    match (rule.verdict, &rule.target) {
        (Verdict::Continue, _) => {}
        (verdict @ (Verdict::Jump | Verdict::Goto), Some(target)) => {
            line += &format!(" -> {} {}", verdict.as_str(), escape(target));
        }
        (Verdict::Queue, _) => {
            let number = rule.queue.map(|n| format!(" {n}")).unwrap_or_default();
            line += &format!(" -> queue{number}");
        }
        (Verdict::Drop, _) if rule.sent.is_some() => {
            let sent = rule.sent.as_deref().unwrap_or_default();
            line += &format!(" -> reject (sent {})", escape(sent));
        }
        (verdict, _) => line += &format!(" -> {}", verdict.as_str()),
    }
    line + &elapsed(rule.elapsed_ns)
}

/// `rule 7 no match: tcp dport 10000 drop  -- tcp dport 10000: packet has 9080`
fn missed(rule: &NoMatch) -> String {
    let line = format!("rule {} no match: {}", rule.handle, words(&rule.text));
    match &rule.why {
        Some(why) => format!("{line}  -- {}: {}", escape(&why.condition), escape(&why.reason)),
        // with --why the registers are there
        None if rule.registers.is_some() => format!("{line}  -- (which condition is not known)"),
        None => line,
    }
}

fn words(text: &RuleText) -> String {
    match (text.iptables.as_ref().or(text.rule.as_ref()), &text.text_unknown) {
        (Some(text), _) => escape(text).into_owned(),
        (None, Some(why)) => format!("(text unknown: {})", escape(why)),
        (None, None) => "(text unknown)".to_owned(),
    }
}

fn decided(policy: &TracePolicy) -> String {
    format!("policy {}{}", policy.verdict.as_str(), elapsed(policy.elapsed_ns))
}

pub(super) fn elapsed(ns: Option<u64>) -> String {
    match ns {
        None => String::new(),
        Some(ns) if ns < 1_000_000 => format!(" ({}.{} us)", ns / 1000, ns % 1000 / 100),
        Some(ns) => format!(" ({}.{} ms)", ns / 1_000_000, ns % 1_000_000 / 100_000),
    }
}

fn gone(dropped: &Dropped) -> String {
    let text = if dropped.decided {
        "dropped".to_owned()
    } else {
        cause_text::describe(&Cause::Kernel(dropped.kernel.clone()), true).to_string()
    };
    text + &by(dropped.process.as_ref())
}

fn freed(word: &str, ended: &Ended) -> String {
    let function = ended.function.as_deref().map(|f| format!(" in {}", escape(f)));
    format!("{word}{}{}", function.unwrap_or_default(), by(ended.process.as_ref()))
}

fn by(process: Option<&Process>) -> String {
    process.map_or(String::new(), |p| format!(" by {} (pid {})", escape(&p.command), p.pid))
}
