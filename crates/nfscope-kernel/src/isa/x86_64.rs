//! x86-64 machine code, decoded with iced-x86.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    Mnemonic, OpAccess, OpKind, Register,
};

use super::{Arch, BadCode, Compare, Cond, Flow, Ins, Mem, Op, Reg, RegSet, Source};

pub(super) fn decode(
    code: &[u8],
    relocated: impl Fn(u32, u32) -> bool,
) -> Result<Vec<Ins>, BadCode> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut info = InstructionInfoFactory::new();
    let mut out = Vec::with_capacity(code.len() / 4);
    let mut raw = Instruction::default();
    while decoder.can_decode() {
        let offset = decoder.ip() as u32;
        decoder.decode_out(&mut raw);
        if raw.code() == Code::INVALID {
            return Err(BadCode(offset));
        }
        let len = raw.len() as u8;
        let known = !relocated(offset, u32::from(len));
        let nop = matches!(raw.mnemonic(), Mnemonic::Nop | Mnemonic::Fnop | Mnemonic::Endbr64)
            || raw.mnemonic() == Mnemonic::Xchg && same_registers(&raw);
        let ops = if nop { Vec::new() } else { ops(&raw, known, &mut info) };
        out.push(Ins { offset, len, ops, flow: flow(&raw, known), nop });
    }
    Ok(out)
}

fn same_registers(raw: &Instruction) -> bool {
    raw.op0_kind() == OpKind::Register
        && raw.op1_kind() == OpKind::Register
        && raw.op0_register() == raw.op1_register()
}

/// The general register that a register is part of.
fn general(register: Register) -> Option<Reg> {
    let full = register.full_register();
    full.is_gpr64().then(|| Reg::new(Arch::X86_64, full.number() as u8)).flatten()
}

fn mem(raw: &Instruction, bytes: usize) -> Mem {
    let plain =
        matches!(raw.memory_segment(), Register::DS | Register::SS | Register::ES | Register::CS);
    let base = general(raw.memory_base()).filter(|_| plain);
    Mem {
        base,
        disp: raw.memory_displacement64() as i64,
        index: general(raw.memory_index()),
        bytes: bytes.min(255) as u8,
    }
}

fn operand_mem(raw: &Instruction) -> Mem {
    mem(raw, raw.memory_size().size())
}

/// The immediate in operand `n`, sign-extended from the operation's width.
fn immediate(raw: &Instruction, n: u32, known: bool) -> Option<i64> {
    if !known {
        return None;
    }
    raw.try_immediate(n).ok().map(|value| value as i64)
}

fn sign_extend(value: i64, bits: u32) -> i64 {
    let shift = 64 - bits.clamp(1, 64);
    value << shift >> shift
}

/// Width of operand 0 in bits.
fn width(raw: &Instruction) -> u32 {
    let bytes = match raw.op0_kind() {
        OpKind::Register => raw.op0_register().size(),
        _ => raw.memory_size().size(),
    };
    (bytes * 8) as u32
}

fn mask_of(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1)
}

fn high_byte(register: Register) -> bool {
    matches!(register, Register::AH | Register::BH | Register::CH | Register::DH)
}

fn ops(raw: &Instruction, known: bool, info: &mut InstructionInfoFactory) -> Vec<Op> {
    exact(raw, known).unwrap_or_else(|| general_effects(raw, info))
}

