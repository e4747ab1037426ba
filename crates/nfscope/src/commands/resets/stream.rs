//! Records on their way to the sink: a reset that arrives and one that ends a
//! connection are one event.

use std::collections::VecDeque;
use std::io::{self, BufWriter};
use std::time::{Duration, Instant};

use nfscope_collect::legacy::ChangeCount;
use nfscope_collect::resets::{Kind, Losses, ResetRecord};
use nfscope_event::{Event, LossPlace, Lost, Notice, Reset};

use crate::cli::ResetsArguments;
use crate::commands::selection;
use crate::resolve::{Answer, ResetResolver, Rules, SourceLines, now_ns};
use crate::sinks::{Clock, Json, ResetText, Sink, TextOptions};

/// How long a connection may take to accept a reset: its socket may be in use by
/// a process.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(1);
/// Resets that wait at most; beyond, the oldest goes on as it is.
const MAX_WAITING: usize = 65_536;
/// How long one waits for its rule's text.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the texts of the last ones are waited for.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

struct Waiting {
    reset: Box<Reset>,
    record: ResetRecord,
    since: Instant,
}

/// Joins, completes, counts, and hands on to the sink.
pub struct Stream<'a> {
    resolver: ResetResolver,
    source: Option<SourceLines<'a>>,
    rules: Rules,
    /// Have arrived; whether a connection takes them is not known yet.
    arrived: VecDeque<(ResetRecord, Instant)>,
    waiting: VecDeque<Waiting>,
    sink: Box<dyn Sink>,
    device: Option<String>,
    limit: Option<u64>,
    shown: u64,
    losses: Losses,
}

impl<'a> Stream<'a> {
    /// A sink as the arguments say.
    pub fn new(
        a: &ResetsArguments,
        resolver: ResetResolver,
        source: Option<SourceLines<'a>>,
        rules: Rules,
        terminal: bool,
    ) -> Self {
        let out = BufWriter::new(io::stdout());
        let sink: Box<dyn Sink> = if a.json {
            Box::new(Json::new(out))
        } else {
            let own = nfscope_ruleset::netns::Handle::current().ok().map(|h| h.inode());
            let options = TextOptions {
                color: selection::colored(a.color, terminal),
                verbose: a.verbose,
                own_netns: own,
                clock: Clock::local(),
            };
            Box::new(ResetText::new(out, options))
        };
        Self {
            resolver,
            source,
            rules,
            arrived: VecDeque::new(),
            waiting: VecDeque::new(),
            sink,
            device: a.interface.clone(),
            limit: a.count,
            shown: 0,
            losses: Losses::default(),
        }
    }

    /// From here on rules of x_tables are recorded.
    pub fn follow_legacy(&mut self, count: ChangeCount) {
        self.rules.follow_legacy(count);
    }

    /// Whether `-c` is reached.
    pub fn complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    /// Takes records in the kernel's order.
    pub fn records(&mut self, records: Vec<ResetRecord>) -> io::Result<()> {
        for record in records {
            match record.kind {
                Kind::Arrived => self.arrived.push_back((record, Instant::now())),
                Kind::Accepted => {
                    // one that did not arrive is of another device or filter, or
                    // is none: data for a closed socket ends in the same way
                    if let Some(at) = self.arrived.iter().rposition(|(a, _)| belongs(a, &record))
                        && let Some((arrived, _)) = self.arrived.remove(at)
                    {
                        self.event(arrived, Some(record));
                    }
                }
                _ => self.event(record, None),
            }
        }
        self.advance(false)
    }

    fn event(&mut self, record: ResetRecord, accepted: Option<ResetRecord>) {
        let mut reset = Box::new(self.resolver.event(&record, accepted.as_ref()));
        // the programs compare the names that they know; one that nobody knows may be it
        if let (Some(only), Some(device)) = (&self.device, &reset.device)
            && !device.name.is_empty()
            && device.name != *only
        {
            return;
        }
        let record = accepted.unwrap_or(record);
        if let Some(lines) = &mut self.source {
            reset.stack_source = self.resolver.source(&record, lines);
        }
        self.waiting.push_back(Waiting { reset, record, since: Instant::now() });
    }

    /// Shows what has become complete; `last`: everything, as it is.
    fn advance(&mut self, last: bool) -> io::Result<()> {
        while let Some((record, since)) = self.arrived.pop_front() {
            let late = since.elapsed() >= ACCEPTED_WITHIN || self.arrived.len() >= MAX_WAITING;
            if !late && !last {
                self.arrived.push_front((record, since));
                break;
            }
            self.event(record, None);
        }
        let source = self.source.as_mut().map(SourceLines::notices).unwrap_or_default();
        for text in self.rules.notices().into_iter().chain(source) {
            self.notice(text)?;
        }
        while let Some(mut waiting) = self.waiting.pop_front() {
            let now =
                last || self.waiting.len() >= MAX_WAITING || waiting.since.elapsed() > PATIENCE;
            let Waiting { reset, record, .. } = &mut waiting;
            if self.resolver.complete(reset, record, &mut self.rules, now) == Answer::Pending {
                self.waiting.push_front(waiting);
                break;
            }
            if !self.complete() {
                self.shown += 1;
                self.sink.event(&Event::Reset(waiting.reset))?;
            }
        }
        Ok(())
    }

    /// Gives texts that are still being read their time, then shows the rest.
    pub fn settle(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + LAST_PATIENCE;
        self.rules.hurry();
        while !self.waiting.is_empty() && !self.complete() && Instant::now() < deadline {
            self.rules.wait(Duration::from_millis(50));
            self.advance(false)?;
        }
        self.advance(true)
    }

    /// Shows what was lost since the last call.
    pub fn losses(&mut self, now: Losses) -> io::Result<()> {
        self.resolver.set_clock();
        let before = std::mem::replace(&mut self.losses, now);
        for (place, count) in [
            (LossPlace::Ring, now.ring.saturating_sub(before.ring)),
            (LossPlace::Nested, now.nested.saturating_sub(before.nested)),
        ] {
            if count > 0 {
                self.sink.event(&Event::Lost(Lost { time_ns: now_ns(), place, count }))?;
            }
        }
        Ok(())
    }

    /// Shows a sentence about the stream.
    pub fn notice(&mut self, text: String) -> io::Result<()> {
        self.sink.event(&Event::Notice(Notice { time_ns: now_ns(), text }))
    }

    /// Hands everything to the reader.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Closing lines.
    pub fn finish(&mut self) -> io::Result<()> {
        self.sink.finish()
    }
}

/// Whether an arrival is the reset that a connection has taken. 5.10 tells the
/// connection alone.
fn belongs(arrived: &ResetRecord, accepted: &ResetRecord) -> bool {
    let packet = accepted.skb == 0 || accepted.skb == arrived.skb;
    packet
        && (arrived.source, arrived.destination) == (accepted.source, accepted.destination)
        && arrived.netns == accepted.netns
}
