//! Registers: numbers, names, calling convention, and where a probe's saved registers hold them.

use serde::{Serialize, Serializer};

use super::Arch;

/// A general register of one of the instruction sets.
///
/// Numbers are those of the instruction encoding: x86-64 `rax` 0, `rcx` 1, `rdx` 2, `rbx` 3, `rsp` 4,
/// `rbp` 5, `rsi` 6, `rdi` 7, `r8` to `r15`; arm64 `x0` to `x30`, 31 for `sp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg {
    arch: Arch,
    number: u8,
}

const X86_NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Byte offsets in `struct pt_regs` (`arch/x86/include/asm/ptrace.h`), in encoding order.
const X86_PT_REGS: [u32; 16] = [80, 88, 96, 40, 152, 32, 104, 112, 72, 64, 56, 48, 24, 16, 8, 0];

const ARM_NAMES: [&str; 32] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
    "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
    "x28", "x29", "x30", "sp",
];

impl Reg {
    /// The register with this encoding number, if there is one.
    pub fn new(arch: Arch, number: u8) -> Option<Reg> {
        (number < arch.reg_count()).then_some(Reg { arch, number })
    }

    /// Its encoding number.
    pub fn number(self) -> u8 {
        self.number
    }

    /// Its name: `r14`, `x22`, `sp`.
    pub fn name(self) -> &'static str {
        let names: &[&str] = match self.arch {
            Arch::X86_64 => &X86_NAMES,
            Arch::Aarch64 => &ARM_NAMES,
        };
        names.get(usize::from(self.number)).copied().unwrap_or("?")
    }

    /// Byte offset of its saved value in `struct pt_regs` (x86-64) or `struct user_pt_regs` (arm64), the
    /// context of a kprobe program.
    pub fn pt_regs_offset(self) -> u32 {
        match self.arch {
            Arch::X86_64 => X86_PT_REGS.get(usize::from(self.number)).copied().unwrap_or(0),
            // regs[31], then sp.
            Arch::Aarch64 => u32::from(self.number) * 8,
        }
    }

    /// Whether a called function leaves it as it was.
    pub fn callee_saved(self) -> bool {
        match self.arch {
            Arch::X86_64 => matches!(self.number, 3 | 5 | 12..=15),
            Arch::Aarch64 => matches!(self.number, 19..=29),
        }
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.number)
    }
}

impl Serialize for Reg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Arch {
    /// Number of general registers, the stack pointer included.
    pub fn reg_count(self) -> u8 {
        match self {
            Arch::X86_64 => 16,
            Arch::Aarch64 => 32,
        }
    }

    /// The stack pointer.
    pub fn sp(self) -> Reg {
        let number = match self {
            Arch::X86_64 => 4,
            Arch::Aarch64 => 31,
        };
        Reg { arch: self, number }
    }

    /// The register of a function's `n`th argument (from 0).
    pub fn arg(self, n: usize) -> Option<Reg> {
        let numbers: &[u8] = match self {
            Arch::X86_64 => &[7, 6, 2, 1, 8, 9],
            Arch::Aarch64 => &[0, 1, 2, 3, 4, 5, 6, 7],
        };
        numbers.get(n).map(|number| Reg { arch: self, number: *number })
    }

    /// All argument registers, in order.
    pub fn args(self) -> impl Iterator<Item = Reg> {
        (0..8).map_while(move |n| self.arg(n))
    }

    /// All registers.
    pub fn regs(self) -> impl Iterator<Item = Reg> {
        (0..self.reg_count()).map(move |number| Reg { arch: self, number })
    }

    /// What a call may overwrite.
    pub fn clobbered_by_call(self) -> RegSet {
        self.regs().filter(|r| !r.callee_saved() && *r != self.sp()).collect()
    }
}

/// A set of registers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegSet(u32);

impl RegSet {
    /// Puts one in.
    pub fn insert(&mut self, reg: Reg) {
        self.0 |= 1 << reg.number;
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The only register in it, by index.
    pub(crate) fn single(self) -> Option<usize> {
        (self.0.count_ones() == 1).then(|| self.0.trailing_zeros() as usize)
    }

    pub(crate) fn holds(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

impl FromIterator<Reg> for RegSet {
    fn from_iter<I: IntoIterator<Item = Reg>>(regs: I) -> Self {
        let mut set = RegSet::default();
        regs.into_iter().for_each(|reg| set.insert(reg));
        set
    }
}
