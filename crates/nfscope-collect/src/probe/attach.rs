//! Where groups' programs are attached.

use std::io;

use libbpf_rs::{Link, Object};

use super::collector::ProbeGroup;
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
            Self::Call => &["at_return", "at_probe"],
            Self::Many => &["at_many"],
            Self::Tracepoint => &["at_tracepoint"],
        }
    }
}

/// Attaches all groups' programs; links, and how many of a pattern's functions the
/// kernel refused. One of them is enough.
pub(super) fn attach(
    groups: &[ProbeGroup],
    objects: &[Object],
    multi: bool,
) -> Result<(Vec<Link>, usize), CollectError> {
    let (mut links, mut left_out, mut why) = (Vec::new(), 0, None);
    for (group, object) in groups.iter().zip(objects) {
        let targets = &group.targets;
        let done = attach_group(object, Kind::of(targets, multi), targets)?;
        links.extend(done.links);
        left_out += done.refused;
        if let (None, Some(error), [first, ..]) = (&why, &done.error, targets.as_slice()) {
            why = Some(refused(first, error));
        }
    }
    match why {
        Some(why) if links.is_empty() => Err(why),
        _ => Ok((links, left_out)),
    }
}

fn attach_group(object: &Object, kind: Kind, targets: &[Target]) -> Result<Attached, CollectError> {
    if kind == Kind::Call {
        // returns first: a call whose return is not seen stays open
        return object::with_program(object, "at_return", |returns| {
            object::with_program(object, "at_probe", |entry| {
                each(targets, |target| {
                    let Some(address) = address(target) else { return Ok(Vec::new()) };
                    let link = raw::attach_kretprobe_at(returns, address)?;
                    Ok(vec![link, raw::attach_kprobe_at(entry, address)?])
                })
            })
        });
    }
    let program = kind.programs().first().copied().unwrap_or_default();
    object::with_program(object, program, |program| {
        if kind == Kind::Many {
            let addresses: Vec<u64> = targets.iter().filter_map(address).collect();
            let mut done = Attached::default();
            done.together(program, &addresses, false);
            return Ok(done);
        }
        each(targets, |target| {
            let link = match &target.probe {
                Probe::At(address) | Probe::Return(address) => {
                    raw::attach_kprobe_at(program, *address)
                }
                Probe::Tracepoint { category, name } => {
                    raw::attach_tracepoint(program, category, name)
                }
            };
            Ok(vec![link?])
        })
    })
}

/// Attaches to each target what it needs: all of it or nothing.
fn each(
    targets: &[Target],
    attach: impl Fn(&Target) -> io::Result<Vec<Link>>,
) -> Result<Attached, CollectError> {
    let mut done = Attached::default();
    for target in targets {
        match attach(target) {
            Ok(links) => done.links.extend(links),
            Err(error) if !target.many => return Err(refused(target, &error)),
            Err(error) => {
                done.refused += 1;
                done.error = Some(error);
            }
        }
    }
    Ok(done)
}