/// The instructions that are followed exactly; `None` for all others.
fn exact(raw: &Instruction, known: bool) -> Option<Vec<Op>> {
    let (kind0, kind1) = (raw.op0_kind(), raw.op1_kind());
    let reg0 = || (kind0 == OpKind::Register).then(|| general(raw.op0_register())).flatten();
    let reg1 = || (kind1 == OpKind::Register).then(|| general(raw.op1_register())).flatten();
    let bits = width(raw);
    match raw.mnemonic() {
        Mnemonic::Mov if kind0 == OpKind::Memory => {
            let src = match (reg1(), immediate(raw, 1, known)) {
                (Some(reg), _) if !high_byte(raw.op1_register()) => Source::Reg(reg),
                (None, Some(value)) => Source::Const(sign_extend(value, bits)),
                _ => Source::Unknown,
            };
            Some(vec![Op::Store { mem: operand_mem(raw), src }])
        }
        Mnemonic::Mov if bits >= 32 => {
            let dst = reg0()?;
            if kind1 == OpKind::Memory {
                return Some(vec![Op::Load { dst, mem: operand_mem(raw) }]);
            }
            Some(vec![match (reg1(), immediate(raw, 1, known)) {
                (Some(src), _) => Op::Move { dst, src, bits: bits as u8 },
                (None, Some(value)) => Op::Const {
                    dst,
                    value: if bits == 32 { i64::from(value as u32) } else { value },
                },
                _ => return None,
            }])
        }
        Mnemonic::Movzx if bits >= 32 => {
            let dst = reg0()?;
            if kind1 == OpKind::Memory {
                return Some(vec![Op::Load { dst, mem: operand_mem(raw) }]);
            }
            if high_byte(raw.op1_register()) {
                return None;
            }
            let mask = mask_of(raw.op1_register().size() as u32 * 8);
            Some(vec![Op::And { dst, src: reg1()?, mask }])
        }
        Mnemonic::Lea if bits == 64 => {
            let dst = reg0()?;
            let index = general(raw.memory_index());
            let base = match (general(raw.memory_base()), index) {
                (Some(base), _) => base,
                (None, Some(index)) if raw.memory_index_scale() == 1 => index,
                _ => return None,
            };
            let index = index.filter(|_| raw.memory_base() != Register::None);
            let disp = raw.memory_displacement64() as i64;
            known.then(|| vec![Op::Add { dst, base, disp, index }])
        }
        Mnemonic::Add | Mnemonic::Sub if bits == 64 && kind0 == OpKind::Register => {
            let dst = reg0()?;
            let add = raw.mnemonic() == Mnemonic::Add;
            let op = match (reg1(), immediate(raw, 1, known)) {
                (None, Some(value)) => {
                    let disp = if add { value } else { value.wrapping_neg() };
                    Op::Add { dst, base: dst, disp, index: None }
                }
                (index, _) if add && index.is_some() => Op::Add { dst, base: dst, disp: 0, index },
                _ => return None,
            };
            Some(vec![op, Op::Flags(Compare::Unknown)])
        }
        Mnemonic::Xor | Mnemonic::Sub
            if bits >= 32 && kind0 == OpKind::Register && same_registers(raw) =>
        {
            Some(vec![Op::Const { dst: reg0()?, value: 0 }, Op::Flags(Compare::Unknown)])
        }
        Mnemonic::And if bits >= 32 && kind0 == OpKind::Register => {
            let dst = reg0()?;
            let mask = immediate(raw, 1, known)? as u64 & mask_of(bits);
            Some(vec![Op::Flags(Compare::Test { reg: dst, mask }), Op::And { dst, src: dst, mask }])
        }
        Mnemonic::Test if kind0 == OpKind::Register && !high_byte(raw.op0_register()) => {
            let mask = match immediate(raw, 1, known) {
                Some(value) => value as u64 & mask_of(bits),
                None if same_registers(raw) => mask_of(bits),
                None => return None,
            };
            Some(vec![Op::Flags(Compare::Test { reg: reg0()?, mask })])
        }
        Mnemonic::Cmp => {
            let with = sign_extend(immediate(raw, 1, known)?, bits);
            Some(vec![Op::Flags(match kind0 {
                OpKind::Memory => Compare::Mem { mem: operand_mem(raw), with },
                _ if high_byte(raw.op0_register()) => return None,
                _ => Compare::Reg { reg: reg0()?, bits: bits as u8, with },
            })])
        }
        Mnemonic::Push | Mnemonic::Pop => {
            let sp = Arch::X86_64.sp();
            let slot = |disp| Mem { base: Some(sp), disp, index: None, bytes: 8 };
            let shift = |disp| Op::Add { dst: sp, base: sp, disp, index: None };
            if raw.mnemonic() == Mnemonic::Push {
                let src = reg0().filter(|r| *r != sp).map_or(Source::Unknown, Source::Reg);
                return Some(vec![shift(-8), Op::Store { mem: slot(0), src }]);
            }
            let dst = reg0().filter(|r| *r != sp)?;
            Some(vec![Op::Load { dst, mem: slot(0) }, shift(8)])
        }
        _ => None,
    }
}

/// Every register and every memory operand that an instruction writes, by iced's tables.
fn general_effects(raw: &Instruction, factory: &mut InstructionInfoFactory) -> Vec<Op> {
    let writes = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let info = factory.info(raw);
    let mut ops = Vec::new();
    // A call's push of the return address lies below the frame and is undone by the return.
    let call = matches!(raw.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
    for used in info.used_memory().iter().filter(|used| writes(used.access()) && !call) {
        let plain =
            matches!(used.segment(), Register::DS | Register::SS | Register::ES | Register::CS);
        ops.push(Op::Store {
            mem: Mem {
                base: general(used.base()).filter(|_| plain),
                disp: used.displacement() as i64,
                index: general(used.index()),
                // A repeated string instruction writes an unknown number of elements.
                bytes: if raw.has_rep_prefix() || raw.has_repne_prefix() {
                    0
                } else {
                    used.memory_size().size().min(255) as u8
                },
            },
            src: Source::Unknown,
        });
    }
    let clobbers: RegSet = info
        .used_registers()
        .iter()
        .filter(|used| writes(used.access()))
        .filter_map(|used| general(used.register()))
        .filter(|reg| !(call && *reg == Arch::X86_64.sp()))
        .collect();
    if !clobbers.is_empty() {
        ops.push(Op::Clobber(clobbers));
    }
    if raw.rflags_modified() != 0 {
        ops.push(Op::Flags(Compare::Unknown));
    }
    ops
}

fn flow(raw: &Instruction, known: bool) -> Flow {
    let near = |raw: &Instruction| raw.near_branch_target() as i64;
    match raw.flow_control() {
        FlowControl::Next => Flow::Next,
        FlowControl::ConditionalBranch => {
            let cond = match raw.condition_code() {
                ConditionCode::e => Cond::Equal,
                ConditionCode::ne => Cond::NotEqual,
                _ => Cond::Other,
            };
            Flow::Branch { target: near(raw), cond }
        }
        // A relocated jump goes to another symbol: a tail call or the return thunk.
        FlowControl::UnconditionalBranch if known => Flow::Jump { target: near(raw) },
        FlowControl::Call => Flow::Call { target: known.then(|| near(raw)) },
        FlowControl::IndirectCall => Flow::Call { target: None },
        FlowControl::Exception => Flow::Trap,
        FlowControl::Interrupt => Flow::Trap,
        _ => Flow::Leave,
    }
}
