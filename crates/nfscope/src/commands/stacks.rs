//! `nfscope stacks`: with which stacks the kernel comes to a place.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use nfscope_collect::stacks::{By, Counting, StackOptions, Totals};
use nfscope_event::{Event, LossPlace, Lost, Notice, StackCount};
use nfscope_kernel::btf::Btf;
use nfscope_symbols::Store;

use crate::cli::{ByChoice, StacksArguments, TreeRoot};
use crate::commands::{Failure, say, selection};
use crate::lockdown::Lockdown;
use crate::machine;
use crate::resolve::{ReasonNames, SourceLines, StackResolver, UserMaps};
use crate::signals::Signals;
use crate::sinks::stacks::{Root, flamegraph, folded, text, tree};
use crate::sinks::{Json, Sink, loss_text};
use crate::targets::{self, Found, Wanted};

/// How often to look at the counters, the clock and the signals.
const TICK: Duration = Duration::from_millis(20);
/// How often to look at the processes whose stacks are kept.
const LOOK: Duration = Duration::from_millis(100);

/// Runs until Ctrl-C, `-c` or `--duration`, then prints.
pub fn run(arguments: &StacksArguments) -> Result<(), Failure> {
    machine::check_privileges()?;
    Lockdown::check()?;
    machine::drop_privileges()?;
    let btf = Btf::vmlinux()?;
    let chosen = |what| arguments.by.contains(&what);
    let by = By {
        reason: chosen(ByChoice::Reason),
        process: chosen(ByChoice::Process),
        cpu: chosen(ByChoice::Cpu),
        netns: chosen(ByChoice::Netns),
        user: arguments.user,
    };
    let found = targets::find(&arguments.words, &btf, |words| Wanted {
        skb: words < arguments.words.len() || by.netns,
        reason: by.reason,
    })?;
    let filter = selection::filter(&arguments.words[found.words..])?;
    let mut picture = arguments.flamegraph.as_deref().map(open).transpose()?;
    let options = StackOptions {
        targets: found.targets.clone(),
        filter,
        by,
        limit: arguments.count,
        max_stacks: arguments.max_stacks,
    };
    let store = Store::new();
    let mut lines = arguments.source.then(|| SourceLines::open(&store)).transpose()?;
    let signals = Signals::install()?;
    let counting =
        Counting::start(&options, &btf).map_err(|error| machine::not_started(error, &btf))?;
    let resolver = StackResolver {
        by,
        reasons: ReasonNames::read(&btf, true),
        depth: counting.depth(),
        numeric: arguments.numeric,
    };
    drop(btf);
    let mut aside = Aside { json: arguments.json };
    for notice in notices(&found, &counting, by) {
        aside.notice(notice)?;
    }
    let places = match options.targets.len() - counting.refused() {
        1 => "1 place".to_owned(),
        several => format!("{several} places"),
    };
    say(format_args!("nfscope: watching {places}; Ctrl-C ends and prints"));

    let begin = Instant::now();
    let (mut users, mut looked) = (UserMaps::default(), begin);
    loop {
        std::thread::sleep(TICK);
        let late = arguments.duration.is_some_and(|d| begin.elapsed() >= d);
        let full = arguments
            .count
            .is_some_and(|limit| counting.totals().is_ok_and(|totals| totals.events >= limit));
        let ends = late || full || signals.raised();
        if by.user && (ends || looked.elapsed() >= LOOK) {
            looked = Instant::now();
            users.learn(&counting.processes()?);
        }
        if ends {
            break;
        }
    }
    let counts = counting.finish()?;
    let stacks = resolver.counts(counts.rows, &mut users, lines.as_mut());
    for notice in lines.map(|mut lines| lines.notices()).unwrap_or_default() {
        aside.notice(notice)?;
    }
    print(arguments, &stacks, by, picture.as_mut())?;
    aside.losses(&counts.totals)?;
    summary(&counts.totals, stacks.len());
    Ok(())
}

/// Opens a file without changing what is in it: there may be nothing to write.
fn open(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    file.map_err(|e| Failure::Usage(format!("--flamegraph {}: {e}", path.display())))
}

fn notices(found: &Found, counting: &Counting, by: By) -> Vec<String> {
    let mut out = Vec::new();
    if found.beyond > 0 {
        out.push(format!(
            "{} functions of patterns are left out: this kernel takes a kprobe for each \
             (kprobe-multi came with 5.18); choose fewer",
            found.beyond
        ));
    }
    if found.without > 0 {
        out.push(format!("{} places of patterns are left out: no packet is there", found.without));
    }
    if counting.refused() > 0 {
        out.push(format!(
            "{} functions of patterns are left out: the kernel lets nobody probe them",
            counting.refused()
        ));
    }
    if (by.process || by.user) && !counting.context_known() {
        out.push(
            "this kernel does not tell whether it works for a process: none is named, and no \
             user stacks are kept"
                .into(),
        );
    }
    out
}

fn print(
    arguments: &StacksArguments,
    stacks: &[StackCount],
    by: By,
    picture: Option<&mut File>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    if let Some(file) = picture {
        if stacks.is_empty() {
            say("nfscope: nothing was counted: no flame graph is drawn");
            return Ok(());
        }
        file.set_len(0)?;
        let mut file = BufWriter::new(file);
        flamegraph(&mut file, stacks, by.reason, &arguments.words.join(" "))?;
        file.flush()?;
    } else if arguments.json {
        let mut json = Json::new(&mut out);
        let mut sorted: Vec<&StackCount> = stacks.iter().collect();
        sorted.sort_by_key(|s| s.count);
        for stack in sorted {
            json.event(&Event::Stack(Box::new(stack.clone())))?;
        }
        json.finish()?;
    } else if arguments.folded {
        folded(&mut out, stacks, by.reason)?;
    } else if let Some(root) = arguments.tree {
        let root = match root {
            TreeRoot::Callers => Root::Callers,
            TreeRoot::Callees => Root::Callees,
        };
        tree(&mut out, stacks, by.reason, root)?;
    } else {
        text(&mut out, stacks, by.reason)?;
    }
    Ok(out.flush()?)
}

/// What is said beside the stacks: to people on standard error, to programs
/// among the events.
struct Aside {
    json: bool,
}

impl Aside {
    fn notice(&mut self, text: String) -> io::Result<()> {
        let time_ns = crate::resolve::now_ns();
        self.say(&Event::Notice(Notice { time_ns, text: text.clone() }), &text)
    }

    fn losses(&mut self, totals: &Totals) -> io::Result<()> {
        for (place, count) in [
            (LossPlace::Counts, totals.uncounted),
            (LossPlace::Stacks, totals.unkept),
            (LossPlace::Nested, totals.skipped),
        ] {
            if count > 0 {
                let lost = Lost { time_ns: crate::resolve::now_ns(), place, count };
                let text = loss_text(&lost);
                self.say(&Event::Lost(lost), &text)?;
            }
        }
        Ok(())
    }

    fn say(&mut self, event: &Event, text: &str) -> io::Result<()> {
        if !self.json {
            say(format_args!("-- {text}"));
            return Ok(());
        }
        let mut json = Json::new(io::stdout());
        json.event(event)?;
        json.finish()
    }
}

fn summary(totals: &Totals, stacks: usize) {
    let counted = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    say(format_args!(
        "{}, {}, {} lost",
        counted(totals.events - totals.uncounted, "event"),
        counted(stacks as u64, "stack"),
        totals.uncounted + totals.skipped
    ));
}
