//! Instructions, with jumps to places that are not known yet.

use nfscope_filter::Insn;

use crate::plan::Current;

/// Opcodes (`include/uapi/linux/bpf_common.h`, `bpf.h`), of 64 bits.
mod op {
    pub const LDX_DW: u8 = 0x79;
    pub const LDX_W: u8 = 0x61;
    pub const STX_DW: u8 = 0x7b;
    pub const ST_DW: u8 = 0x7a;
    pub const LD_IMM: u8 = 0x18;
    pub const MOV: u8 = 0xb7;
    pub const MOV_REG: u8 = 0xbf;
    pub const ADD: u8 = 0x07;
    pub const ADD_REG: u8 = 0x0f;
    pub const AND: u8 = 0x57;
    pub const AND_REG: u8 = 0x5f;
    pub const OR_REG: u8 = 0x4f;
    pub const LSH: u8 = 0x67;
    pub const RSH: u8 = 0x77;
    pub const ARSH: u8 = 0xc7;
    pub const TO_BE: u8 = 0xdc;
    pub const JA: u8 = 0x05;
    pub const JMP_REG: u8 = 0x0d;
    pub const CALL: u8 = 0x85;
    pub const EXIT: u8 = 0x95;
}

/// Conditions of jumps, to be added to the class.
pub mod jump {
    /// `==`
    pub const EQUAL: u8 = 0x10;
    /// `>`
    pub const GREATER: u8 = 0x20;
    /// `>=`
    pub const GREATER_OR_EQUAL: u8 = 0x30;
    /// `!=`
    pub const NOT_EQUAL: u8 = 0x50;
    /// `>`, of numbers that may be negative.
    pub const SIGNED_GREATER: u8 = 0x60;
    /// `>=`, likewise.
    pub const SIGNED_GREATER_OR_EQUAL: u8 = 0x70;
    /// `<`
    pub const LESS: u8 = 0xa0;
    /// `<=`
    pub const LESS_OR_EQUAL: u8 = 0xb0;
    /// `<`, of numbers that may be negative.
    pub const SIGNED_LESS: u8 = 0xc0;
    /// `<=`, likewise.
    pub const SIGNED_LESS_OR_EQUAL: u8 = 0xd0;
}

/// Functions of the kernel (`enum bpf_func_id`).
#[derive(Debug, Clone, Copy)]
pub enum Helper {
    /// `bpf_probe_read_kernel`
    Read = 113,
    /// `bpf_probe_read_kernel_str`
    ReadText = 115,
    /// `bpf_probe_read_user_str`
    ReadUserText = 114,
    /// `bpf_get_current_comm`
    Command = 16,
    /// `bpf_get_smp_processor_id`
    Cpu = 8,
    /// `bpf_get_current_pid_tgid`
    Process = 14,
    /// `bpf_get_current_uid_gid`
    User = 15,
}

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reg(pub u8);

/// A place that is jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

