//! `nfscope trace`: a packet's whole way through nftables and iptables-legacy.

mod stream;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use nfscope_collect::trace::TraceOptions;
use nfscope_event::Backend;

use crate::backend::Leftover;
use crate::cli::TraceArguments;
use crate::commands::{Failure, say, selection};
use crate::functions::FunctionSet;
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
use crate::resolve::{ConnectionIds, ReasonNames, Rules, Shows, TraceResolver};
use crate::signals::Signals;
use crate::trace_backend::{self, TraceRequest};

use stream::Stream;

/// How long to wait for records before looking at the clock and the signals.
const TICK: Duration = Duration::from_millis(50);
/// The same while texts are being read.
const SHORT_TICK: Duration = Duration::from_millis(5);

/// How often it is looked whether legacy tables have come or gone.
const ROUND: Duration = Duration::from_millis(500);

/// How long messages that were on their way at the end may take.
const LAST_PATIENCE: Duration = Duration::from_secs(45);

/// Runs until Ctrl-C, `-c` or `--duration`.
pub fn run(arguments: &TraceArguments) -> Result<(), Failure> {
    // wrong words come before missing rights
    let filter = selection::filter(&arguments.expression)?;
    machine::check_privileges()?;
    Lockdown::check()?;
    machine::drop_privileges()?;
    let machine = Machine::read()?;
    let reasons = ReasonNames::read(&machine.btf, machine.has_reason);
    let netns = arguments.netns.as_deref().map(selection::find_netns).transpose()?;
    let functions = functions(arguments, &machine)?;
    let options = TraceOptions {
        filter,
        netns,
        pid: arguments.pid,
        device: arguments.interface.clone(),
        misses: arguments.misses(),
        follow: !arguments.no_follow,
        has_reason: machine.has_reason,
        has_place: machine.has_place,
        snap_bytes: arguments.snaplen,
        ring_bytes: arguments.ring_size,
        functions: functions.functions.clone(),
    };
    let leftover = match arguments.allow_leftover_table {
        true => Leftover::Accepted,
        false => Leftover::Refused,
    };
    let request = TraceRequest {
        options: &options,
        backend: arguments.backend,
        ruleset_change: arguments.allow_ruleset_change.then_some(leftover),
    };
    let signals = Signals::install()?;
    let mut started = trace_backend::start(&request, &machine)?;
    let ctnetlink = machine.btf.kernel().func_params("ctnetlink_get_conntrack").is_some();
    let has_nf_tables = machine.has_nf_tables;
    drop(machine);

    let mut notices = std::mem::take(&mut started.notices);
    notices.extend(functions.notice());
    if arguments.verbose {
        notices.extend(functions.left_out(started.refused_functions()));
    }
    let misses = arguments.misses().is_some();
    let shows = Shows { expr: arguments.expr, misses, why: arguments.why };
    let (backend, names) = (started.backend(), functions.names);
    let resolver = TraceResolver::new(reasons, backend, names, arguments.numeric, shows);
    // packets are followed into other namespaces
    let only = netns.filter(|_| arguments.no_follow);
    let rules = Rules::new(only, arguments.numeric, has_nf_tables);
    let ids = ConnectionIds::new(arguments.json || arguments.verbose, ctnetlink);
    let terminal = std::io::stdout().is_terminal();
    let mut stream = Stream::new(arguments, resolver, rules, ids, terminal);
    for notice in notices {
        stream.notice(notice)?;
    }
    stream.follow_legacy(started.new_count());
    let told = match functions.functions.list.len() {
        0 => String::new(),
        count => format!(", {} functions", count - started.refused_functions()),
    };
    stream.flush()?;
    say(format_args!("nfscope: watching packets, {}{told}; Ctrl-C ends", started.describe()));

    let begin = Instant::now();
    let (mut round, mut looked) = (begin, begin);
    loop {
        stream.records(&started.poll(if stream.waits() { SHORT_TICK } else { TICK })?)?;
        // before packets are shown that may lack what was lost; to count is a
        // system call for each attachment
        let due = if stream.is_silent() { ROUND } else { TICK };
        if round.elapsed() >= due || signals.raised() {
            round = Instant::now();
            stream.losses(started.losses()?)?;
        }
        if looked.elapsed() >= ROUND {
            looked = Instant::now();
            started.advance().into_iter().try_for_each(|text| stream.notice(text))?;
            stream.follow_legacy(started.new_count());
        }
        stream.flush()?;
        let late = arguments.duration.is_some_and(|d| begin.elapsed() >= d);
        if signals.raised() || late || stream.complete() {
            break;
        }
    }
    // what was on its way when the end came: no more than that, while packets
    // keep coming
    let (end, stopped) = (nfscope_ruleset::monotonic_ns(), Instant::now());
    loop {
        let records = started.poll(Duration::ZERO)?;
        stream.records(&records)?;
        if records.last().is_none_or(|last| last.head.earliest_ns >= end) {
            break;
        }
        // records have their time, so that those from before come to an end
        if started.backend() == Backend::NetlinkTrace && stopped.elapsed() > LAST_PATIENCE {
            stream.notice("the last messages were not read: they come too fast".into())?;
            break;
        }
    }
    stream.losses(started.losses()?)?;
    stream.unfinished();
    stream.settle()?;
    stream.finish()?;
    Ok(())
}

/// The functions that `--functions` asks for.
fn functions(arguments: &TraceArguments, machine: &Machine) -> Result<FunctionSet, Failure> {
    if arguments.functions.is_empty() {
        return Ok(FunctionSet::default());
    }
    let set = FunctionSet::choose(&arguments.functions, &machine.btf)?;
    if set.functions.list.is_empty() {
        return Err(Failure::Usage(format!(
            "--functions={}: no kernel function that takes a packet fits; try --functions='tcp_*'",
            arguments.functions.join(",")
        )));
    }
    Ok(set)
}
