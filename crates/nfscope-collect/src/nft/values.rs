//! Where values are at a probe point, as the programs are told
//! (`struct point_values` of `drop.h`).

use nfscope_kernel::isa::Reg;
use nfscope_kernel::locate::Loc;

/// One value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValueAt {
    /// Not to be had.
    #[default]
    None,
    /// In a register: byte offset in the kernel's register frame.
    Register(u32),
    /// The eight bytes at this offset from the stack pointer.
    Stack(i32),
    /// The address at this offset from the stack pointer.
    StackAddress(i32),
}

impl ValueAt {
    /// `struct value_at`: kind and offset.
    pub(crate) fn words(self) -> [u32; 2] {
        match self {
            Self::None => [0, 0],
            Self::Register(offset) => [1, offset],
            Self::Stack(offset) => [2, offset.cast_unsigned()],
            Self::StackAddress(offset) => [3, offset.cast_unsigned()],
        }
    }
}

impl From<Loc> for ValueAt {
    fn from(loc: Loc) -> Self {
        match loc {
            Loc::Reg(reg) => reg.into(),
            Loc::Stack(offset) => Self::Stack(offset),
            Loc::StackAddr(offset) => Self::StackAddress(offset),
        }
    }
}

impl From<Reg> for ValueAt {
    fn from(reg: Reg) -> Self {
        Self::Register(reg.pt_regs_offset())
    }
}

/// All values at one kind of probe point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointValues {
    /// The rule.
    pub rule: ValueAt,
    /// `struct nft_pktinfo`.
    pub pkt: ValueAt,
    /// `struct nft_regs`.
    pub regs: ValueAt,
    /// The current chain or the base chain.
    pub chain: ValueAt,
    /// Which of the two.
    pub chain_is_base: bool,
}

impl PointValues {
    /// `struct point_values` as 32-bit words.
    pub(crate) fn words(&self) -> [u32; 9] {
        let mut words = [0; 9];
        let values = [self.rule, self.pkt, self.regs, self.chain];
        for (to, value) in words.as_chunks_mut::<2>().0.iter_mut().zip(values) {
            *to = value.words();
        }
        words[8] = u32::from(self.chain_is_base);
        words
    }
}
