//! Resets as text for people.
//!
//! ```text
//! 14:03:22.104211  netns web  eth0  sent      IP 10.0.0.2.81 > 10.0.0.1.4000: tcp [R.] seq 0 ack 8
//!     no listener: no socket listens on this address and port (NO_SOCKET)
//!     answers [S] seq 7 len 0
//! ```

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;

use nfscope_event::{
    Event, Process, RejectRule, Reset, ResetDirection, ResetSegment, StackContext,
};

use super::cause_text::{self, CauseText};
use super::color::{self, Tone, paint};
use super::{Sink, TextOptions, escape, loss_text, packet_text, stack_lines};

/// Writes resets as text for people.
pub struct ResetText<W> {
    writer: W,
    options: TextOptions,
    /// Hints already given.
    hints: HashSet<String>,
}

impl<W: Write> ResetText<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W, options: TextOptions) -> Self {
        Self { writer, options, hints: HashSet::new() }
    }

    fn reset(&mut self, reset: &Reset) -> io::Result<()> {
        let color = self.options.color;
        let time = self.options.clock.time(reset.time_ns);
        write!(self.writer, "{}", paint(color, Tone::Faint, time))?;
        let netns = packet_text::netns(&reset.netns, self.options.own_netns);
        if !netns.is_empty() {
            write!(self.writer, "  {netns}")?;
        }
        match &reset.device {
            Some(device) if device.name.is_empty() => write!(self.writer, "  if{}", device.index)?,
            Some(device) => write!(self.writer, "  {}", escape(&device.name))?,
            None => {}
        }
        let direction = match reset.direction {
            ResetDirection::Sent => "sent",
            ResetDirection::Received => "received",
            ResetDirection::Forwarded => "forwarded",
        };
        writeln!(self.writer, "  {direction:<9}  {}", headers(reset))?;
        let cause = paint(color, Tone::Verdict, reset.cause.as_str());
        write!(self.writer, "    {cause}: {}", escape(&reset.explanation))?;
        if let Some(reason) = &reset.reason {
            write!(self.writer, " ({})", escape(reason))?;
        }
        writeln!(self.writer)?;
        self.rule(reset)?;
        if let Some(line) = socket(reset) {
            writeln!(self.writer, "    {line}")?;
        }
        if let Some(answers) = &reset.answers {
            writeln!(self.writer, "    answers {} len {}", segment(answers), answers.length)?;
        }
        if let Some(why) = &reset.conntrack_invalid {
            let why = if why.is_empty() { "it does not say why" } else { why };
            writeln!(self.writer, "    conntrack: INVALID: {}", escape(why))?;
        }
        self.hint(reset)?;
        if self.options.verbose {
            self.facts(reset)?;
        }
        for (label, line) in stack_lines(&reset.stack, &reset.stack_source) {
            self.fact(label, &line)?;
        }
        Ok(())
    }

    fn rule(&mut self, reset: &Reset) -> io::Result<()> {
        let text = match (&reset.rule, &reset.xt_rule, &reset.rule_unknown) {
            (Some(rule), ..) => rule_text(rule),
            (None, Some(rule), _) => {
                let CauseText { place, text, .. } = cause_text::xt_rule(rule);
                format!("{place}: {text}")
            }
            (None, None, Some(why)) => format!("rule unknown: {}", escape(why)),
            (None, None, None) => return Ok(()),
        };
        writeln!(self.writer, "    {}", paint(self.options.color, Tone::Rule, text))
    }

    fn hint(&mut self, reset: &Reset) -> io::Result<()> {
        let Some(hint) = &reset.hint else { return Ok(()) };
        if !self.options.verbose && !self.hints.insert(hint.clone()) {
            return Ok(());
        }
        let text = format!("hint: {}", escape(hint));
        writeln!(self.writer, "    {}", paint(self.options.color, Tone::Hint, text))
    }

    fn facts(&mut self, reset: &Reset) -> io::Result<()> {
        let context = match (&reset.process, reset.context) {
            (Some(process), _) => one(process),
            (None, StackContext::Process) => "a thread of the kernel".to_owned(),
            (None, StackContext::Interrupt) => "softirq or interrupt".to_owned(),
            (None, StackContext::Unknown) => "unknown".to_owned(),
        };
        self.fact("context", &context)?;
        self.fact("seen", &format!("cpu {}", reset.cpu))
    }

    fn fact(&mut self, label: &str, text: &str) -> io::Result<()> {
        color::fact(&mut self.writer, self.options.color, label, text)
    }

    fn aside(&mut self, text: &str) -> io::Result<()> {
        color::aside(&mut self.writer, self.options.color, text)
    }
}

impl<W: Write> Sink for ResetText<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Reset(reset) => self.reset(reset),
            Event::Lost(lost) => self.aside(&loss_text(lost)),
            Event::Notice(notice) => self.aside(&escape(&notice.text)),
            Event::Drop(_)
            | Event::Trace(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn headers(reset: &Reset) -> String {
    let end = |address: Option<IpAddr>, port: Option<u16>| match (address, port) {
        (Some(address), Some(port)) => format!("{address}.{port}"),
        _ => "?".to_owned(),
    };
    let ip = if reset.source.is_some_and(|a| a.is_ipv6()) { "IP6" } else { "IP" };
    let (from, to) =
        (end(reset.source, reset.source_port), end(reset.destination, reset.destination_port));
    let segment = reset.segment.as_ref().map(segment).unwrap_or_default();
    format!("{ip} {from} > {to}: tcp {segment}").trim_end().to_owned()
}

fn segment(of: &ResetSegment) -> String {
    let mut text = format!("[{}]", escape(&of.flags));
    if let Some(seq) = of.seq {
        text += &format!(" seq {seq}");
    }
    if let Some(ack) = of.ack {
        text += &format!(" ack {ack}");
    }
    text
}

/// The socket, and who made the reset.
fn socket(reset: &Reset) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(state) = &reset.state {
        parts.push(format!("socket {}", escape(state)));
    }
    if !reset.owners.is_empty() {
        let all: Vec<String> = reset.owners.iter().map(one).collect();
        parts.push(format!("of {}", all.join(", ")));
    }
    // with a socket the process is the one that works with it
    if let (Some(process), Some(_)) = (&reset.process, &reset.state)
        && !reset.owners.contains(process)
    {
        parts.push(format!("by {}", one(process)));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn one(process: &Process) -> String {
    format!("{} (pid {})", escape(&process.command), process.pid)
}

fn rule_text(rule: &RejectRule) -> String {
    let mut text = format!("{} {}", rule.family.as_str(), escape(&rule.table));
    if let Some(chain) = &rule.chain {
        text += &format!(" {}", escape(chain));
    }
    text += &format!(" handle {}: ", rule.handle);
    match (&rule.iptables, &rule.rule, &rule.text_unknown) {
        (Some(line), ..) | (None, Some(line), _) => text += &escape(line),
        (None, None, Some(why)) => text += &format!("text unknown: {}", escape(why)),
        (None, None, None) => text += "text unknown",
    }
    text
}

#[cfg(test)]
mod tests;
