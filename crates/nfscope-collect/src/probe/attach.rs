//! Where a group's programs are attached.

use libbpf_rs::{Link, Object};

use crate::attach::Attached;
use crate::stacks::{Probe, Target, address, refused};
use crate::{CollectError, object, raw};

/// Programs of the object, and how they are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A kprobe each.
    Probe,
    /// A kprobe each at the entry and at the return.
    Call,
    /// One kprobe for all.
    Many,
    /// A trace event each.
    Tracepoint,
}

impl Kind {
    /// `multi`: the kernel takes one program for many functions.
    pub fn of(targets: &[Target], multi: bool) -> Self {
        match targets.first() {
            Some(Target { probe: Probe::Tracepoint { .. }, .. }) => Self::Tracepoint,
            Some(Target { probe: Probe::Return(_), .. }) => Self::Call,
            Some(Target { many: true, .. }) if multi => Self::Many,
            _ => Self::Probe,
        }
    }

    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Probe => &["at_probe"],
            // returns first: a call whose return is not seen stays open
            Self::Call => &["at_return", "at_probe"],
            Self::Many => &["at_many"],
            Self::Tracepoint => &["at_tracepoint"],
        }
    }
}

/// Attaches a group's programs; links, and how many of a pattern's functions the
/// kernel refused.
pub(super) fn attach(
    object: &Object,
    kind: Kind,
    targets: &[Target],
) -> Result<(Vec<Link>, usize), CollectError> {
    let mut links = Vec::new();
    let mut left_out = 0;
    for program in kind.programs() {
        let done = object::with_program(object, program, |program_of| {
            let mut done = Attached::default();
            if kind == Kind::Many {
                let addresses: Vec<u64> = targets.iter().filter_map(address).collect();
                done.together(program_of, &addresses, false);
                return Ok(done);
            }
            for target in targets {
                let link = match &target.probe {
                    Probe::At(address) => raw::attach_kprobe_at(program_of, *address),
                    Probe::Return(address) if *program == "at_return" => {
                        raw::attach_kretprobe_at(program_of, *address)
                    }
                    Probe::Return(address) => raw::attach_kprobe_at(program_of, *address),
                    Probe::Tracepoint { category, name } => {
                        raw::attach_tracepoint(program_of, category, name)
                    }
                };
                match link {
                    Err(error) if !target.many => return Err(refused(target, &error)),
                    link => done.take(link),
                }
            }
            Ok(done)
        })?;
        if let (Some(error), [first, ..]) = (&done.error, targets)
            && done.links.is_empty()
            && !first.many
        {
            return Err(refused(first, error));
        }
        left_out = left_out.max(done.refused);
        links.extend(done.links);
    }
    Ok((links, left_out))
}
