//! Steps on their way to the sinks.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufWriter};
use std::time::{Duration, Instant};

use nfscope_collect::legacy::ChangeCount;
use nfscope_collect::trace::{TraceLosses, TraceRecord};
use nfscope_event::{Event, LossPlace, Lost, Notice, Trace};

use crate::cli::{TraceArguments, TraceFormat};
use crate::commands::selection;
use crate::resolve::{Answer, ConnectionIds, Owners, Rules, TraceResolver, Unresolved};
use crate::sinks::{
    Clock, IptablesTrace, Json, Sink, TextOptions, TraceSummary, TraceTree, TreeOptions,
};

/// Steps that wait for a rule's text at most; beyond, the oldest goes without.
const MAX_WAITING: usize = 65_536;
/// So many of them are asked for ahead.
const ASKED: usize = 1_024;
/// How long the texts of the last steps are waited for.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Steps that wait keep packets from being shown as silent, at most so long.
const HOLD: Duration = Duration::from_secs(3);

/// Resolves, counts, and hands on to the sinks.
pub struct Stream {
    resolver: TraceResolver,
    rules: Rules,
    ids: ConnectionIds,
    owners: Owners,
    /// In order: a step behind one that waits waits too.
    waiting: VecDeque<Unresolved>,
    /// How many of them were asked for ahead.
    asked: usize,
    sinks: Vec<Box<dyn Sink>>,
    linger: Duration,
    limit: Option<u64>,
    /// Packets that `-c` counts, which have not ended, and when they were
    /// heard of.
    open: HashMap<u64, Instant>,
    counted: u64,
    losses: TraceLosses,
    flushed: Instant,
    /// When the last record came.
    heard: Instant,
}

impl Stream {
    /// Sinks as the command line says.
    pub fn new(
        a: &TraceArguments,
        resolver: TraceResolver,
        rules: Rules,
        ids: ConnectionIds,
        terminal: bool,
    ) -> Self {
        let own_netns = nfscope_ruleset::netns::Handle::current().ok().map(|h| h.inode());
        let out = BufWriter::new(io::stdout());
        let sink: Box<dyn Sink> = if a.json {
            Box::new(Json::new(out))
        } else if a.format == TraceFormat::IptablesTrace {
            Box::new(IptablesTrace::new(out, Clock::local()))
        } else {
            let text = TextOptions {
                color: selection::colored(a.color, terminal),
                verbose: a.verbose,
                own_netns,
                clock: Clock::local(),
            };
            let linger = if a.stream { Duration::ZERO } else { a.linger };
            let lists_all = a.misses().is_some();
            let options = TreeOptions { text, linger, expr: a.expr, lists_all };
            Box::new(TraceTree::new(out, options))
        };
        let closing = TraceSummary::new(BufWriter::new(io::stderr()));
        Self {
            resolver,
            rules,
            ids,
            owners: Owners::default(),
            waiting: VecDeque::new(),
            asked: 0,
            sinks: vec![sink, Box::new(closing)],
            linger: a.linger,
            limit: a.count,
            open: HashMap::new(),
            counted: 0,
            losses: TraceLosses::default(),
            flushed: Instant::now(),
            heard: Instant::now(),
        }
    }

    /// Whether `-c` is reached and all those packets have ended or fallen
    /// silent.
    pub fn complete(&self) -> bool {
        let silent = |heard: &Instant| heard.elapsed() >= self.linger;
        self.limit.is_some_and(|limit| self.counted >= limit)
            && self.waiting.is_empty()
            && self.open.values().all(silent)
    }

    /// Shows records as steps, each as soon as its rule's text is there.
    pub fn records(&mut self, records: &[TraceRecord]) -> io::Result<()> {
        if !records.is_empty() {
            self.heard = Instant::now();
        }
        for record in records {
            for step in self.resolver.steps(record) {
                if self.wanted(&step.trace) {
                    self.waiting.push_back(step);
                }
            }
        }
        self.advance(false)
    }

    /// Counts packets; whether this one is among the first `-c`. A copy of one
    /// of them is.
    fn wanted(&mut self, trace: &Trace) -> bool {
        let Some(limit) = self.limit else { return true };
        let id = trace.packet_id;
        let known = self.open.contains_key(&id);
        if !known {
            let copied = trace.parent.is_some_and(|p| self.open.contains_key(&p));
            if !copied && (trace.sequence != 1 || trace.parent.is_some() || self.counted >= limit) {
                return false;
            }
            self.counted += u64::from(!copied);
        }
        if trace.step.ends() {
            // kept: a stolen packet's verdict follows its end
            self.open
                .insert(id, Instant::now().checked_sub(self.linger).unwrap_or_else(Instant::now));
        } else {
            self.open.insert(id, Instant::now());
        }
        true
    }

