//! What each command will use here: by starting it, and letting it go.

use nfscope_collect::changes::ChangeCollector;
use nfscope_collect::drop::DropOptions;
use nfscope_collect::legacy::tables_loaded;
use nfscope_collect::resets::ResetOptions;
use nfscope_collect::stacks::{By, Counting, StackOptions};
use nfscope_collect::trace::TraceOptions;
use nfscope_event::Backend;
use nfscope_kernel::locate::ipt::Tables;

use crate::backend::{self, Request};
use crate::cli::BackendChoice;
use crate::commands::changes::without;
use crate::commands::{Failure, selection};
use crate::doctor::{Finding, Level};
use crate::legacy::ATTEMPTS;
use crate::machine::Machine;
use crate::targets::{self, Wanted};
use crate::trace_backend::{self, StartedTrace, TraceRequest};
use crate::{functions, reset_backend};

/// What one run of a command has its programs send through.
const RING_BYTES: u32 = 1 << 20;
/// Where most packets that are dropped pass.
const DROPS: &str = "skb:kfree_skb";

/// What `drops` asks for if nothing is chosen.
pub fn drops_request(machine: &Machine) -> Request {
    Request {
        options: DropOptions::everything(machine.has_reason),
        backend: BackendChoice::Auto,
        ruleset_change: None,
        without_frame: false,
    }
}

/// What `trace` asks for, with or without rules that do not match.
pub fn trace_options(machine: &Machine, misses: Option<bool>) -> TraceOptions {
    TraceOptions {
        filter: None,
        netns: None,
        pid: None,
        device: None,
        misses,
        follow: true,
        has_reason: machine.has_reason,
        has_place: machine.has_place,
        snap_bytes: 128,
        ring_bytes: RING_BYTES,
        functions: functions::FunctionSet::default().functions,
    }
}

/// What `resets` asks for.
pub fn reset_options() -> ResetOptions {
    ResetOptions { filter: None, netns: None, device: None, ring_bytes: RING_BYTES }
}

/// Starts counting stacks where packets of a filter are dropped.
pub fn count_drops(machine: &Machine, filter: &str) -> anyhow::Result<Counting> {
    let plain = |failure| match failure {
        Failure::Usage(text) => anyhow::anyhow!(text),
        Failure::Other(error) => error,
    };
    let wanted = |_| Wanted { skb: true, reason: false };
    let found = targets::find(&[DROPS.to_owned()], machine.btf.kernel(), wanted).map_err(plain)?;
    let filter = selection::filter(&[filter.to_owned()]).map_err(plain)?;
    let (targets, by) = (found.targets, By::default());
    let options = StackOptions { targets, filter, by, limit: None, max_stacks: 1024 };
    Ok(Counting::start(&options, machine.btf.kernel())?)
}

/// Starts all but `drops`, whose backends are tried one by one.
pub fn findings(machine: &Machine) -> Vec<Finding> {
    let mut all = trace(machine);
    all.push(resets(machine));
    all.push(changes(machine));
    all.push(match count_drops(machine, "udp") {
        Ok(_) => {
            Finding::new("stacks", Level::Ok, "counts in the kernel, at tracepoints and functions")
        }
        Err(error) => Finding::new("stacks", Level::Problem, error.to_string()),
    });
    all
}

/// Tries every backend that changes no ruleset, with its self-test.
pub fn drops(machine: &Machine) -> Vec<Finding> {
    let request = drops_request(machine);
    let mut all = Vec::new();
    let (mut used, mut refused) = (None, Vec::new());
    for choice in backend::order(&request) {
        let topic = match choice {
            BackendChoice::Frame => "frame",
            BackendChoice::Points => "points",
            BackendChoice::TraceHook => "trace hook",
            _ => "tracepoint",
        };
        match backend::attempt(*choice, &request, machine) {
            Ok(started) if used.is_none() => {
                all.push(Finding::new(topic, Level::Ok, "works; drops uses it"));
                used = Some(started.describe());
            }
            Ok(_) => all.push(Finding::new(topic, Level::Ok, "works")),
            Err(error) => {
                if used.is_none() {
                    refused.push(topic);
                }
                all.push(Finding::new(topic, Level::Note, error.to_string()));
            }
        }
    }
    all.push(legacy(&request, machine));
    let text = "not tried: it needs a table in the traced namespace (drops --backend netlink-trace \
                --allow-ruleset-change)";
    all.push(Finding::new("netlink trace", Level::Ok, text));
    all.push(match used {
        Some(what) => {
            let why = match (machine.has_nf_tables, refused.is_empty()) {
                (false, _) => {
                    "; nf_tables is not loaded: the choice is made again when it is".into()
                }
                (true, true) => ", which costs least".into(),
                (true, false) => format!(", since {} does not work here", refused.join(", ")),
            };
            Finding::new("drops", Level::Ok, format!("{what}{why}"))
        }
        None => {
            let text = "no backend works: no drop can be seen";
            Finding::new("drops", Level::Problem, text)
        }
    });
    all
}

