//! Events on their way to the sinks.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Stdout};
use std::time::{Duration, Instant};

use nfscope_collect::drop::{DropRecord, Losses};
use nfscope_collect::legacy::ChangeCount;
use nfscope_event::{Cause, Drop, Event, LossPlace, Lost, Notice};

use super::is_drop;
use super::settings::Settings;
use crate::backend::Started;
use crate::cli::{CauseChoice, HookChoice};
use crate::commands::selection;
use crate::resolve::{Answer, DropResolver, Rules, SourceLines};
use crate::sinks::{Clock, Json, Sink, Summary, Text, TextOptions};

/// Events that wait for a rule's text at most; beyond, the oldest goes without.
const MAX_WAITING: usize = 65_536;
/// How long one event waits; then it goes without.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the texts of the last events are waited for.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// An event whose rule's text is still being read.
struct Waiting {
    drop: Box<Drop>,
    record: DropRecord,
    since: Instant,
}

/// Resolves, filters by hook and cause, counts, and hands on to the sinks.
pub struct Stream<'a> {
    resolver: DropResolver,
    source: Option<SourceLines<'a>>,
    rules: Rules,
    /// In order: an event behind one that waits waits too.
    waiting: VecDeque<Waiting>,
    sinks: Vec<Box<dyn Sink>>,
    hooks: Vec<HookChoice>,
    causes: Vec<CauseChoice>,
    limit: Option<u64>,
    shown: u64,
    losses: Losses,
}

impl<'a> Stream<'a> {
    /// Sinks as the settings say.
    pub fn new(
        settings: &Settings,
        resolver: DropResolver,
        source: Option<SourceLines<'a>>,
        rules: Rules,
        terminal: bool,
    ) -> Self {
        let own = nfscope_ruleset::netns::Handle::current().ok().map(|h| h.inode());
        let out = || -> BufWriter<Stdout> { BufWriter::new(io::stdout()) };
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if settings.json {
            sinks.push(Box::new(Json::new(out())));
        } else {
            sinks.push(Box::new(Text::new(
                out(),
                TextOptions {
                    color: selection::colored(settings.color, terminal),
                    verbose: settings.verbose,
                    own_netns: own,
                    clock: Clock::local(),
                },
            )));
        }
        let closing = BufWriter::new(io::stderr());
        sinks.push(Box::new(Summary::new(closing, settings.summary, own, Clock::local())));
        Self {
            resolver,
            source,
            rules,
            waiting: VecDeque::new(),
            sinks,
            hooks: settings.hooks.clone(),
            causes: settings.causes.clone(),
            limit: settings.count,
            shown: 0,
            losses: Losses::default(),
        }
    }

    /// Whether `-c` is reached.
    pub fn complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    /// Shows records as events, each as soon as its rule's text is there.
    pub fn records(&mut self, records: Vec<DropRecord>) -> io::Result<()> {
        self.resolver.learn(&records);
        for record in records {
            let mut drop = Box::new(self.resolver.event(&record));
            if let Some(lines) = &mut self.source {
                drop.stack_source = self.resolver.source(&record, lines);
            }
            self.waiting.push_back(Waiting { drop, record, since: Instant::now() });
        }
        self.advance(false)
    }

    /// Shows what has become complete; `last`: everything, as it is.
    fn advance(&mut self, last: bool) -> io::Result<()> {
        let source = self.source.as_mut().map(SourceLines::notices).unwrap_or_default();
        for text in self.rules.notices().into_iter().chain(source) {
            self.notice(text)?;
        }
        while let Some(mut waiting) = self.waiting.pop_front() {
            let now =
                last || self.waiting.len() >= MAX_WAITING || waiting.since.elapsed() > PATIENCE;
            let Waiting { drop, record, .. } = &mut waiting;
            if self.rules.complete(drop, record, now) == Answer::Pending {
                self.waiting.push_front(waiting);
                break;
            }
            let drop = waiting.drop;
            if !self.complete() && self.wanted(&drop.cause) {
                self.emit(&Event::Drop(drop))?;
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

    fn wanted(&self, cause: &Cause) -> bool {
        let kind = match cause {
            Cause::NftRule(_) => CauseChoice::Nft,
            Cause::XtRule(_) => CauseChoice::Legacy,
            Cause::NftPolicy(_) | Cause::XtPolicy(_) => CauseChoice::Policy,
            Cause::Kernel(_) | Cause::Freed(_) => CauseChoice::Kernel,
        };
        (self.causes.is_empty() || self.causes.contains(&kind)) && self.hook_wanted(cause)
    }

    fn hook_wanted(&self, cause: &Cause) -> bool {
        let hook = match cause {
            Cause::NftRule(rule) => &rule.place.hook,
            Cause::NftPolicy(policy) => &policy.place.hook,
            Cause::XtRule(rule) => &rule.place.hook,
            Cause::XtPolicy(policy) => &policy.place.hook,
            Cause::Kernel(_) | Cause::Freed(_) => return self.hooks.is_empty(),
        };
        let name = hook.as_deref();
        self.hooks.is_empty() || self.hooks.iter().any(|h| Some(h.as_str()) == name)
    }

    /// Another backend goes on; its losses count from zero.
    pub fn renewed(&mut self, started: &mut Started, why: &str) -> io::Result<()> {
        self.losses = Losses::default();
        self.resolver.set_backend(started.backend(), started.drop_sites());
        self.notice(format!("{why}; from here on {}", started.describe()))?;
        started.notices.drain(..).try_for_each(|text| self.notice(text))
    }

    /// From here on rules of x_tables are recorded.
    pub fn follow_legacy(&mut self, count: ChangeCount) {
        self.rules.follow_legacy(count);
    }

    /// Shows what was lost since the last call.
    pub fn losses(&mut self, now: Losses) -> io::Result<()> {
        self.resolver.set_clock();
        let before = std::mem::replace(&mut self.losses, now);
        let time_ns = self.resolver.now_ns();
        for (place, count) in [
            (LossPlace::Ring, now.ring.saturating_sub(before.ring)),
            (LossPlace::Nested, now.nested.saturating_sub(before.nested)),
            (LossPlace::Attribution, now.attribution.saturating_sub(before.attribution)),
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
        self.shown += u64::from(is_drop(event));
        self.sinks.iter_mut().try_for_each(|sink| sink.event(event))
    }

    /// Hands everything to the reader.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.flush())
    }

    /// Closing lines.
    pub fn finish(&mut self) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.finish())
    }
}
