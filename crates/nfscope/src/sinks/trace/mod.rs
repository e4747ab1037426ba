//! Packets' ways as text for people: a tree a packet, printed when the packet
//! has ended or nothing was heard of it for a while.
//!
//! ```text
//! 22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
//!   input  ip filter input, priority 0  eth0 in
//!     rule 7: tcp dport 10000 jump ports
//!       rule 9: ip saddr 10.0.0.1 accept -> accept (4.2 us)
//!   handed to a socket: tcp 10.0.0.2.10000 of nc (pid 7)
//! ```

mod evaluation;
mod lines;
mod socket;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod verbose;

pub use summary::TraceSummary;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use nfscope_event::{Backend, Event, LossPlace, Mappings, Netns, Step, Trace, Verdict};

use super::color::{self, Tone, paint};
use super::text::{TextOptions, loss};
use super::{Sink, escape, packet_text};
pub(super) use lines::describe;
use lines::{line, mappings_after, netns_after};

/// So many steps of one packet are kept; one that goes on longer is printed
/// in pieces.
const MOST_STEPS: usize = 100_000;
/// So many steps of all packets are kept; then all are printed as they are.
const MOST_IN_ALL: usize = 500_000;
/// So many packets are remembered that were printed before their end.
const MOST_PRINTED: usize = 65_536;

/// How trees are written.
pub struct TreeOptions {
    /// As all text is.
    pub text: TextOptions,
    /// How long a packet may be silent before it is printed; zero: every step
    /// is printed as it comes.
    pub linger: Duration,
    /// Expressions' results, and what follows a rule.
    pub expr: bool,
    /// Rules that did not match are steps, so that they need not be counted.
    pub lists_all: bool,
}

/// Writes trees.
pub struct TraceTree<W> {
    writer: W,
    options: TreeOptions,
    /// By number: the order in which packets were first seen.
    packets: BTreeMap<u64, Growing>,
    /// Steps in all of them.
    kept: usize,
    /// Packets that were printed before their end.
    printed: BTreeMap<u64, Told>,
}

/// What was told of a packet, and is told again only where it changes.
#[derive(Debug, Clone)]
struct Told {
    netns: Netns,
    nat: Mappings,
}

/// A tree that is not printed yet.
struct Growing {
    steps: Vec<Trace>,
    heard: Instant,
    ended: bool,
    /// Something was lost meanwhile.
    doubtful: bool,
}

