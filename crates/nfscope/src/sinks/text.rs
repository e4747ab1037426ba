//! Events as text for people: two lines a drop, more with `-v`.
//!
//! ```text
//! 14:03:22.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
//!     dropped by rule: ip filter input handle 7: tcp dport 10000 drop
//! ```

use std::collections::HashSet;
use std::io::{self, Write};

use nfscope_event::{Cause, ChainRef, Drop, Event, LossPlace, Lost, NftRule, Transport, XtPlace};

use super::cause_text::{self, CauseText};
use super::color::{self, Tone, paint};
use super::packet_text::{self, Headers};
use super::{Clock, Sink, escape, stack_lines};

/// How [`Text`] writes.
#[derive(Debug, Clone)]
pub struct TextOptions {
    /// Use colour (see [`super::ColorChoice::resolve`]).
    pub color: bool,
    /// `-v`: every fact, one a line.
    pub verbose: bool,
    /// Inode of the reader's own network namespace, whose packets are shown
    /// without a namespace.
    pub own_netns: Option<u32>,
    /// Time zone of the time stamps.
    pub clock: Clock,
}

/// Writes events as text for people.
pub struct Text<W> {
    writer: W,
    options: TextOptions,
    /// Widths of the namespace and device columns: as wide as anything yet
    /// seen, so that a stream is aligned after its first lines.
    widths: [usize; 2],
    /// Hints already given: one is of use once, not with every packet.
    hints: HashSet<String>,
}

/// A name wider than this does not push all later lines to the right.
const WIDEST_COLUMN: usize = 32;

impl<W: Write> Text<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W, options: TextOptions) -> Self {
        Self { writer, options, widths: [0; 2], hints: HashSet::new() }
    }

    fn drop(&mut self, drop: &Drop) -> io::Result<()> {
        self.packet_line(drop)?;
        let color = self.options.color;
        let CauseText { verb, place, text, note } = cause_text::describe(&drop.cause, true);
        write!(self.writer, "    {}: {place}", paint(color, Tone::Verdict, verb))?;
        if !text.is_empty() {
            write!(self.writer, ": {}", paint(color, Tone::Rule, text))?;
        }
        if !note.is_empty() {
            write!(self.writer, " ({note})")?;
        }
        writeln!(self.writer)?;
        self.hint(&drop.cause)?;
        if self.options.verbose {
            self.cause_facts(&drop.cause)?;
            self.packet_facts(drop)?;
        }
        self.stack(drop)
    }

    fn packet_line(&mut self, drop: &Drop) -> io::Result<()> {
        let time = self.options.clock.time(drop.time_ns);
        write!(self.writer, "{}", paint(self.options.color, Tone::Faint, time))?;
        let columns =
            [packet_text::netns(&drop.netns, self.options.own_netns), packet_text::device(drop)];
        for (text, width) in columns.iter().zip(&mut self.widths) {
            *width = text.chars().count().min(WIDEST_COLUMN).max(*width);
            if *width > 0 {
                write!(self.writer, "  {text:<width$}")?;
            }
        }
        writeln!(self.writer, "  {}", Headers(&drop.packet))
    }

    fn hint(&mut self, cause: &Cause) -> io::Result<()> {
        let Cause::Kernel(kernel) = cause else { return Ok(()) };
        let Some(hint) = &kernel.hint else { return Ok(()) };
        if !self.options.verbose && !self.hints.insert(hint.clone()) {
            return Ok(());
        }
        let text = format!("hint: {}", escape(hint));
        writeln!(self.writer, "    {}", paint(self.options.color, Tone::Hint, text))
    }

    fn cause_facts(&mut self, cause: &Cause) -> io::Result<()> {
        match cause {
            Cause::NftRule(rule) => {
                self.hook(&rule.place)?;
                self.rule_facts(rule)
            }
            Cause::NftPolicy(policy) => self.hook(&policy.place),
            Cause::XtRule(rule) => {
                self.xt_hook(&rule.place)?;
                match &rule.comment {
                    Some(comment) => self.fact("comment", &escape(comment)),
                    None => Ok(()),
                }
            }
            Cause::XtPolicy(policy) => self.xt_hook(&policy.place),
            Cause::Kernel(kernel) => self.fact("code", &format!("{:#x}", kernel.location)),
            Cause::Freed(freed) => self.fact("code", &format!("{:#x}", freed.location)),
        }
    }

    fn hook(&mut self, place: &ChainRef) -> io::Result<()> {
        let mut parts = Vec::new();
        if let Some(hook) = &place.hook {
            parts.push(escape(hook).into_owned());
        }
        if let Some(priority) = place.priority {
            parts.push(format!("priority {priority}"));
        }
        if let Some(chain) = &place.base_chain {
            parts.push(format!("base chain {}", escape(chain)));
        }
        if parts.is_empty() { Ok(()) } else { self.fact("hook", &parts.join(", ")) }
    }

    fn xt_hook(&mut self, place: &XtPlace) -> io::Result<()> {
        match &place.hook {
            Some(hook) => self.fact("hook", &escape(hook)),
            None => Ok(()),
        }
    }

    fn rule_facts(&mut self, rule: &NftRule) -> io::Result<()> {
        if let (Some(_), Some(text)) = (&rule.iptables, &rule.rule) {
            self.fact("nft rule", &escape(text))?;
        }
        if let Some(comment) = &rule.comment {
            self.fact("comment", &escape(comment))?;
        }
        Ok(())
    }

    fn packet_facts(&mut self, drop: &Drop) -> io::Result<()> {
        let packet = &drop.packet;
        if let Some(link) = &packet.link {
            let text = format!("{} > {}", escape(&link.source), escape(&link.destination));
            self.fact("link", &text)?;
        }
        let mut text = String::new();
        if let Some(ip) = &packet.ip {
            text.push_str(&format!("ttl {}", ip.ttl));
            if let Some(id) = ip.id {
                text.push_str(&format!(", id {id}"));
            }
            if let Some(Transport::Tcp(tcp)) = &packet.transport
                && let Some(window) = tcp.window
            {
                text.push_str(&format!(", window {window}"));
            }
            if !ip.extensions.is_empty() {
                text.push_str(&format!(", extension headers {:?}", ip.extensions));
            }
            self.fact("header", &text)?;
        }
        self.fact("packet", &format!("skb {}", packet_text::skb(packet)))?;
        if let Some(process) = &drop.process {
            self.fact("process", &format!("{} (pid {})", escape(&process.command), process.pid))?;
        }
        self.fact("seen by", &format!("{}, cpu {}", drop.backend.as_str(), drop.cpu))
    }

    fn stack(&mut self, drop: &Drop) -> io::Result<()> {
        for (label, line) in stack_lines(&drop.stack, &drop.stack_source) {
            self.fact(label, &line)?;
        }
        Ok(())
    }

    fn fact(&mut self, label: &str, text: &str) -> io::Result<()> {
        color::fact(&mut self.writer, self.options.color, label, text)
    }

    fn aside(&mut self, text: &str) -> io::Result<()> {
        color::aside(&mut self.writer, self.options.color, text)
    }
}

