//! From the command line to what it means on this machine.

use std::time::Duration;

use nfscope_collect::drop::{DropOptions, Note};
use nfscope_filter::Compiled;

use crate::backend::{Leftover, Request};
use crate::cli::{CauseChoice, ColorWhen, DropsArguments, HookChoice};
use crate::commands::{Failure, selection};
use crate::resolve::ReasonNames;

/// What `drops` shall do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For the backend.
    pub request: Request,
    /// Only these hooks; empty: all.
    pub hooks: Vec<HookChoice>,
    /// Only these causes; empty: all.
    pub causes: Vec<CauseChoice>,
    /// End after so many drops.
    pub count: Option<u64>,
    /// End after this time.
    pub duration: Option<Duration>,
    /// JSON Lines.
    pub json: bool,
    /// All facts.
    pub verbose: bool,
    /// Table at the end.
    pub summary: bool,
    /// No names of functions and namespaces.
    pub numeric: bool,
    /// Colour.
    pub color: ColorWhen,
}

impl Settings {
    /// Looks up what the words name; a usage error if something is not there.
    pub fn new(
        a: &DropsArguments,
        filter: Option<Compiled>,
        reasons: &ReasonNames,
        has_reason: bool,
    ) -> Result<Self, Failure> {
        let netns = a.netns.as_deref().map(selection::find_netns).transpose()?;
        let reason = a.reason.as_deref().map(|r| find_reason(r, reasons)).transpose()?;
        let leftover = if a.allow_leftover_table { Leftover::Accepted } else { Leftover::Refused };
        Ok(Self {
            request: Request {
                options: DropOptions {
                    filter,
                    netns,
                    device: a.interface.clone(),
                    causes: causes(&a.cause),
                    reason,
                    has_reason,
                    snap_bytes: a.snaplen,
                    stack: a.stack,
                    ring_bytes: a.ring_size,
                    interruptible: false,
                },
                backend: a.backend,
                ruleset_change: a.allow_ruleset_change.then_some(leftover),
                without_frame: false,
            },
            hooks: a.hook.clone(),
            causes: a.cause.clone(),
            count: a.count,
            duration: a.duration,
            json: a.json,
            verbose: a.verbose,
            summary: a.summary,
            numeric: a.numeric,
            color: a.color,
        })
    }
}

impl Settings {
    /// Whether only drops by rules and policies of nftables are wanted.
    pub fn wants_rules_alone(&self) -> bool {
        let others = [CauseChoice::Kernel, CauseChoice::Legacy];
        !self.causes.is_empty() && !others.iter().any(|other| self.causes.contains(other))
    }
}

/// The notes that packets of the wanted causes may have. A note may turn out to
/// be none of the drop's, so for the kernel's drops all are wanted.
fn causes(wanted: &[CauseChoice]) -> Vec<Note> {
    let notes = |cause: &CauseChoice| match cause {
        CauseChoice::Nft => vec![Note::Rule, Note::Queue, Note::Fwd],
        CauseChoice::Legacy => vec![Note::LegacyRule, Note::LegacyQueue],
        CauseChoice::Policy => vec![Note::Policy, Note::LegacyPolicy],
        CauseChoice::Kernel => Note::ALL.to_vec(),
    };
    match wanted {
        [] => Note::ALL.to_vec(),
        _ => wanted.iter().flat_map(notes).collect(),
    }
}

fn find_reason(text: &str, reasons: &ReasonNames) -> Result<u32, Failure> {
    if !reasons.known() {
        return Err(Failure::Usage(
            "--reason: this kernel's drops have no reasons (they came with 5.17)".into(),
        ));
    }
    reasons.number(text).ok_or_else(|| {
        let all = reasons.all().join(" ");
        Failure::Usage(format!("--reason {text}: this kernel has no such reason; it has: {all}"))
    })
}
