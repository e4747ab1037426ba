//! Random classic BPF programs: everything that the machine can do, not only what
//! libpcap makes of expressions.

use super::Random;
use nfscope_filter::ClassicInsn;

/// A valid program of about `length` instructions: forward jumps, memory words
/// written before they are read, no division by the constant zero, no constant
/// shift by more than 31 (libpcap leaves these undefined).
pub fn program(random: &mut Random, length: usize) -> Vec<ClassicInsn> {
    let mut program = Vec::new();
    for word in 0..4 {
        program.push(insn(if word % 2 == 0 { 0x02 } else { 0x03 }, word));
    }
    for left in (0..length).rev() {
        program.push(step(random, left));
    }
    program.push(insn(0x06, 0));
    program.push(insn(0x06, 262_144));
    program
}

fn insn(code: u16, k: u32) -> ClassicInsn {
    ClassicInsn { code, jt: 0, jf: 0, k }
}

/// One instruction with `left` more, and the two returns, behind it.
fn step(random: &mut Random, left: usize) -> ClassicInsn {
    let small = random.below(60) as u32;
    let word = random.below(4) as u32;
    let operand = random.below(2) as u16 * 8;
    match random.below(20) {
        0..=3 => insn(random.pick(&[&0x20, &0x28, &0x30]).to_owned(), small),
        4 | 5 => insn(random.pick(&[&0x40, &0x48, &0x50]).to_owned(), small),
        6 => insn(0xb1, small),
        7 => insn(random.pick(&[&0x00, &0x01]).to_owned(), constant(random)),
        8 => insn(random.pick(&[&0x60, &0x61]).to_owned(), word),
        9 => insn(random.pick(&[&0x02, &0x03]).to_owned(), word),
        10 => insn(random.pick(&[&0x80, &0x81]).to_owned(), 0),
        11 | 12 => insn(random.pick(&[&0x07, &0x87]).to_owned(), 0),
        13..=15 => {
            let operation: u16 = *random.pick(&[
                &0x00, &0x10, &0x20, &0x30, &0x40, &0x50, &0x60, &0x70, &0x80, &0x90, &0xa0, &0x50,
            ]);
            let k = match operation {
                0x60 | 0x70 => random.below(32) as u32,
                0x30 | 0x90 => constant(random).max(1),
                _ => constant(random),
            };
            let operand = if operation == 0x80 { 0 } else { operand };
            insn(0x04 | operation | operand, k)
        }
        16 if random.one_in(8) => insn(0x16, 0),
        16 => insn(0x05, random.below(left + 1) as u32),
        _ => {
            let condition: u16 = *random.pick(&[&0x10, &0x20, &0x30, &0x40]);
            let mut distance = || random.below((left + 2).min(256)) as u8;
            let (jt, jf) = (distance(), distance());
            ClassicInsn { code: 0x05 | condition | operand, jt, jf, k: constant(random) }
        }
    }
}

fn constant(random: &mut Random) -> u32 {
    match random.below(6) {
        0 => random.next() as u32,
        1 => u32::MAX - random.below(3) as u32,
        2 => *random.pick(&[&0x0800, &0x86dd, &0x8100, &0x8000_0000, &0x45]),
        _ => random.below(70) as u32,
    }
}
