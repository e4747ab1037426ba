//! Machine code as a few abstract operations, so that the analysis above it is the same for x86-64 and
//! arm64.
//!
//! An instruction becomes a list of [`Op`]s (what it does to registers and memory, in order) and a
//! [`Flow`] (where control goes next). What an operation does not describe exactly it describes as
//! "writes these registers" and "writes this memory": an analysis loses precision, never truth.

mod aarch64;
mod regs;
mod show;
mod x86_64;

use serde::Serialize;

pub use regs::{Reg, RegSet};
pub use show::Shown;

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm, little endian.
    Aarch64,
}

/// A memory operand: `base + disp (+ index)`. An index is taken to be not negative, as an array's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mem {
    /// Base register; `None` for absolute, segment-relative or pc-relative addresses.
    pub base: Option<Reg>,
    /// Constant added to the base.
    pub disp: i64,
    /// A further register is added, perhaps scaled.
    pub index: Option<Reg>,
    /// Bytes accessed; 0 for an unknown number.
    pub bytes: u8,
}

/// The right side of a move or store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A register's value.
    Reg(Reg),
    /// A constant.
    Const(i64),
    /// Something not followed.
    Unknown,
}

/// What sets the condition flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Comparison of a register's low `bits` with a constant.
    Reg {
        /// The register.
        reg: Reg,
        /// Width compared.
        bits: u8,
        /// The constant, sign-extended from `bits`.
        with: i64,
    },
    /// Comparison of memory with a constant.
    Mem {
        /// The operand.
        mem: Mem,
        /// The constant, sign-extended.
        with: i64,
    },
    /// `reg & mask` compared with zero.
    Test {
        /// The register.
        reg: Reg,
        /// The bits that are looked at.
        mask: u64,
    },
    /// Anything else.
    Unknown,
}

/// One effect of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Copies a register; 32-bit copies clear the upper half.
    Move {
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// 64 or 32.
        bits: u8,
    },
    /// Sets a register to a constant.
    Const {
        /// Destination.
        dst: Reg,
        /// The value.
        value: i64,
    },
    /// `dst = base + disp (+ index)`, the index perhaps scaled.
    Add {
        /// Destination.
        dst: Reg,
        /// The base.
        base: Reg,
        /// The constant added.
        disp: i64,
        /// The register added.
        index: Option<Reg>,
    },
    /// `dst = src & mask`.
    And {
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// The mask.
        mask: u64,
    },
    /// Loads a register from memory; the bits above what is loaded become zero.
    Load {
        /// Destination.
        dst: Reg,
        /// Where from.
        mem: Mem,
    },
    /// Stores to memory.
    Store {
        /// Where to.
        mem: Mem,
        /// What.
        src: Source,
    },
    /// Sets the condition flags.
    Flags(Compare),
    /// Overwrites registers with values that are not followed.
    Clobber(RegSet),
}

/// When a conditional branch is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cond {
    /// The last comparison was equal (or the tested bits zero).
    Equal,
    /// The last comparison was not equal.
    NotEqual,
    /// A register's low `bits` are zero.
    Zero {
        /// The register.
        reg: Reg,
        /// Width looked at.
        bits: u8,
    },
    /// A register's low `bits` are not zero.
    NotZero {
        /// The register.
        reg: Reg,
        /// Width looked at.
        bits: u8,
    },
    /// Anything else.
    Other,
}

/// Where an instruction transfers control to. Targets are byte offsets from the function's start and may
/// lie outside the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// On to the next instruction.
    Next,
    /// To `target` or on.
    Branch {
        /// Where to.
        target: i64,
        /// When.
        cond: Cond,
    },
    /// To `target`.
    Jump {
        /// Where to.
        target: i64,
    },
    /// Calls `target` (`None`: through a register or memory) and comes back.
    Call {
        /// Where to.
        target: Option<i64>,
    },
    /// Leaves the function or jumps somewhere unknown.
    Leave,
    /// Traps (`ud2`, `brk`): a `WARN` resumes behind it.
    Trap,
}

/// One decoded instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ins {
    /// Byte offset from the function's start.
    pub offset: u32,
    /// Length in bytes.
    pub len: u8,
    /// What it does, in order.
    pub ops: Vec<Op>,
    /// Where it goes.
    pub flow: Flow,
    /// Does nothing at all (any form of `nop`).
    pub nop: bool,
}

impl Ins {
    /// Offset of the next instruction.
    pub fn end(&self) -> u32 {
        self.offset + u32::from(self.len)
    }
}

/// A byte range at this offset of the function cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes at +{0:#x} are not an instruction")]
pub struct BadCode(pub u32);

impl Arch {
    /// The instruction set this program is compiled for.
    pub fn native() -> Option<Arch> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Arch::X86_64),
            "aarch64" => Some(Arch::Aarch64),
            _ => None,
        }
    }

    /// Decodes a whole function. `relocated(offset, len)` says whether a relocation patches bytes of the
    /// instruction there: its constants are then not known.
    pub fn decode(
        self,
        code: &[u8],
        relocated: impl Fn(u32, u32) -> bool,
    ) -> Result<Vec<Ins>, BadCode> {
        match self {
            Arch::X86_64 => x86_64::decode(code, relocated),
            Arch::Aarch64 => aarch64::decode(code, relocated),
        }
    }
}
