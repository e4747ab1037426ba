//! arm64 machine code. The encoding is regular enough for a reader of its own: every class of the A64
//! instruction set is told apart (Arm ARM, chapter C4), the few instructions that move values are
//! followed exactly, of all others it is known which registers and what memory they write.

mod data;
mod memory;

use super::{Arch, BadCode, Compare, Cond, Flow, Ins, Op, Reg, RegSet};

pub(super) fn decode(
    code: &[u8],
    relocated: impl Fn(u32, u32) -> bool,
) -> Result<Vec<Ins>, BadCode> {
    let mut out = Vec::with_capacity(code.len() / 4);
    for (n, bytes) in code.chunks(4).enumerate() {
        let offset = (n * 4) as u32;
        let word = u32::from_le_bytes(bytes.try_into().map_err(|_| BadCode(offset))?);
        let known = !relocated(offset, 4);
        let (ops, flow) = instruction(word, i64::from(offset), known).ok_or(BadCode(offset))?;
        out.push(Ins { offset, len: 4, ops, flow, nop: word == 0xd503_201f });
    }
    Ok(out)
}

/// Bits `high..=low` of an instruction.
fn field(word: u32, high: u32, low: u32) -> u32 {
    word >> low & ((1 << (high - low + 1)) - 1)
}

fn bit(word: u32, n: u32) -> bool {
    word >> n & 1 == 1
}

/// `bits` low bits of `value` as a signed number.
fn signed(value: u32, bits: u32) -> i64 {
    let shift = 64 - bits;
    (i64::from(value) << shift) >> shift
}

/// The register in a field where 31 means the zero register.
fn reg(word: u32, low: u32) -> Option<Reg> {
    let number = field(word, low + 4, low) as u8;
    if number == 31 { None } else { Reg::new(Arch::Aarch64, number) }
}

/// The register in a field where 31 means the stack pointer.
fn reg_or_sp(word: u32, low: u32) -> Reg {
    Reg::new(Arch::Aarch64, field(word, low + 4, low) as u8).unwrap_or(Arch::Aarch64.sp())
}

/// An operation that only overwrites registers; those that are the zero register are left out.
fn clobber(regs: impl IntoIterator<Item = Option<Reg>>) -> Option<Op> {
    let set: RegSet = regs.into_iter().flatten().collect();
    (!set.is_empty()).then_some(Op::Clobber(set))
}

fn instruction(word: u32, at: i64, known: bool) -> Option<(Vec<Op>, Flow)> {
    let plain = |ops| Some((ops, Flow::Next));
    // op0, bits 28 to 25, tells the groups apart.
    match field(word, 28, 25) {
        0 if word >> 16 == 0 => Some((Vec::new(), Flow::Trap)),
        0b1000 | 0b1001 => plain(data::immediate(word, known)?),
        0b1010 | 0b1011 => branch_or_system(word, at, known),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => plain(memory::access(word)?),
        0b0101 | 0b1101 => plain(data::register(word)),
        // Vector and floating point: some move a result to a general register, some compare.
        0b0111 | 0b1111 => plain(
            [clobber([reg(word, 0)]), Some(Op::Flags(Compare::Unknown))]
                .into_iter()
                .flatten()
                .collect(),
        ),
        _ => None,
    }
}

fn branch_or_system(word: u32, at: i64, known: bool) -> Option<(Vec<Op>, Flow)> {
    let to = |value: u32, bits: u32| at + signed(value, bits) * 4;
    let bare = |flow| Some((Vec::new(), flow));
    if word & 0x7c00_0000 == 0x1400_0000 {
        let target = known.then(|| to(field(word, 25, 0), 26));
        return bare(match (bit(word, 31), target) {
            (true, target) => Flow::Call { target },
            (false, Some(target)) => Flow::Jump { target },
            (false, None) => Flow::Leave,
        });
    }
    if word & 0xff00_0000 == 0x5400_0000 {
        let cond = match field(word, 3, 0) {
            0 => Cond::Equal,
            1 => Cond::NotEqual,
            _ => Cond::Other,
        };
        return bare(Flow::Branch { target: to(field(word, 23, 5), 19), cond });
    }
    if word & 0x7e00_0000 == 0x3400_0000 {
        let bits = if bit(word, 31) { 64 } else { 32 };
        let cond = match (reg(word, 0), bit(word, 24)) {
            (Some(reg), false) => Cond::Zero { reg, bits },
            (Some(reg), true) => Cond::NotZero { reg, bits },
            (None, _) => Cond::Other,
        };
        return bare(Flow::Branch { target: to(field(word, 23, 5), 19), cond });
    }
    if word & 0x7e00_0000 == 0x3600_0000 {
        return bare(Flow::Branch { target: to(field(word, 18, 5), 14), cond: Cond::Other });
    }
    if word & 0xfe00_0000 == 0xd600_0000 {
        // br, blr, ret and their pointer-authenticating forms.
        return bare(if field(word, 23, 21) == 1 {
            Flow::Call { target: None }
        } else {
            Flow::Leave
        });
    }
    if word & 0xff00_0000 == 0xd400_0000 {
        return match field(word, 23, 21) {
            0 => Some((vec![Op::Clobber(Arch::Aarch64.clobbered_by_call())], Flow::Next)),
            _ => bare(Flow::Trap),
        };
    }
    if word & 0xff00_0000 == 0xd500_0000 {
        return Some((system(word), Flow::Next));
    }
    None
}

fn system(word: u32) -> Vec<Op> {
    let x = |number| Reg::new(Arch::Aarch64, number);
    if word & 0xffff_f01f == 0xd503_201f {
        // Hints: nop, yield, bti (32 to 38) change nothing; pointer authentication signs x17 or x30.
        return match field(word, 11, 5) {
            0..=6 | 16..=23 | 32..=39 => Vec::new(),
            _ => clobber([x(16), x(17), x(30)]).into_iter().collect(),
        };
    }
    let read = bit(word, 21).then(|| reg(word, 0)).flatten();
    [clobber([read]), Some(Op::Flags(Compare::Unknown))].into_iter().flatten().collect()
}