/// Tries the probes for rules of iptables-legacy, where there are any tables.
fn legacy(request: &Request, machine: &Machine) -> Finding {
    let topic = "legacy tables";
    if !Tables::ALL.into_iter().any(tables_loaded) {
        let text = "none is loaded: nothing is attached until one is";
        return Finding::new(topic, Level::Ok, text);
    }
    let mut started = match backend::attempt(BackendChoice::Tracepoint, request, machine) {
        Ok(started) => started,
        Err(e) => return Finding::new(topic, Level::Note, e.to_string()),
    };
    let mut notices = Vec::new();
    for _ in 0..ATTEMPTS {
        notices.extend(started.attach_legacy());
    }
    let works = if started.legacy.attached() { "works; drops names their rules" } else { "" };
    let ok = notices.is_empty() && !works.is_empty();
    let text = if notices.is_empty() { works.to_string() } else { notices.join("; ") };
    Finding::new(topic, if ok { Level::Ok } else { Level::Note }, text)
}

/// What works with rules that do not match works without them; where that is another
/// backend than the best, what it is without them is a question of its own.
fn trace(machine: &Machine) -> Vec<Finding> {
    let topic = "trace";
    let start = |misses| {
        let options = trace_options(machine, misses);
        trace_backend::start(&TraceRequest::automatic(&options), machine)
    };
    let words = |started: &StartedTrace| {
        let mut text = started.describe().to_owned();
        for notice in &started.notices {
            text += &format!("; {notice}");
        }
        text
    };
    let whole = start(Some(true));
    if let Ok(started) = &whole
        && started.backend() == Backend::Points
    {
        let text = format!("{}, those that do not match too (--why, --all)", words(started));
        return vec![Finding::new(topic, level(started), text)];
    }
    let told = whole.map(|started| (level(&started), words(&started)));
    let plain = start(None);
    let why = match (told, &plain) {
        (Ok((level, text)), Ok(_)) => Finding::new("trace --why", level, text),
        (Ok((level, text)), Err(_)) => return vec![Finding::new(topic, level, text)],
        (Err(error), Ok(_)) => Finding::new("trace --why", Level::Note, error.to_string()),
        (Err(error), Err(_)) if machine.has_nf_tables => {
            return vec![Finding::new(topic, Level::Problem, error.to_string())];
        }
        (Err(error), Err(_)) => {
            let text = "nft list ruleset";
            return vec![Finding::new(topic, Level::Note, error.to_string()).fix(text)];
        }
    };
    let mut all: Vec<Finding> =
        plain.iter().map(|s| Finding::new(topic, level(s), words(s))).collect();
    all.push(why);
    all
}

fn level(started: &StartedTrace) -> Level {
    if started.notices.is_empty() { Level::Ok } else { Level::Note }
}

fn resets(machine: &Machine) -> Finding {
    let topic = "resets";
    match reset_backend::start(&reset_options(), machine) {
        Ok(started) if started.notices.is_empty() => {
            Finding::new(topic, Level::Ok, "by kprobes where TCP and netfilter make and take them")
        }
        Ok(started) => Finding::new(topic, Level::Note, started.notices.join("; ")),
        Err(error) => Finding::new(topic, Level::Problem, error.to_string()),
    }
}

fn changes(machine: &Machine) -> Finding {
    let topic = "changes";
    match ChangeCollector::start(true, machine.btf.kernel()) {
        Ok(collector) if collector.refused().is_empty() => {
            let text = "requests by kprobes, what they changed by the kernel's announcements";
            Finding::new(topic, Level::Ok, text)
        }
        Ok(collector) => {
            let lacks: Vec<String> = collector.refused().iter().map(|f| without(f)).collect();
            Finding::new(topic, Level::Note, lacks.join("; "))
        }
        Err(error) => Finding::new(topic, Level::Problem, error.to_string()),
    }
}
