//! arm64 data processing, with immediates and with registers.

use super::{bit, clobber, field, reg, reg_or_sp};
use crate::isa::{Compare, Op};

fn full(sf: bool) -> (u8, u64) {
    if sf { (64, u64::MAX) } else { (32, 0xffff_ffff) }
}

fn unknown_flags() -> Option<Op> {
    Some(Op::Flags(Compare::Unknown))
}

pub(super) fn immediate(word: u32, known: bool) -> Option<Vec<Op>> {
    let sf = bit(word, 31);
    let (bits, mask) = full(sf);
    let ops = match field(word, 25, 23) {
        // adr, adrp
        0b000 | 0b001 => [clobber([reg(word, 0)]), None, None],
        0b010 => return Some(add_immediate(word, known)),
        // addg, subg
        0b011 => [clobber([Some(reg_or_sp(word, 0))]), None, None],
        0b100 => {
            let value = bitmask(bit(word, 22), field(word, 15, 10), field(word, 21, 16), bits)?;
            let src = reg(word, 5);
            match (field(word, 30, 29), src) {
                (0, Some(src)) if field(word, 4, 0) != 31 => {
                    [reg(word, 0).map(|dst| Op::And { dst, src, mask: value }), None, None]
                }
                (1, None) if field(word, 4, 0) != 31 => {
                    [reg(word, 0).map(|dst| Op::Const { dst, value: value as i64 }), None, None]
                }
                (3, Some(src)) => [
                    Some(Op::Flags(Compare::Test { reg: src, mask: value })),
                    reg(word, 0).map(|dst| Op::And { dst, src, mask: value }),
                    None,
                ],
                (3, None) => [unknown_flags(), clobber([reg(word, 0)]), None],
                _ => [clobber([Some(reg_or_sp(word, 0))]), None, None],
            }
        }
        // movn, movz, movk
        0b101 => {
            let value = u64::from(field(word, 20, 5)) << (16 * field(word, 22, 21));
            let constant = match field(word, 30, 29) {
                0 => Some(!value & mask),
                2 => Some(value & mask),
                _ => None,
            };
            match (constant, reg(word, 0)) {
                (Some(value), Some(dst)) if known => {
                    [Some(Op::Const { dst, value: value as i64 }), None, None]
                }
                _ => [clobber([reg(word, 0)]), None, None],
            }
        }
        // sbfm, bfm, ubfm: only the last as a plain mask (uxtb, uxth, ubfx from bit 0)
        0b110 => {
            let (rotate, last) = (field(word, 21, 16), field(word, 15, 10));
            match (reg(word, 0), reg(word, 5)) {
                (Some(dst), Some(src)) if field(word, 30, 29) == 2 && rotate == 0 && last < 63 => [
                    Some(Op::And { dst, src, mask: ((1u64 << (last + 1)) - 1) & mask }),
                    None,
                    None,
                ],
                _ => [clobber([reg(word, 0)]), None, None],
            }
        }
        // extr
        _ => [clobber([reg(word, 0)]), None, None],
    };
    Some(ops.into_iter().flatten().collect())
}

fn add_immediate(word: u32, known: bool) -> Vec<Op> {
    let (bits, _) = full(bit(word, 31));
    let value = i64::from(field(word, 21, 10)) << if bit(word, 22) { 12 } else { 0 };
    let disp = if bit(word, 30) { -value } else { value };
    let base = reg_or_sp(word, 5);
    let sets_flags = bit(word, 29);
    let dst = if sets_flags { reg(word, 0) } else { Some(reg_or_sp(word, 0)) };
    // adds compares with the negated immediate (cmn).
    let flags = sets_flags.then(|| {
        Op::Flags(if known {
            Compare::Reg { reg: base, bits, with: -disp }
        } else {
            Compare::Unknown
        })
    });
    let result = match dst {
        Some(dst) if bits == 64 && known => Some(Op::Add { dst, base, disp, index: None }),
        dst => clobber([dst]),
    };
    // The comparison looks at the base before the result may overwrite it.
    [flags, result].into_iter().flatten().collect()
}

pub(super) fn register(word: u32) -> Vec<Op> {
    let sf = bit(word, 31);
    let (bits, mask) = full(sf);
    let dst = reg(word, 0);
    let ops = match (bit(word, 28), field(word, 24, 21)) {
        // Logical, shifted register.
        (false, 0b0000..=0b0111) => {
            let (left, right) = (reg(word, 5), reg(word, 16));
            let straight = field(word, 15, 10) == 0 && !bit(word, 21);
            match (field(word, 30, 29), dst) {
                (1, Some(dst)) if straight && left.is_none() => match right {
                    Some(src) => [Some(Op::Move { dst, src, bits }), None],
                    None => [Some(Op::Const { dst, value: 0 }), None],
                },
                (3, dst) => match left {
                    Some(reg) if straight && left == right => {
                        [Some(Op::Flags(Compare::Test { reg, mask })), clobber([dst])]
                    }
                    _ => [unknown_flags(), clobber([dst])],
                },
                (_, dst) => [clobber([dst]), None],
            }
        }
        // Add and subtract, shifted or extended register.
        (false, _) => {
            let (extended, sets_flags, subtract) = (bit(word, 21), bit(word, 29), bit(word, 30));
            let sp_allowed = extended && !sets_flags;
            let dst = if sp_allowed { Some(reg_or_sp(word, 0)) } else { dst };
            let base = if extended { Some(reg_or_sp(word, 5)) } else { reg(word, 5) };
            match (dst, base) {
                (Some(dst), Some(base)) if sf && !sets_flags && !subtract => {
                    [Some(Op::Add { dst, base, disp: 0, index: reg(word, 16) }), None]
                }
                _ => [clobber([dst]), sets_flags.then_some(Op::Flags(Compare::Unknown))],
            }
        }
        // ccmp, ccmn write the flags alone.
        (true, 0b0010) => [None, unknown_flags()],
        (true, _) => [clobber([dst]), unknown_flags()],
    };
    ops.into_iter().flatten().collect()
}

/// Decodes a logical immediate (Arm ARM, `DecodeBitMasks`).
fn bitmask(n: bool, imms: u32, immr: u32, bits: u8) -> Option<u64> {
    let combined = u32::from(n) << 6 | (!imms & 0x3f);
    let len = 31u32.checked_sub(combined.leading_zeros())?;
    if len == 0 || (n && bits == 32) {
        return None;
    }
    let size = 1u32 << len;
    let (ones, rotate) = ((imms & (size - 1)) + 1, immr & (size - 1));
    if ones == size {
        return None;
    }
    let all = u64::MAX >> (64 - size);
    let pattern = (1u64 << ones) - 1;
    let turned =
        if rotate == 0 { pattern } else { (pattern >> rotate | pattern << (size - rotate)) & all };
    let mut value = turned;
    let mut width = size;
    while width < 64 {
        value |= value << width;
        width *= 2;
    }
    Some(if bits == 32 { value & 0xffff_ffff } else { value })
}
