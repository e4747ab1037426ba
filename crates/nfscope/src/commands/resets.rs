//! `nfscope resets`: every TCP reset, and why it is there.

mod stream;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use nfscope_collect::resets::ResetOptions;
use nfscope_symbols::Store;

use crate::cli::ResetsArguments;
use crate::commands::{Failure, say, selection};
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
use crate::reset_backend::{self, StartedResets};
use crate::resolve::{ResetResolver, Rules, SourceLines};
use crate::signals::Signals;

use stream::Stream;

/// How long to wait for records before looking at the clock and the signals.
const TICK: Duration = Duration::from_millis(100);
/// How often the loss counters are read and new modules looked for.
const ROUND: Duration = Duration::from_millis(500);

/// Runs until Ctrl-C, `-c` or `--duration`.
pub fn run(arguments: &ResetsArguments) -> Result<(), Failure> {
    let filter = selection::filter(&arguments.expression)?;
    if filter.as_ref().is_some_and(|f| f.needs_link || f.wants_vlan_tag) {
        return Err(Failure::Usage(
            "the filter asks for link addresses or VLAN tags: a reset that is being made has none"
                .into(),
        ));
    }
    machine::check_privileges()?;
    Lockdown::check()?;
    machine::drop_privileges()?;
    let machine = Machine::read()?;
    let options = ResetOptions {
        filter,
        netns: arguments.netns.as_deref().map(selection::find_netns).transpose()?,
        device: arguments.interface.clone(),
        ring_bytes: arguments.ring_size,
    };
    let store = Store::new();
    let source = arguments.source.then(|| SourceLines::open(&store)).transpose()?;
    let mut started = reset_backend::start(&options, &machine)
        .map_err(|error| machine::not_started(error, &machine.btf))?;
    let resolver = ResetResolver::new(&machine.btf, arguments.numeric, arguments.stack);
    let rules = Rules::new(options.netns, arguments.numeric, machine.has_nf_tables);
    let terminal = std::io::stdout().is_terminal();
    let mut stream = Stream::new(arguments, resolver, source, rules, terminal);
    drop(machine);
    follow_legacy(&mut started, &mut stream);

    let signals = Signals::install()?;
    std::mem::take(&mut started.notices).into_iter().try_for_each(|text| stream.notice(text))?;
    stream.flush()?;
    say("nfscope: watching resets; Ctrl-C ends");
    let begin = Instant::now();
    let mut round = begin;
    loop {
        stream.records(started.collector.poll(TICK)?)?;
        if round.elapsed() >= ROUND || signals.raised() {
            round = Instant::now();
            started.advance()?.into_iter().try_for_each(|text| stream.notice(text))?;
            follow_legacy(&mut started, &mut stream);
            stream.losses(started.collector.losses())?;
        }
        stream.flush()?;
        let late = arguments.duration.is_some_and(|d| begin.elapsed() >= d);
        if signals.raised() || late || stream.complete() {
            break;
        }
    }
    // what was on its way when the end came
    let end = nfscope_ruleset::monotonic_ns();
    while !stream.complete() {
        let records = started.collector.poll(Duration::ZERO)?;
        let read_all = records.last().is_none_or(|last| last.monotonic_ns >= end);
        stream.records(records)?;
        if read_all {
            break;
        }
    }
    stream.losses(started.collector.losses())?;
    stream.settle()?;
    stream.finish()?;
    Ok(())
}

/// Tables of x_tables are read from when there are any.
fn follow_legacy(started: &mut StartedResets, stream: &mut Stream<'_>) {
    if let Some(count) = started.legacy.new_count() {
        stream.follow_legacy(count);
    }
}
