//! A place of a value as a probe finds it: in a saved register, or in memory relative to the stack
//! pointer at the probed instruction.

use std::fmt;

use serde::{Serialize, Serializer};

use super::values::{Place, State, Val};
use crate::isa::Reg;

/// Where a probe finds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loc {
    /// In this register.
    Reg(Reg),
    /// In the eight bytes at the stack pointer plus this.
    Stack(i32),
    /// It is the address stack pointer plus this.
    StackAddr(i32),
}

impl Loc {
    /// Where the value is before the instruction whose state this is; registers that calls preserve come
    /// first. Constants and unknown values have no place.
    pub fn of(state: &State, val: Val) -> Option<Loc> {
        let sp = state.sp()?;
        match val {
            Val::Stack(at) => Some(Loc::StackAddr(at.checked_sub(sp)?)),
            Val::Unknown | Val::Const(_) => None,
            val => match state.places(val).first()? {
                Place::Reg(reg) => Some(Loc::Reg(*reg)),
                Place::Slot(at) => Some(Loc::Stack(at.checked_sub(sp)?)),
            },
        }
    }
}

impl fmt::Display for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loc::Reg(reg) => f.write_str(reg.name()),
            Loc::Stack(at) => write!(f, "[sp+{at:#x}]"),
            Loc::StackAddr(at) => write!(f, "sp+{at:#x}"),
        }
    }
}

impl Serialize for Loc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
