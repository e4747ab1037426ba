//! `nfscope probe`: what the kernel's functions are given, and what they return.

use std::io::{self, BufWriter};
use std::time::{Duration, Instant};

use nfscope_collect::probe::{Mode, ProbeOptions, ProbeTotals, Prober};
use nfscope_event::{Event, LossPlace, Lost, Notice};
use nfscope_kernel::btf::Btf;

use crate::cli::ProbeArguments;
use crate::commands::{Failure, say, selection};
use crate::lockdown::Lockdown;
use crate::machine;
use crate::probing::{Asked, Events, Plan};
use crate::resolve::now_ns;
use crate::signals::Signals;
use crate::sinks::{Clock, Json, ProbeText, Sink};
use crate::targets;

/// How long to wait for records before looking at everything else.
const TICK: Duration = Duration::from_millis(50);

/// Runs until Ctrl-C, `-c` or `--duration`.
pub fn run(arguments: &ProbeArguments) -> Result<(), Failure> {
    machine::check_privileges()?;
    Lockdown::check()?;
    machine::drop_privileges()?;
    let btf = Btf::vmlinux()?;
    let filter = match &arguments.filter {
        Some(text) => selection::filter(std::slice::from_ref(text))?,
        None => None,
    };
    let returns = arguments.ret || arguments.target.ends_with(":ret");
    let asked = Asked {
        text: arguments.words.join(" "),
        count_by: arguments.count_by.clone(),
        hist: arguments.hist.clone(),
        returns,
    };
    let found = targets::places(&arguments.target, &btf, returns, filter.is_some())?;
    let plan = Plan::make(&asked, found, &btf)?;
    let mode = match (&arguments.hist, arguments.count_by.is_empty()) {
        (Some(_), _) => Mode::Histogram,
        (None, false) => Mode::Counts,
        (None, true) => Mode::Events,
    };
    let options = ProbeOptions { groups: plan.programs(), mode, stack: arguments.stack, filter };
    let signals = Signals::install()?;
    let mut prober =
        Prober::start(&options, &btf).map_err(|error| machine::not_started(error, &btf))?;
    drop(btf);
    let events = Events::new(&plan, arguments.numeric, arguments.stack, returns);
    let mut stream = Stream::new(arguments, events);
    for text in &plan.left_out {
        stream.notice(text.clone())?;
    }
    if prober.refused() > 0 {
        stream.notice(format!(
            "{} functions of the pattern are left out: the kernel lets nobody probe them",
            prober.refused()
        ))?;
    }
    if !prober.context_known() {
        stream.notice(
            "this kernel does not tell whether it works for a process: none is named".into(),
        )?;
    }
    let places = match plan.places() - prober.refused().min(plan.places()) {
        1 => "1 place".to_owned(),
        several => format!("{several} places"),
    };
    let ends = if mode == Mode::Events { "ends" } else { "ends and prints" };
    stream.sink.flush()?;
    say(format_args!("nfscope: watching {places}; Ctrl-C {ends}"));

    let begin = Instant::now();
    loop {
        stream.round(&mut prober)?;
        let late = arguments.duration.is_some_and(|d| begin.elapsed() >= d);
        let full = arguments.count.is_some_and(|limit| match mode {
            Mode::Events => stream.shown >= limit,
            _ => prober.totals().events >= limit,
        });
        if late || full || signals.raised() {
            break;
        }
    }
    stream.finish(&mut prober, arguments)
}

/// Events on their way to the sink.
struct Stream<'a> {
    events: Events<'a>,
    sink: Box<dyn Sink>,
    limit: Option<u64>,
    shown: u64,
    /// Records that the last call of `records` had.
    read: usize,
    told: ProbeTotals,
}

impl<'a> Stream<'a> {
    fn new(arguments: &ProbeArguments, events: Events<'a>) -> Self {
        let out = BufWriter::new(io::stdout());
        let sink: Box<dyn Sink> = if arguments.json {
            Box::new(Json::new(out))
        } else {
            Box::new(ProbeText::new(out, Clock::local()))
        };
        Self {
            events,
            sink,
            limit: arguments.count,
            shown: 0,
            read: 0,
            told: ProbeTotals::default(),
        }
    }

    /// Takes what has come, and tells it.
    fn round(&mut self, prober: &mut Prober) -> anyhow::Result<()> {
        self.records(prober, TICK)?;
        self.lost(prober.totals())?;
        Ok(self.sink.flush()?)
    }

    fn records(&mut self, prober: &mut Prober, wait: Duration) -> anyhow::Result<()> {
        let records = prober.poll(wait)?;
        self.read = records.len();
        for record in records {
            if self.limit.is_some_and(|limit| self.shown >= limit) {
                break;
            }
            if let Some(event) = self.events.event(&record) {
                self.sink.event(&event)?;
                self.shown += 1;
            }
        }
        Ok(())
    }

    fn lost(&mut self, now: ProbeTotals) -> io::Result<()> {
        let before = std::mem::replace(&mut self.told, now);
        for (place, now, before) in [
            (LossPlace::Ring, now.ring, before.ring),
            (LossPlace::Nested, now.skipped, before.skipped),
            (LossPlace::Counts, now.uncounted, before.uncounted),
            (LossPlace::Calls, now.calls, before.calls),
            (LossPlace::Unread, now.unread, before.unread),
        ] {
            let count = now.saturating_sub(before);
            if count > 0 {
                self.sink.event(&Event::Lost(Lost { time_ns: now_ns(), place, count }))?;
            }
        }
        Ok(())
    }

    fn notice(&mut self, text: String) -> io::Result<()> {
        self.sink.event(&Event::Notice(Notice { time_ns: now_ns(), text }))
    }

    fn finish(&mut self, prober: &mut Prober, arguments: &ProbeArguments) -> Result<(), Failure> {
        let totals = prober.stop();
        self.records(prober, Duration::ZERO)?;
        while self.read > 0 {
            self.records(prober, Duration::ZERO)?;
        }
        let mut rows = 0;
        if let Some(name) = &arguments.hist {
            let histogram = self.events.histogram(name.clone(), prober.buckets());
            self.sink.event(&Event::ProbeHistogram(histogram))?;
        } else if !arguments.count_by.is_empty() {
            for count in self.events.counts(prober.rows()?) {
                self.sink.event(&Event::ProbeCount(count))?;
                rows += 1;
            }
        }
        if totals.unread_values > 0 {
            self.notice(format!(
                "{} events are not in the histogram: the kernel could not read the field",
                totals.unread_values
            ))?;
        }
        self.lost(totals)?;
        self.sink.finish()?;
        let lost = totals.ring + totals.skipped + totals.uncounted + totals.calls;
        let told = if arguments.hist.is_some() || rows > 0 { totals.events } else { self.shown };
        let events = if told == 1 { "event" } else { "events" };
        say(format_args!("{told} {events}, {lost} lost"));
        Ok(())
    }
}