/// Collects instructions.
#[derive(Debug, Default)]
pub struct Assembler {
    insns: Vec<Insn>,
    places: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// A place that is not known yet.
    pub fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// It is in front of the next instruction.
    pub fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = Some(self.insns.len());
        }
    }

    /// Whether anything jumps there: what nothing comes to the verifier refuses.
    pub fn is_target(&self, label: Label) -> bool {
        self.jumps.iter().any(|(_, to)| *to == label)
    }

    fn push(&mut self, code: u8, dst: Reg, src: Reg, off: i16, imm: i32) {
        self.insns.push(Insn { code, dst: dst.0, src: src.0, off, imm });
    }

    /// `dst = *(u64 *)(src + off)`
    pub fn load(&mut self, dst: Reg, src: Reg, off: i16) {
        self.push(op::LDX_DW, dst, src, off, 0);
    }

    /// `dst = *(u32 *)(src + off)`
    pub fn load_half(&mut self, dst: Reg, src: Reg, off: i16) {
        self.push(op::LDX_W, dst, src, off, 0);
    }

    /// `*(u64 *)(dst + off) = src`
    pub fn store(&mut self, dst: Reg, off: i16, src: Reg) {
        self.push(op::STX_DW, dst, src, off, 0);
    }

    /// `*(u64 *)(dst + off) = 0`
    pub fn store_zero(&mut self, dst: Reg, off: i16) {
        self.push(op::ST_DW, dst, Reg(0), off, 0);
    }

    /// `dst = value`
    pub fn set(&mut self, dst: Reg, value: u64) {
        match i32::try_from(value.cast_signed()) {
            Ok(small) => self.push(op::MOV, dst, Reg(0), 0, small),
            Err(_) => {
                self.push(op::LD_IMM, dst, Reg(0), 0, value as u32 as i32);
                self.push(0, Reg(0), Reg(0), 0, (value >> 32) as u32 as i32);
            }
        }
    }

    /// `dst = src`
    pub fn copy(&mut self, dst: Reg, src: Reg) {
        self.push(op::MOV_REG, dst, src, 0, 0);
    }

    /// `dst += value`; `helper` is overwritten if the value is large.
    pub fn add(&mut self, dst: Reg, value: i64, helper: Reg) {
        match i32::try_from(value) {
            Ok(small) => self.push(op::ADD, dst, Reg(0), 0, small),
            Err(_) => {
                self.set(helper, value.cast_unsigned());
                self.add_register(dst, helper);
            }
        }
    }

    /// `dst += src`
    pub fn add_register(&mut self, dst: Reg, src: Reg) {
        self.push(op::ADD_REG, dst, src, 0, 0);
    }

    /// `dst &= value`, which is small.
    pub fn and(&mut self, dst: Reg, value: u16) {
        self.push(op::AND, dst, Reg(0), 0, value.into());
    }

    /// `dst &= src`
    pub fn and_register(&mut self, dst: Reg, src: Reg) {
        self.push(op::AND_REG, dst, src, 0, 0);
    }

    /// `dst |= src`
    pub fn or_register(&mut self, dst: Reg, src: Reg) {
        self.push(op::OR_REG, dst, src, 0, 0);
    }

    /// `dst <<= bits`
    pub fn shift_left(&mut self, dst: Reg, bits: u32) {
        if bits > 0 {
            self.push(op::LSH, dst, Reg(0), 0, bits as i32);
        }
    }

    /// `dst >>= bits`, keeping the sign if there is one.
    pub fn shift_right(&mut self, dst: Reg, bits: u32, signed: bool) {
        if bits > 0 {
            self.push(if signed { op::ARSH } else { op::RSH }, dst, Reg(0), 0, bits as i32);
        }
    }

    /// Makes a number in network order of so many bits one of the machine's.
    pub fn turn(&mut self, dst: Reg, bits: u32) {
        self.push(op::TO_BE, dst, Reg(0), 0, bits as i32);
    }

    /// Calls a function of the kernel; the result is in r0.
    pub fn call(&mut self, helper: Helper) {
        self.push(op::CALL, Reg(0), Reg(0), 0, helper as i32);
    }

    /// What the kernel knows of the task, in r0.
    pub fn current(&mut self, what: Current) {
        let result = Reg(0);
        match what {
            Current::Cpu => return self.call(Helper::Cpu),
            Current::Pid => {
                self.call(Helper::Process);
                return self.shift_right(result, 32, false);
            }
            Current::Tid => self.call(Helper::Process),
            Current::Uid => self.call(Helper::User),
        }
        self.shift_left(result, 32);
        self.shift_right(result, 32, false);
    }

    /// Goes to the label if two registers compare so.
    pub fn jump_if(&mut self, left: Reg, condition: u8, right: Reg, label: Label) {
        self.jumps.push((self.insns.len(), label));
        self.push(op::JMP_REG | condition, left, right, 0, 0);
    }

    /// Goes to the label if a register compares so with a small number.
    pub fn jump_if_small(&mut self, left: Reg, condition: u8, right: i16, label: Label) {
        self.jumps.push((self.insns.len(), label));
        self.push(op::JA | condition, left, Reg(0), 0, right.into());
    }

    /// Goes to the label.
    pub fn jump(&mut self, label: Label) {
        self.jumps.push((self.insns.len(), label));
        self.push(op::JA, Reg(0), Reg(0), 0, 0);
    }

    /// Returns r0.
    pub fn exit(&mut self) {
        self.push(op::EXIT, Reg(0), Reg(0), 0, 0);
    }

    /// The instructions; `None`: a jump is too far, or goes nowhere.
    pub fn finish(mut self) -> Option<Vec<Insn>> {
        for (at, label) in &self.jumps {
            let place = (*self.places.get(label.0)?)?;
            let distance = place.checked_sub(at + 1)?;
            self.insns.get_mut(*at)?.off = i16::try_from(distance).ok()?;
        }
        Some(self.insns)
    }
}
