//! An eBPF interpreter as strict as the kernel's verifier about what this crate
//! promises: forward jumps only, no unreachable instruction, no register read
//! before it was written, no access outside the frame buffer or the stack.

use nfscope_filter::{FRAME_CAPACITY, Insn};

/// Addresses that the program sees: far apart, so that mixing them up shows.
const FRAME: u64 = 0x7000_0000_0000;
const STACK_TOP: u64 = 0x6000_0000_0000;
const STACK_BYTES: u64 = 72;

/// Fails if an instruction is unreachable, jumps backwards or leaves the program.
pub fn check_shape(program: &[Insn]) -> Result<(), String> {
    let mut reached = vec![false; program.len()];
    reached[0] = true;
    for (at, insn) in program.iter().enumerate() {
        if !reached[at] {
            return Err(format!("unreachable instruction {at}: {insn:?}"));
        }
        let class = insn.code & 7;
        let mut reach = |to: usize| match reached.get_mut(to) {
            Some(flag) => {
                *flag = true;
                Ok(())
            }
            None => Err(format!("instruction {at} leaves the program")),
        };
        if insn.code == 0x95 {
            continue;
        }
        if class == 5 || class == 6 {
            if insn.off < 0 {
                return Err(format!("backward jump at {at}"));
            }
            reach(at + 1 + insn.off as usize)?;
            if insn.code == 0x05 {
                continue;
            }
        }
        reach(at + 1)?;
    }
    Ok(())
}

/// Runs the program. The upper halves of the length registers are not zero, as the
/// calling convention allows.
pub fn run(program: &[Insn], frame: &[u8], caplen: u32, wirelen: u32) -> Result<u64, String> {
    assert_eq!(frame.len(), FRAME_CAPACITY as usize);
    let mut regs: [Option<u64>; 11] = [None; 11];
    regs[1] = Some(FRAME);
    regs[2] = Some(u64::from(caplen) | 0xdead_0000_0000_0000);
    regs[3] = Some(u64::from(wirelen) | 0xbeef_0000_0000_0000);
    regs[10] = Some(STACK_TOP);
    let mut stack: [Option<u8>; STACK_BYTES as usize] = [None; STACK_BYTES as usize];
    let mut at = 0;
    loop {
        let insn = program.get(at).ok_or("ran off the end")?;
        let wrong = |what: &str| format!("{what} at {at}: {insn:?}");
        let read = |reg: u8| {
            regs[usize::from(reg)].ok_or_else(|| format!("r{reg} is not set at {at}: {insn:?}"))
        };
        let imm = insn.imm as i64 as u64;
        let wide = matches!(insn.code & 7, 5 | 7);
        let operand = || {
            let value = if insn.code & 8 != 0 { read(insn.src)? } else { imm };
            Ok::<u64, String>(if wide { value } else { value & 0xffff_ffff })
        };
        match insn.code & 7 {
            1 => {
                let address = read(insn.src)?.wrapping_add_signed(i64::from(insn.off));
                let bytes = [4, 2, 1, 8][usize::from(insn.code >> 3 & 3)];
                let data = load(frame, &stack, address, bytes).ok_or_else(|| wrong("bad load"))?;
                regs[usize::from(insn.dst)] = Some(data);
            }
            3 => {
                let address = read(insn.dst)?.wrapping_add_signed(i64::from(insn.off));
                let data = read(insn.src)? as u32;
                let place = address
                    .checked_sub(STACK_TOP - STACK_BYTES)
                    .filter(|place| place % 4 == 0 && place + 4 <= STACK_BYTES)
                    .ok_or_else(|| wrong("bad store"))? as usize;
                for (i, byte) in data.to_le_bytes().into_iter().enumerate() {
                    stack[place + i] = Some(byte);
                }
            }
            4 | 7 => {
                let value = alu(insn, wide, &read, &operand)?.ok_or_else(|| wrong("unknown"))?;
                regs[usize::from(insn.dst)] = Some(value);
            }
            5 | 6 => {
                if insn.code == 0x95 {
                    return read(0);
                }
                let taken = insn.code == 0x05 || {
                    let left = read(insn.dst)?;
                    let left = if wide { left } else { left & 0xffff_ffff };
                    compare(insn.code >> 4, left, operand()?).ok_or_else(|| wrong("unknown"))?
                };
                if taken {
                    at += insn.off as usize;
                }
            }
            _ => return Err(wrong("unknown class")),
        }
        at += 1;
    }
}

fn load(frame: &[u8], stack: &[Option<u8>], address: u64, bytes: u64) -> Option<u64> {
    let byte = |i: u64| {
        let address = address + i;
        if address >= FRAME {
            frame.get((address - FRAME) as usize).copied()
        } else {
            *stack.get(address.checked_sub(STACK_TOP - STACK_BYTES)? as usize)?
        }
    };
    (0..bytes).try_fold(0, |sum, i| Some(sum | u64::from(byte(i)?) << (8 * i)))
}

fn alu(
    insn: &Insn,
    wide: bool,
    read: &dyn Fn(u8) -> Result<u64, String>,
    operand: &dyn Fn() -> Result<u64, String>,
) -> Result<Option<u64>, String> {
    if insn.code == 0xdc {
        let value = read(insn.dst)?;
        return Ok(match insn.imm {
            16 => Some(u64::from((value as u16).to_be())),
            32 => Some(u64::from((value as u32).to_be())),
            _ => None,
        });
    }
    let right = operand()?;
    if insn.code & 0xf0 == 0xb0 {
        return Ok(Some(right));
    }
    let left = read(insn.dst)?;
    if wide {
        return Ok((insn.code & 0xf0 == 0).then(|| left.wrapping_add(right)));
    }
    let (left, right) = (left as u32, right as u32);
    let result = match insn.code & 0xf0 {
        0x00 => Some(left.wrapping_add(right)),
        0x10 => Some(left.wrapping_sub(right)),
        0x20 => Some(left.wrapping_mul(right)),
        0x30 => left.checked_div(right),
        0x40 => Some(left | right),
        0x50 => Some(left & right),
        0x60 => left.checked_shl(right),
        0x70 => left.checked_shr(right),
        0x80 => Some(left.wrapping_neg()),
        0x90 => left.checked_rem(right),
        0xa0 => Some(left ^ right),
        _ => None,
    };
    Ok(result.map(u64::from))
}

fn compare(code: u8, left: u64, right: u64) -> Option<bool> {
    Some(match code {
        1 => left == right,
        2 => left > right,
        3 => left >= right,
        4 => left & right != 0,
        5 => left != right,
        0xa => left < right,
        0xb => left <= right,
        _ => return None,
    })
}