impl<W: Write> Sink for Text<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Drop(drop) => self.drop(drop),
            Event::Lost(lost) => self.aside(&loss(lost)),
            Event::Notice(notice) => self.aside(&escape(&notice.text)),
            // the others have sinks of their own
            Event::Trace(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
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

/// What was lost, why, and what helps.
pub fn loss(lost: &Lost) -> String {
    let count = lost.count;
    let events = if count == 1 { "event" } else { "events" };
    match lost.place {
        LossPlace::Ring => {
            format!("{count} {events} lost: ring buffer full; try --ring-size or a narrower filter")
        }
        LossPlace::Nested => {
            format!("{count} {events} lost: the probe was interrupted by another packet on its CPU")
        }
        LossPlace::Attribution => {
            format!("{count} {events} without a rule: too many packets between rule and drop")
        }
        LossPlace::Packets => {
            format!("{count} packets not followed: too many at a time; try a narrower filter")
        }
        LossPlace::Entries => {
            format!("{count} decisions without their chain: its beginning was not seen")
        }
        LossPlace::Counts => {
            format!("{count} {events} not counted: too many different ones; try --max-stacks")
        }
        LossPlace::Stacks => {
            format!("{count} stacks not kept, their {events} are counted: try --max-stacks")
        }
        LossPlace::Transactions => {
            format!("{count} transactions not told: more at a time than the kernel's socket holds")
        }
        LossPlace::Calls => {
            format!(
                "{count} calls not told: their returns were not seen, or too many were under way"
            )
        }
        LossPlace::Unread => {
            format!(
                "{count} {events} left out: the kernel could not read what the condition asks for"
            )
        }
        LossPlace::Netlink => {
            format!(
                "{count} {events} may lack a rule: the kernel's trace messages were too many, or came too late"
            )
        }
    }
}

#[cfg(test)]
mod tests;
