//! What all parts of the search look at, and small questions they share.

use crate::isa::{Op, Reg};
use crate::layout::NftLayout;
use crate::locate::Loc;
use crate::locate::code::Code;
use crate::locate::flow::Values;
use crate::locate::values::{Flags, Operand, Place, State, Val};

/// The function, its values, and what is known of the kernel's structs.
pub(super) struct View<'a> {
    pub code: &'a Code<'a>,
    pub values: &'a Values<'a>,
    pub layout: &'a NftLayout,
    /// Frame offset of `struct nft_regs`.
    pub regs: i32,
}

impl View<'_> {
    /// `pkt`: the function's first argument.
    pub fn pkt(&self) -> Val {
        self.entry(0)
    }

    /// The base chain: the function's second argument, `priv`.
    pub fn basechain(&self) -> Val {
        self.entry(1)
    }

    fn entry(&self, n: usize) -> Val {
        self.code.text.arch.arg(n).map_or(Val::Unknown, Val::Entry)
    }

    /// Frame offset of the verdict.
    pub fn verdict(&self) -> i32 {
        self.regs
            + i32::try_from(self.layout.verdict.regs_verdict + self.layout.verdict.code)
                .unwrap_or(0)
    }

    /// Where a value is before an instruction.
    pub fn loc(&self, at: usize, val: Val) -> Option<Loc> {
        Loc::of(self.values.before(at)?, val)
    }

    /// Offset of an instruction.
    pub fn offset(&self, at: usize) -> u32 {
        self.code.ins.get(at).map_or(0, |ins| ins.offset)
    }

    /// Whether the flags before an instruction come from comparing the verdict code with a constant;
    /// gives the constant.
    pub fn verdict_compared(&self, state: &State) -> Option<i64> {
        let Flags::Compared { left, with, .. } = state.flags else { return None };
        let verdict = match left {
            Operand::Slot(at) => at == self.verdict(),
            Operand::Value(val) => self.is_verdict(val),
        };
        verdict.then_some(i64::from(with as i32))
    }

    /// Whether a value is the verdict code: what its slot held, on every way.
    pub fn is_verdict(&self, val: Val) -> bool {
        let slot = |val| matches!(val, Val::Joined(_, Place::Slot(at)) if at == self.verdict());
        let held = |leaf: &Val| match self.values.origin(*leaf) {
            Some((at, Op::Load { mem, .. })) if mem.bytes == 4 => {
                let address = self.values.before(at).and_then(|state| state.frame_address(mem));
                address == Some(self.verdict())
            }
            // A chain without rules sets the code as a constant.
            _ => slot(*leaf) || matches!(leaf, Val::Const(_)),
        };
        let leaves = self.values.leaves_until(val, slot).unwrap_or_default();
        leaves.iter().all(held) && leaves.iter().any(|leaf| !matches!(leaf, Val::Const(_)))
    }

    /// Whether a value is loaded from memory at one of the function's arguments plus an offset.
    pub fn is_member(&self, val: Val, of: Val, disp: i64, bytes: u8) -> bool {
        let leaves = self.values.leaves(val).unwrap_or_default();
        let loaded = |leaf: &Val| match self.values.origin(*leaf) {
            Some((at, Op::Load { mem, .. })) => {
                let base = |reg: Reg| self.values.before(at).map(|state| state.reg(reg));
                mem.bytes == bytes
                    && mem.disp == disp
                    && mem.index.is_none()
                    && mem.base.and_then(base) == Some(of)
            }
            _ => false,
        };
        !leaves.is_empty() && leaves.iter().all(loaded)
    }
}