    /// From here on rules of x_tables are recorded, if they begin to be.
    pub fn follow_legacy(&mut self, count: Option<ChangeCount>) {
        if let Some(count) = count {
            self.rules.follow_legacy(count);
        }
    }

    /// Whether no packet is on its way, nor one that a sink still holds.
    pub fn is_silent(&self) -> bool {
        self.waiting.is_empty() && self.heard.elapsed() > self.linger + HOLD
    }

    /// Whether steps wait for texts.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Shows what has become complete; `last`: everything, as it is.
    fn advance(&mut self, last: bool) -> io::Result<()> {
        for text in self.rules.notices().into_iter().chain(self.ids.notice()) {
            self.notice(text)?;
        }
        while let Some(mut step) = self.waiting.pop_front() {
            let now = last || self.waiting.len() >= MAX_WAITING || step.is_old();
            if self.complete_step(&mut step, now) == Answer::Pending {
                self.waiting.push_front(step);
                // many rules are asked for at once, each once
                let asked = self.waiting.iter().skip(self.asked).take(ASKED);
                let asked = asked.take_while(|step| step.is_settled());
                self.asked += asked.map(|step| self.rules.ask(step)).count();
                break;
            }
            self.asked = self.asked.saturating_sub(1);
            for trace in step.take_before() {
                self.emit(&Event::Trace(Box::new(trace)))?;
            }
            self.emit(&Event::Trace(step.trace))?;
        }
        Ok(())
    }

    /// Adds what is known to a step; to be asked again while [`Answer::Pending`].
    fn complete_step(&mut self, step: &mut Unresolved, last: bool) -> Answer {
        match self.rules.complete_step(step, last) {
            Answer::Ready => {}
            Answer::Pending => return Answer::Pending,
        }
        match self.ids.complete(step, last) {
            Answer::Ready => self.owners.complete(step, last),
            Answer::Pending => Answer::Pending,
        }
    }

    /// Says of packets without an end that it may be lost, if anything was.
    pub fn unfinished(&mut self) {
        if self.losses.ring > 0 {
            for step in self.resolver.unfinished() {
                if self.wanted(&step.trace) {
                    self.waiting.push_back(step);
                }
            }
        }
    }

    /// Gives texts that are still being read their time, then shows the rest.
    pub fn settle(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + LAST_PATIENCE;
        self.rules.hurry();
        while !self.waiting.is_empty() && Instant::now() < deadline {
            self.rules.wait(Duration::from_millis(50));
            self.advance(false)?;
        }
        self.advance(true)
    }

    /// Shows what was lost since the last call.
    pub fn losses(&mut self, now: TraceLosses) -> io::Result<()> {
        let before = std::mem::replace(&mut self.losses, now);
        for step in self.resolver.doubts(now.nested > before.nested || now.netlink > before.netlink)
        {
            if self.wanted(&step.trace) {
                self.waiting.push_back(step);
            }
        }
        let time_ns = self.resolver.now_ns();
        for (place, count) in [
            (LossPlace::Ring, now.ring.saturating_sub(before.ring)),
            (LossPlace::Nested, now.nested.saturating_sub(before.nested)),
            (LossPlace::Packets, now.packets.saturating_sub(before.packets)),
            (LossPlace::Entries, now.entries.saturating_sub(before.entries)),
            (LossPlace::Netlink, now.netlink.saturating_sub(before.netlink)),
        ] {
            if count > 0 {
                self.emit(&Event::Lost(Lost { time_ns, place, count }))?;
            }
        }
        Ok(())
    }

    /// Shows a sentence about the stream.
    pub fn notice(&mut self, text: String) -> io::Result<()> {
        let time_ns = self.resolver.now_ns();
        self.emit(&Event::Notice(Notice { time_ns, text }))
    }

    fn emit(&mut self, event: &Event) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.event(event))
    }

    /// Hands everything to the reader, and has packets shown that are silent:
    /// not while their steps may be among those that wait for texts.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() && self.flushed.elapsed() < HOLD {
            return Ok(());
        }
        self.flushed = Instant::now();
        self.sinks.iter_mut().try_for_each(|sink| sink.flush())
    }

    /// Closing lines.
    pub fn finish(&mut self) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.finish())
    }
}
