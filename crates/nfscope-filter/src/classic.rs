//! Classic BPF, the machine that libpcap compiles to: bytes, and operations.
//!
//! The machine has an accumulator A, an index register X and sixteen memory
//! words M, all 32 bits wide and unsigned, and reads the packet in network
//! order. The encoding is that of libpcap's `pcap/bpf.h`.

use crate::error::FilterError;

/// `struct bpf_insn` of `pcap/bpf.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicInsn {
    /// Class, size, mode and operation bits.
    pub code: u16,
    /// Instructions to skip if the condition holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Constant, offset or memory word.
    pub k: u32,
}

/// Words of the memory M (`BPF_MEMWORDS`).
pub(crate) const MEMORY_WORDS: usize = 16;

/// Right operand of an arithmetic operation or a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    K(u32),
    X,
}

/// Arithmetic on A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Lsh,
    Rsh,
}

/// Comparison of A with the operand, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

/// One operation. Jump targets are indices into the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// A = `bytes` (1, 2, 4) bytes of the packet at `k`.
    LoadAbsolute {
        bytes: u32,
        k: u32,
    },
    /// A = bytes of the packet at X + `k`.
    LoadIndirect {
        bytes: u32,
        k: u32,
    },
    LoadConstant(u32),
    LoadMemory(usize),
    LoadLength,
    IndexConstant(u32),
    IndexMemory(usize),
    IndexLength,
    /// X = 4 * (low half of the packet's byte at `k`): an IPv4 header's length.
    IndexHeaderLength {
        k: u32,
    },
    StoreA(usize),
    StoreX(usize),
    Arithmetic(Arithmetic, Source),
    Negate,
    AToX,
    XToA,
    Jump(usize),
    Branch {
        condition: Condition,
        source: Source,
        yes: usize,
        no: usize,
    },
    ReturnConstant(u32),
    ReturnA,
}

/// Turns libpcap's instructions into operations. Every jump target is inside the
/// program and no operation runs off its end; only [`Op::Jump`] may go backwards.
pub(crate) fn decode(program: &[ClassicInsn]) -> Result<Vec<Op>, FilterError> {
    let ops: Vec<Op> = program
        .iter()
        .enumerate()
        .map(|(at, insn)| operation(at, insn).ok_or_else(|| bad(at, "unknown operation")))
        .collect::<Result<_, _>>()?;
    for (at, op) in ops.iter().enumerate() {
        let inside = match *op {
            Op::Jump(to) => to < ops.len(),
            Op::Branch { yes, no, .. } => yes < ops.len() && no < ops.len(),
            Op::ReturnConstant(_) | Op::ReturnA => true,
            _ => at + 1 < ops.len(),
        };
        if !inside {
            return Err(bad(at, "it leads out of the program"));
        }
    }
    if ops.is_empty() {
        return Err(bad(0, "the program is empty"));
    }
    Ok(ops)
}

pub(crate) fn bad(at: usize, why: &'static str) -> FilterError {
    FilterError::Untranslatable { at, why }
}

fn operation(at: usize, insn: &ClassicInsn) -> Option<Op> {
    let k = insn.k;
    let memory = || usize::try_from(k).ok().filter(|word| *word < MEMORY_WORDS);
    let source = if insn.code & 0x08 != 0 { Source::X } else { Source::K(k) };
    Some(match insn.code & 0x07 {
        // BPF_LD
        0x00 => {
            let bytes = match insn.code & 0x18 {
                0x00 => 4,
                0x08 => 2,
                0x10 => 1,
                _ => return None,
            };
            match insn.code & 0xe0 {
                0x00 => Op::LoadConstant(k),
                0x20 => Op::LoadAbsolute { bytes, k },
                0x40 => Op::LoadIndirect { bytes, k },
                0x60 => Op::LoadMemory(memory()?),
                0x80 => Op::LoadLength,
                _ => return None,
            }
        }
        // BPF_LDX
        0x01 => match insn.code & 0xe0 {
            0x00 => Op::IndexConstant(k),
            0x60 => Op::IndexMemory(memory()?),
            0x80 => Op::IndexLength,
            0xa0 => Op::IndexHeaderLength { k },
            _ => return None,
        },
        // BPF_ST, BPF_STX
        0x02 => Op::StoreA(memory()?),
        0x03 => Op::StoreX(memory()?),
        // BPF_ALU
        0x04 => match insn.code & 0xf0 {
            0x00 => Op::Arithmetic(Arithmetic::Add, source),
            0x10 => Op::Arithmetic(Arithmetic::Sub, source),
            0x20 => Op::Arithmetic(Arithmetic::Mul, source),
            0x30 => Op::Arithmetic(Arithmetic::Div, source),
            0x40 => Op::Arithmetic(Arithmetic::Or, source),
            0x50 => Op::Arithmetic(Arithmetic::And, source),
            0x60 => Op::Arithmetic(Arithmetic::Lsh, source),
            0x70 => Op::Arithmetic(Arithmetic::Rsh, source),
            0x80 => Op::Negate,
            0x90 => Op::Arithmetic(Arithmetic::Mod, source),
            0xa0 => Op::Arithmetic(Arithmetic::Xor, source),
            _ => return None,
        },
        // BPF_JMP
        0x05 => {
            let condition = match insn.code & 0xf0 {
                // A distance backwards is a negative number.
                0x00 => return Some(Op::Jump(relative(at, k)?)),
                0x10 => Condition::Equal,
                0x20 => Condition::Greater,
                0x30 => Condition::GreaterOrEqual,
                0x40 => Condition::AnyBit,
                _ => return None,
            };
            Op::Branch {
                condition,
                source,
                yes: at + 1 + usize::from(insn.jt),
                no: at + 1 + usize::from(insn.jf),
            }
        }
        // BPF_RET; the value is K or A, never X.
        0x06 => match insn.code & 0x18 {
            0x00 => Op::ReturnConstant(k),
            0x10 => Op::ReturnA,
            _ => return None,
        },
        // BPF_MISC
        _ => match insn.code & 0xf8 {
            0x00 => Op::AToX,
            0x80 => Op::XToA,
            _ => return None,
        },
    })
}

fn relative(at: usize, k: u32) -> Option<usize> {
    let distance = isize::try_from(k as i32).ok()?;
    at.checked_add(1)?.checked_add_signed(distance)
}
