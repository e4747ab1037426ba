//! `nfscope trace`: a packet's whole way through nftables.

mod stream;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use nfscope_collect::trace::TraceOptions;

use crate::cli::TraceArguments;
use crate::commands::{Failure, selection};
use crate::machine::{self, Machine};
use crate::resolve::{ReasonNames, Rules, TraceResolver};
use crate::signals::Signals;
use crate::trace_backend;

use stream::Stream;

/// How long to wait for records before looking at the clock and the signals.
const TICK: Duration = Duration::from_millis(50);
/// The same while texts are being read.
const SHORT_TICK: Duration = Duration::from_millis(5);

/// Runs until Ctrl-C, `-c` or `--duration`.
pub fn run(arguments: &TraceArguments) -> Result<(), Failure> {
    // wrong words come before missing rights
    let filter = selection::filter(&arguments.expression)?;
    machine::check_privileges()?;
    machine::drop_privileges()?;
    let machine = Machine::read()?;
    let reasons = ReasonNames::read(&machine.btf, machine.has_reason);
    let netns = arguments.netns.as_deref().map(selection::find_netns).transpose()?;
    let options = TraceOptions {
        filter,
        netns,
        device: arguments.interface.clone(),
        misses: arguments.misses(),
        follow: !arguments.no_follow,
        has_reason: machine.has_reason,
        has_place: machine.has_place,
        snap_bytes: arguments.snaplen,
        ring_bytes: arguments.ring_size,
    };
    let mut started = trace_backend::start(&options, arguments.backend, &machine)?;
    drop(machine);

    let notices = std::mem::take(&mut started.notices);
    let signals = Signals::install()?;
    let resolver =
        TraceResolver::new(reasons, started.backend(), arguments.numeric, arguments.expr);
    // packets are followed into other namespaces
    let only = netns.filter(|_| arguments.no_follow);
    let rules = Rules::new(only, arguments.numeric, true);
    let mut stream = Stream::new(arguments, resolver, rules, std::io::stdout().is_terminal());
    for notice in notices {
        stream.notice(notice)?;
    }
    eprintln!("nfscope: watching packets, {}; Ctrl-C ends", started.describe());

    let begin = Instant::now();
    let mut round = begin;
    loop {
        stream.records(&started.poll(if stream.waits() { SHORT_TICK } else { TICK })?)?;
        // before packets are shown that may lack what was lost
        if round.elapsed() >= TICK || signals.raised() {
            round = Instant::now();
            stream.losses(started.losses()?)?;
        }
        stream.flush()?;
        let late = arguments.duration.is_some_and(|d| begin.elapsed() >= d);
        if signals.raised() || late || stream.complete() {
            break;
        }
    }
    // what was on its way when the end came: no more than that, while packets
    // keep coming
    let end = nfscope_ruleset::monotonic_ns();
    loop {
        let records = started.poll(Duration::ZERO)?;
        stream.records(&records)?;
        if records.last().is_none_or(|last| last.head.monotonic_ns >= end) {
            break;
        }
    }
    stream.losses(started.losses()?)?;
    stream.settle()?;
    stream.finish()?;
    Ok(())
}
