//! `nfscope drops`: every dropped packet and what dropped it.

mod settings;
mod stream;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use nfscope_event::{Backend, Event};
use nfscope_symbols::Store;

use crate::backend;
use crate::cli::DropsArguments;
use crate::commands::{Failure, say, selection};
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
use crate::resolve::{DropResolver, ReasonNames, Rules, SourceLines};
use crate::signals::Signals;

use settings::Settings;
use stream::Stream;

/// How long to wait for records before looking at the clock and the signals.
const TICK: Duration = Duration::from_millis(100);
/// How often the loss counters are read and late modules looked for.
const ROUND: Duration = Duration::from_millis(500);

/// Runs until Ctrl-C, `-c` or `--duration`.
pub fn run(arguments: &DropsArguments) -> Result<(), Failure> {
    // wrong words come before missing rights
    let filter = selection::filter(&arguments.expression)?;
    machine::check_privileges()?;
    Lockdown::check()?;
    machine::drop_privileges()?;
    let machine = Machine::read()?;
    let reasons = ReasonNames::read(&machine.btf, machine.has_reason);
    let settings = Settings::new(arguments, filter, &reasons, machine.has_reason)?;
    let store = Store::new();
    let source = arguments.source.then(|| SourceLines::open(&store)).transpose()?;
    let mut started = backend::start(&settings.request, &machine, &reasons)?;
    let has_nf_tables = machine.has_nf_tables;
    drop(machine);

    let signals = Signals::install()?;
    let resolver =
        DropResolver::new(reasons, started.backend(), started.drop_sites(), settings.numeric);
    let rules = Rules::new(settings.request.options.netns, settings.numeric, has_nf_tables);
    let terminal = std::io::stdout().is_terminal();
    let mut stream = Stream::new(&settings, resolver, source, rules, terminal);
    for notice in started.notices.drain(..) {
        stream.notice(notice)?;
    }

    if settings.wants_rules_alone() && started.backend() == Backend::Tracepoint {
        stream.notice("rules are not named here, so --cause shows no drop by rules".into())?;
    }

    if let Some(count) = started.legacy.new_count() {
        stream.follow_legacy(count);
    }
    stream.flush()?;
    say(format_args!("nfscope: watching drops, {}; Ctrl-C ends", started.describe()));
    let begin = Instant::now();
    let (mut round, mut ended) = (begin, false);
    loop {
        let records = started.poll(TICK, false)?;
        stream.records(records)?;
        if round.elapsed() >= ROUND || signals.raised() {
            round = Instant::now();
            started.attach_late()?.into_iter().try_for_each(|text| stream.notice(text))?;
            if let Some(count) = started.legacy.new_count() {
                stream.follow_legacy(count);
            }
            stream.losses(started.losses()?)?;
            if started.trace_ended() && !ended {
                ended = true;
                stream.notice("the netlink trace has ended: rules are no longer named".into())?;
            }
            if started.frame_moved() {
                let found = started.find_frame_again(&Machine::read()?);
                let outcome =
                    found.map_or_else(|e| e.to_string(), |()| "it was found again".into());
                stream.notice(format!(
                    "other programs on the drop tracepoint came or went, which moves nft_do_chain's stack frame: {outcome}"
                ))?;
            }
            if let Some(why) = started.outdated() {
                match started.renew(&settings.request, &Machine::read()?) {
                    Ok((records, losses)) => {
                        stream.records(records)?;
                        stream.losses(losses)?;
                        stream.renewed(&mut started, why)?;
                    }
                    Err(e) => stream.notice(format!("{why}, but {e}"))?,
                }
            }
        }
        stream.flush()?;
        let late = settings.duration.is_some_and(|d| begin.elapsed() >= d);
        if signals.raised() || late || stream.complete() {
            break;
        }
    }
    // what was on its way when the end came
    if !stream.complete() {
        let end = nfscope_ruleset::monotonic_ns();
        loop {
            let records = started.poll(Duration::ZERO, true)?;
            let read_all = records.last().is_none_or(|last| last.monotonic_ns >= end);
            stream.records(records)?;
            if read_all {
                break;
            }
        }
    }
    stream.losses(started.losses()?)?;
    stream.settle()?;
    stream.finish()?;
    Ok(())
}

/// Whether an event is a drop.
fn is_drop(event: &Event) -> bool {
    matches!(event, Event::Drop(_))
}