impl<W: Write> TraceTree<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W, options: TreeOptions) -> Self {
        let (packets, printed) = (BTreeMap::new(), BTreeMap::new());
        Self { writer, options, packets, kept: 0, printed }
    }

    fn is_stream(&self) -> bool {
        self.options.linger.is_zero()
    }

    fn time(&self, time_ns: u64) -> String {
        let time = self.options.text.clock.time(time_ns);
        paint(self.options.text.color, Tone::Faint, time).to_string()
    }

    fn tree(&mut self, steps: &[Trace], ended: bool) -> io::Result<()> {
        let Some(first) = steps.first() else { return Ok(()) };
        let id = first.packet_id;
        let mut told = match self.printed.remove(&id) {
            None => {
                self.heading(first)?;
                Told { netns: first.netns.clone(), nat: (None, None) }
            }
            Some(told) if self.is_stream() => told,
            Some(told) => {
                let time = self.time(first.time_ns);
                writeln!(self.writer, "{time}  packet {id} goes on")?;
                told
            }
        };
        for step in steps {
            let prefix = if self.is_stream() {
                format!("{}  {id}", self.time(step.time_ns))
            } else {
                String::new()
            };
            line(&mut self.writer, &self.options, step, &told, &prefix)?;
            told =
                Told { netns: netns_after(step, told.netns), nat: mappings_after(step, told.nat) };
        }
        if !ended {
            self.printed.insert(id, told);
            if self.printed.len() > MOST_PRINTED {
                self.printed.pop_first();
            }
        }
        Ok(())
    }

    /// Which packet, where, its headers as it was first seen.
    fn heading(&mut self, first: &Trace) -> io::Result<()> {
        let time = self.time(first.time_ns);
        write!(self.writer, "{time}  packet {}", first.packet_id)?;
        let netns = packet_text::netns(&first.netns, self.options.text.own_netns);
        if !netns.is_empty() {
            write!(self.writer, "  {netns}")?;
        }
        if let Some(parent) = first.parent {
            write!(self.writer, "  copy of packet {parent}")?;
        }
        let packet = match &first.step {
            Step::Enter(enter) => Some(&enter.packet),
            Step::EnterTable(enter) => Some(&enter.packet),
            Step::Function(passed) => passed.packet.as_ref(),
            _ => None,
        };
        if let Some(packet) = packet {
            write!(self.writer, "  {}", packet_text::Headers(packet))?;
        }
        writeln!(self.writer)
    }

    fn print(&mut self, ripe: impl Fn(&Growing) -> bool) -> io::Result<()> {
        let ids: Vec<u64> =
            self.packets.iter().filter(|(_, p)| ripe(p)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(packet) = self.packets.remove(&id) {
                self.kept -= packet.steps.len();
                self.tree(&packet.steps, packet.ended)?;
                if let Some(last) = packet.steps.last().filter(|_| !packet.ended) {
                    self.open_end(last)?;
                }
                if packet.doubtful {
                    self.remark(
                        "steps may be missing: something was lost meanwhile",
                        Tone::Warning,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// What is to be said of a packet whose end was not told.
    fn open_end(&mut self, last: &Trace) -> io::Result<()> {
        let text = match last.backend {
            Backend::NetlinkTrace if drops(&last.step) => return Ok(()),
            Backend::NetlinkTrace => "what became of it is not told",
            _ => "not ended yet",
        };
        self.remark(text, Tone::Faint)
    }

    /// A remark below a packet's steps.
    fn remark(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        writeln!(self.writer, "  {}", paint(self.options.text.color, tone, format!("-- {text}")))
    }

    fn step(&mut self, trace: &Trace) -> io::Result<()> {
        if self.is_stream() {
            return self.tree(std::slice::from_ref(trace), trace.step.ends());
        }
        let packet = self.packets.entry(trace.packet_id).or_insert_with(|| Growing {
            steps: Vec::new(),
            heard: Instant::now(),
            ended: false,
            doubtful: false,
        });
        packet.heard = Instant::now();
        packet.ended |= trace.step.ends();
        packet.steps.push(trace.clone());
        self.kept += 1;
        if self.kept >= MOST_IN_ALL {
            return self.print(|_| true);
        }
        if packet.steps.len() >= MOST_STEPS {
            let full = |p: &Growing| p.steps.len() >= MOST_STEPS;
            return self.print(full);
        }
        Ok(())
    }

    fn aside(&mut self, text: &str) -> io::Result<()> {
        color::aside(&mut self.writer, self.options.text.color, text)
    }
}

/// Whether nftables dropped the packet there.
fn drops(step: &Step) -> bool {
    match step {
        Step::Rule(rule) => rule.verdict == Verdict::Drop,
        Step::Policy(policy) => policy.verdict == Verdict::Drop,
        _ => false,
    }
}

impl<W: Write> Sink for TraceTree<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Trace(trace) => self.step(trace),
            Event::Lost(lost) => {
                // those that it may concern are marked by a step of their own
                if lost.place != LossPlace::Nested {
                    self.packets.values_mut().for_each(|packet| packet.doubtful = true);
                }
                self.aside(&loss(lost))
            }
            Event::Notice(notice) => self.aside(&escape(&notice.text)),
            Event::Drop(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let linger = self.options.linger;
        // what ended in the same breath (a stolen packet's verdict) belongs to it
        let settled = linger.min(Duration::from_millis(100));
        self.print(|p| p.heard.elapsed() >= if p.ended { settled } else { linger })?;
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.print(|_| true)?;
        self.writer.flush()
    }
}
