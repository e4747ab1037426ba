//! `nfscope changes`: who changes the firewall, and what that changes.

use std::io::{self, BufWriter, IsTerminal};
use std::time::{Duration, Instant};

use nfscope_collect::changes::{ChangeCollector, ChangeLosses};
use nfscope_event::{ChangeAction, Event, LossPlace, Lost, Notice};
use nfscope_kernel::btf::Btf;
use nfscope_ruleset::netns;

use crate::cli::ChangesArguments;
use crate::commands::{Failure, say, selection};
use crate::lockdown::Lockdown;
use crate::machine;
use crate::resolve::{ChangeRequests, now_ns};
use crate::signals::Signals;
use crate::sinks::{ChangesText, Clock, Json, Sink, TextOptions};

/// How long to wait for records before looking at everything else.
const TICK: Duration = Duration::from_millis(50);
/// How long rulesets and tables may take to be read before it starts.
const START: Duration = Duration::from_secs(60);
/// How long what is on its way may take at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// Runs until Ctrl-C, `-c` or `--duration`.
pub fn run(arguments: &ChangesArguments) -> Result<(), Failure> {
    machine::check_privileges()?;
    Lockdown::check()?;
    machine::drop_privileges()?;
    let only = arguments.netns.as_deref().map(selection::find_netns).transpose()?;
    let btf = Btf::vmlinux()?;
    let built_in = btf.kernel().func_params("nft_do_chain").is_some();
    let has_nf_tables = nfscope_ruleset::nf_tables_loaded() || built_in;
    let mut collector = ChangeCollector::start(arguments.reads, &btf)
        .map_err(|error| machine::not_started(error, &btf))?;
    drop(btf);
    let signals = Signals::install()?;
    let requests = ChangeRequests::start(only, arguments.numeric, has_nf_tables)?;
    let mut stream = Stream::new(arguments, requests);
    stream.refused(collector.refused())?;
    if !collector.knows_itself() {
        stream.notice("what nfscope itself asks of the kernel is told, too".into())?;
    }

    let begin = Instant::now();
    while !stream.requests.ready(!has_nf_tables) && !signals.raised() && begin.elapsed() < START {
        stream.round(&mut collector)?;
    }
    if !has_nf_tables {
        stream.notice("nf_tables is not loaded: transactions are told from when it is".into())?;
    }
    stream.sink.flush()?;
    say("nfscope: watching who changes firewalls; Ctrl-C ends");
    let begin = Instant::now();
    loop {
        stream.round(&mut collector)?;
        let late = arguments.duration.is_some_and(|d| begin.elapsed() >= d);
        if signals.raised() || late || stream.complete() {
            break;
        }
    }
    stream.requests.stop();
    let deadline = Instant::now() + LAST_PATIENCE;
    while stream.requests.waits() && !stream.complete() && Instant::now() < deadline {
        stream.round(&mut collector)?;
    }
    stream.finish(&mut collector)
}

/// What is not told where the kernel lets nobody probe this function.
pub(super) fn without(function: &str) -> String {
    let lacks = match function {
        "netlink_unicast" => {
            "processes of nftables' transactions are told by pid and name only, ipset and \
             conntrack not at all"
        }
        "nf_setsockopt" => "changes by iptables-legacy are not told",
        "nf_getsockopt" => "reads by iptables-legacy are not told",
        _ => "sysctls are not told",
    };
    format!("the kernel lets nobody probe {function}: {lacks}")
}

/// Changes on their way to the sink.
struct Stream {
    requests: ChangeRequests,
    sink: Box<dyn Sink>,
    /// Whether requests that only read are told, and those that text leaves out.
    reads: bool,
    all: bool,
    limit: Option<u64>,
    shown: u64,
    losses: ChangeLosses,
}

impl Stream {
    fn new(a: &ChangesArguments, requests: ChangeRequests) -> Self {
        let out = BufWriter::new(io::stdout());
        let sink: Box<dyn Sink> = if a.json {
            Box::new(Json::new(out))
        } else {
            let color = selection::colored(a.color, io::stdout().is_terminal());
            let own_netns = netns::Handle::current().ok().map(|h| h.inode());
            let clock = Clock::local();
            let options = TextOptions { color, verbose: a.verbose, own_netns, clock };
            Box::new(ChangesText::new(out, options))
        };
        let (reads, all) = (a.reads, a.json || a.verbose);
        let losses = ChangeLosses::default();
        Self { requests, sink, reads, all, limit: a.count, shown: 0, losses }
    }

    /// Says what cannot be seen here.
    fn refused(&mut self, functions: &[&str]) -> io::Result<()> {
        functions.iter().try_for_each(|function| self.notice(without(function)))?;
        if self.requests.nft_missing() {
            self.notice(
                "no nft program was found: rules are told by table, chain and handle only; \
                 install nftables to see their text"
                    .into(),
            )?;
        }
        Ok(())
    }

    /// Takes what has come, and tells it.
    fn round(&mut self, collector: &mut ChangeCollector) -> anyhow::Result<()> {
        self.requests.learn();
        for record in collector.poll(TICK)? {
            let events = self.requests.take(record);
            self.tell(events)?;
        }
        let events = self.requests.events(false);
        self.tell(events)?;
        self.lost(collector.losses())?;
        Ok(self.sink.flush()?)
    }

    fn tell(&mut self, events: Vec<Event>) -> io::Result<()> {
        for event in events {
            if let Event::Change(change) = &event {
                // a send of very many messages may turn out to read
                let unasked = matches!(change.action, ChangeAction::Read(_)) && !self.reads;
                if unasked || (!self.all && ChangesText::<io::Stdout>::leaves_out(change)) {
                    continue;
                }
                if self.complete() {
                    return Ok(());
                }
                self.shown += 1;
            }
            self.sink.event(&event)?;
        }
        Ok(())
    }

    fn lost(&mut self, now: ChangeLosses) -> io::Result<()> {
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

    fn notice(&mut self, text: String) -> io::Result<()> {
        self.sink.event(&Event::Notice(Notice { time_ns: now_ns(), text }))
    }

    /// Whether `-c` is reached.
    fn complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    fn finish(&mut self, collector: &mut ChangeCollector) -> Result<(), Failure> {
        self.round(collector)?;
        let events = self.requests.events(true);
        self.tell(events)?;
        self.sink.finish()?;
        Ok(())
    }
}
