//! Where stacks are counted, and what the programs find there.

use std::collections::BTreeMap;
use std::io;

use libbpf_rs::{Link, Object};

use crate::attach::Attached;
use crate::{CollectError, object, raw};

/// Where a program has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Argument {
    /// A function's argument of this number, from 0.
    Number(u32),
    /// At this byte of a tracepoint's record.
    Byte(u32),
}

/// Byte offsets of the registers that carry arguments, in what a kprobe's
/// program gets.
#[cfg(target_arch = "x86_64")]
const REGISTERS: [u32; 6] = [112, 104, 96, 88, 72, 64];
/// The same of arm64: x0 and so on.
#[cfg(not(target_arch = "x86_64"))]
const REGISTERS: [u32; 6] = [0, 8, 16, 24, 32, 40];

impl Argument {
    /// Functions' arguments below this number stand in registers.
    pub const NUMBERS: u32 = REGISTERS.len() as u32;

    pub(crate) fn offset(self) -> Option<u32> {
        match self {
            Self::Number(number) => REGISTERS.get(number as usize).copied(),
            Self::Byte(byte) => Some(byte),
        }
    }
}

/// A place in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The instruction at an address.
    At(u64),
    /// Where the function that begins at the address returns.
    Return(u64),
    /// A tracepoint.
    Tracepoint {
        /// Its group: `skb`.
        category: String,
        /// Its name: `kfree_skb`.
        name: String,
    },
}

/// A place where stacks are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub probe: Probe,
    /// One of those that a pattern named: one program for all of them, and none
    /// of them has to be there.
    pub many: bool,
    /// The packet (`struct sk_buff *`).
    pub skb: Option<Argument>,
    /// The drop reason.
    pub reason: Option<Argument>,
    /// For messages.
    pub name: String,
}

/// Programs of the object, and how they are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Probe,
    Return,
    Many,
    ManyReturns,
    Tracepoint,
}

impl Kind {
    fn of(target: &Target, multi: bool) -> Self {
        match target.probe {
            Probe::At(_) if target.many && multi => Self::Many,
            Probe::Return(_) if target.many && multi => Self::ManyReturns,
            Probe::At(_) => Self::Probe,
            Probe::Return(_) => Self::Return,
            Probe::Tracepoint { .. } => Self::Tracepoint,
        }
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Probe | Self::Return => "at_probe",
            Self::Many | Self::ManyReturns => "at_many",
            Self::Tracepoint => "at_tracepoint",
        }
    }
}

/// What one copy of the object is for.
pub(super) type Group = (Kind, Option<Argument>, Option<Argument>);

/// Targets by the copy that they share. `multi`: the kernel takes one program for
/// many functions.
pub(super) fn groups(targets: &[Target], multi: bool) -> BTreeMap<Group, Vec<&Target>> {
    let mut groups: BTreeMap<Group, Vec<&Target>> = BTreeMap::new();
    for target in targets {
        let group = (Kind::of(target, multi), target.skb, target.reason);
        groups.entry(group).or_default().push(target);
    }
    groups
}

/// Attaches a group's program; links, and how many of a pattern's functions the
/// kernel refused.
pub(super) fn attach(
    object: &Object,
    kind: Kind,
    targets: &[&Target],
) -> Result<(Vec<Link>, usize), CollectError> {
    object::with_program(object, kind.program(), |program| {
        let mut done = Attached::default();
        if matches!(kind, Kind::Many | Kind::ManyReturns) {
            let addresses: Vec<u64> = targets.iter().filter_map(|t| address(t)).collect();
            done.together(program, &addresses, kind == Kind::ManyReturns);
        } else {
            for target in targets {
                let link = match &target.probe {
                    Probe::At(address) => raw::attach_kprobe_at(program, *address),
                    Probe::Return(address) => raw::attach_kretprobe_at(program, *address),
                    Probe::Tracepoint { category, name } => {
                        raw::attach_tracepoint(program, category, name)
                    }
                };
                match link {
                    Err(error) if !target.many => return Err(refused(target, &error)),
                    link => done.take(link),
                }
            }
        }
        match (&done.error, targets) {
            (Some(error), [first, ..]) if done.links.is_empty() => Err(refused(first, error)),
            _ => Ok((done.links, done.refused)),
        }
    })
}

/// The function's or instruction's.
pub(crate) fn address(target: &Target) -> Option<u64> {
    match target.probe {
        Probe::At(address) | Probe::Return(address) => Some(address),
        Probe::Tracepoint { .. } => None,
    }
}

/// What a refusal means.
pub(crate) fn refused(target: &Target, error: &io::Error) -> CollectError {
    let why = match error.raw_os_error() {
        Some(libc::EILSEQ) => ": no instruction begins there",
        Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::EOPNOTSUPP) => {
            ": the kernel lets nobody probe it (notrace, blacklisted, or not an instruction's start)"
        }
        _ => "",
    };
    CollectError::Attach { place: target.name.clone(), reason: format!("{error}{why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_with_the_packet_at_one_place_share_a_copy() {
        let target = |probe, many, skb: Option<u32>| Target {
            probe,
            many,
            skb: skb.map(Argument::Number),
            reason: None,
            name: String::new(),
        };
        let all = [
            target(Probe::At(1), false, Some(0)),
            target(Probe::At(2), true, Some(0)),
            target(Probe::At(3), true, Some(1)),
            target(Probe::Return(4), true, None),
            target(Probe::At(5), false, Some(0)),
        ];
        let sizes = |multi| groups(&all, multi).values().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(true), [2, 1, 1, 1]);
        assert_eq!(sizes(false), [3, 1, 1], "a kprobe each");
        assert_eq!(Argument::Number(Argument::NUMBERS).offset(), None);
    }
}
