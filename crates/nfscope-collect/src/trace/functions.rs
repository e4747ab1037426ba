//! Programs on the kernel functions that packets pass (`functions.h`).

use libbpf_rs::{Link, Object};

use crate::attach::Attached;
use crate::{CollectError, object};

/// Registers that carry arguments, as far as programs read them.
pub const MOST_POSITIONS: u32 = 5;
/// The same for doors.
const DOOR_POSITIONS: u32 = 3;

/// A function whose calls are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Address of its first byte.
    pub address: u64,
    /// Number of the argument that is the packet, from 0; below
    /// [`MOST_POSITIONS`].
    pub position: u32,
    /// A packet that comes here has its headers and stands before its hooks: the
    /// filter is asked.
    pub door: bool,
}

/// The functions that a trace tells.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    /// Which.
    pub list: Vec<Function>,
    /// One kprobe for many functions (kernel 5.18, with fprobe), else one each.
    pub multi: bool,
}

/// Names of programs by position, that of `kprobe.multi` first.
const PASSES: [(&str, &str); MOST_POSITIONS as usize] = [
    ("pass_multi_1", "pass_single_1"),
    ("pass_multi_2", "pass_single_2"),
    ("pass_multi_3", "pass_single_3"),
    ("pass_multi_4", "pass_single_4"),
    ("pass_multi_5", "pass_single_5"),
];
const DOORS: [(&str, &str); DOOR_POSITIONS as usize] = [
    ("door_multi_1", "door_single_1"),
    ("door_multi_2", "door_single_2"),
    ("door_multi_3", "door_single_3"),
];

impl Functions {
    /// The functions of each program; doors last, so that nothing is selected
    /// before it can be followed.
    fn groups(&self) -> impl Iterator<Item = (&'static str, Vec<u64>)> {
        let passes = PASSES.iter().map(|names| (names, false)).zip(0..);
        let doors = DOORS.iter().map(|names| (names, true)).zip(0..);
        passes.chain(doors).filter_map(|((names, door), position)| {
            let is_door = |f: &Function| f.door && f.position < DOOR_POSITIONS;
            let ours = |f: &&Function| is_door(f) == door && f.position == position;
            let addresses: Vec<u64> = self.list.iter().filter(ours).map(|f| f.address).collect();
            let name = if self.multi { names.0 } else { names.1 };
            (!addresses.is_empty()).then_some((name, addresses))
        })
    }

    /// Names of the programs to load.
    pub(super) fn programs(&self) -> Vec<&'static str> {
        self.groups().map(|(name, _)| name).collect()
    }

    /// Attaches the programs, and says to how many functions the kernel lets
    /// none be attached.
    pub(super) fn attach(&self, object: &Object) -> Result<(Vec<Link>, usize), CollectError> {
        let mut done = Attached::default();
        for (name, addresses) in self.groups() {
            object::with_program(object, name, |program| {
                if self.multi {
                    done.together(program, &addresses, false);
                } else {
                    done.each(program, &addresses);
                }
                Ok(())
            })?;
        }
        match done.error {
            Some(error) if done.links.is_empty() => Err(CollectError::Attach {
                place: "any of the functions".into(),
                reason: error.to_string(),
            }),
            _ => Ok((done.links, done.refused)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_has_its_program_and_doors_come_last() {
        let function = |address, position, door| Function { address, position, door };
        let list = vec![
            function(1, 0, true),
            function(2, 0, false),
            function(3, 2, false),
            // no door's program reads so far
            function(4, 4, true),
        ];
        let groups = |multi| Functions { list: list.clone(), multi }.groups().collect::<Vec<_>>();
        let found = groups(true);
        assert_eq!(
            found,
            [
                ("pass_multi_1", vec![2]),
                ("pass_multi_3", vec![3]),
                ("pass_multi_5", vec![4]),
                ("door_multi_1", vec![1])
            ]
        );
        assert_eq!(groups(false)[0].0, "pass_single_1");
    }
}
