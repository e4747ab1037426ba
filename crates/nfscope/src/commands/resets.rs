//! `nfscope resets`: every TCP reset, and why it is there.

mod stream;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nfscope_collect::nft::{evals, nft_offsets};
use nfscope_collect::resets::{
    EvalValues, LoadedModules, NetfilterPlaces, ResetCollector, ResetOptions,
};
use nfscope_kernel::btf::Btf;
use nfscope_symbols::Store;

use crate::cli::ResetsArguments;
use crate::commands::{Failure, say, selection};
use crate::legacy::LegacyRules;
use crate::lockdown::Lockdown;
use crate::machine::{self, Machine};
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
    let mut collector = ResetCollector::start(&options, &machine.btf)
        .map_err(|error| machine::not_started(error, &machine.btf))?;
    let resolver = ResetResolver::new(&machine.btf, arguments.numeric, arguments.stack);
    let rules = Rules::new(options.netns, arguments.numeric, machine.has_nf_tables);
    let terminal = std::io::stdout().is_terminal();
    let mut stream = Stream::new(arguments, resolver, source, rules, terminal);
    let mut loaded = NetfilterPlaces::loaded();
    let mut notices = notices(&collector);
    notices.extend(attach(&mut collector, &loaded, &machine));
    let mut legacy = LegacyRules::default();
    notices.extend(advance(&mut legacy, &mut collector, &mut stream));
    drop(machine);

    let signals = Signals::install()?;
    notices.drain(..).try_for_each(|text| stream.notice(text))?;
    stream.flush()?;
    say("nfscope: watching resets; Ctrl-C ends");
    let begin = Instant::now();
    let mut round = begin;
    loop {
        stream.records(collector.poll(TICK)?)?;
        if round.elapsed() >= ROUND || signals.raised() {
            round = Instant::now();
            let now = NetfilterPlaces::loaded();
            if now != loaded {
                loaded = now;
                let notices = attach(&mut collector, &loaded, &Machine::read()?);
                notices.into_iter().try_for_each(|text| stream.notice(text))?;
            }
            let notices = advance(&mut legacy, &mut collector, &mut stream);
            notices.into_iter().try_for_each(|text| stream.notice(text))?;
            stream.losses(collector.losses())?;
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
        let records = collector.poll(Duration::ZERO)?;
        let read_all = records.last().is_none_or(|last| last.monotonic_ns >= end);
        stream.records(records)?;
        if read_all {
            break;
        }
    }
    stream.losses(collector.losses())?;
    stream.settle()?;
    stream.finish()?;
    Ok(())
}

/// Attaches to tables of x_tables that have come; sentences about what does not work.
fn advance(
    legacy: &mut LegacyRules,
    collector: &mut ResetCollector,
    stream: &mut Stream<'_>,
) -> Vec<String> {
    let notices = legacy.advance(collector, &());
    if let Some(count) = legacy.new_count() {
        stream.follow_legacy(count);
    }
    notices
}

fn notices(collector: &ResetCollector) -> Vec<String> {
    let mut out: Vec<String> =
        collector.absent().iter().map(|function| not_probed(function)).collect();
    if !collector.context_known() {
        out.push("this kernel does not tell whether it works for a process: none is named".into());
    }
    out
}

fn not_probed(function: &str) -> String {
    format!("this kernel does not let {function} be probed: what passes there is not seen")
}

/// Attaches to what there is of netfilter; sentences about what does not work.
fn attach(
    collector: &mut ResetCollector,
    loaded: &LoadedModules,
    machine: &Machine,
) -> Vec<String> {
    let kernel = Arc::new(machine.btf.kernel().clone());
    let types = |module: &str| Btf::module(module, Arc::clone(&kernel)).ok();
    let mut places = NetfilterPlaces::new(loaded, types);
    let mut notices: Vec<String> = places.absent().iter().map(|f| not_probed(f)).collect();
    if places.has_expressions() {
        match rules(machine) {
            Ok(eval) => {
                if let Ok(layout) = &machine.layout {
                    places = places.with_rules(nft_offsets(layout, &machine.btf), eval);
                }
            }
            Err(why) => {
                notices.push(format!(
                    "rules that reject are not named, and those of bridges not seen: {why}"
                ));
            }
        }
    }
    if let Err(e) = collector.attach_netfilter(&places, &machine.btf) {
        notices.push(format!("resets by netfilter are not seen: {e}"));
    }
    notices
}

/// Where a rule is when one of its expressions runs.
fn rules(machine: &Machine) -> Result<EvalValues, String> {
    let layout = machine.layout.as_ref().map_err(Clone::clone)?;
    let located = machine.locate(layout)?;
    let (values, _) = evals(&located.points)
        .ok_or("where the rule is was not found in nf_tables' machine code")?;
    Ok(EvalValues { rule: values.rule, chain: values.chain })
}
