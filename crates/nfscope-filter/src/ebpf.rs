//! eBPF instructions, and an assembler for forward jumps.
//!
//! Layout of an instruction, from the kernel's `include/uapi/linux/bpf.h`
//! (`struct bpf_insn`), little-endian targets: byte 0 opcode, byte 1 destination
//! register (low four bits) and source register (high), bytes 2 and 3 jump or
//! memory offset, bytes 4 to 7 immediate.

/// One eBPF instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Class, operation and source bits.
    pub code: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Memory offset in bytes, or jump distance in instructions from the next one.
    pub off: i16,
    /// Immediate operand.
    pub imm: i32,
}

/// Bytes of an instruction in an object file.
pub const INSN_BYTES: usize = 8;

impl Insn {
    /// The instruction as it stands in a little-endian object.
    pub fn to_bytes(self) -> [u8; INSN_BYTES] {
        let off = self.off.to_le_bytes();
        let imm = self.imm.to_le_bytes();
        [
            self.code,
            (self.dst & 0xf) | (self.src << 4),
            off[0],
            off[1],
            imm[0],
            imm[1],
            imm[2],
            imm[3],
        ]
    }
}

/// Opcode parts, `include/uapi/linux/bpf_common.h` and `bpf.h`.
pub(crate) mod op {
    pub const LDX_MEM: u8 = 0x61;
    pub const STX_MEM: u8 = 0x63;
    pub const ALU32: u8 = 0x04;
    pub const ALU64: u8 = 0x07;
    pub const JMP: u8 = 0x05;
    pub const JMP32: u8 = 0x06;
    pub const SRC_REG: u8 = 0x08;

    pub const SIZE_H: u8 = 0x08;
    pub const SIZE_B: u8 = 0x10;

    pub const ADD: u8 = 0x00;
    pub const AND: u8 = 0x50;
    pub const LSH: u8 = 0x60;
    pub const NEG: u8 = 0x80;
    pub const MOV: u8 = 0xb0;
    /// `BPF_ALU | BPF_END | BPF_TO_BE`.
    pub const TO_BE: u8 = 0xdc;

    pub const JA: u8 = 0x00;
    pub const JEQ: u8 = 0x10;
    pub const JGT: u8 = 0x20;
    pub const JGE: u8 = 0x30;
    pub const JSET: u8 = 0x40;
    pub const JNE: u8 = 0x50;
    pub const JLT: u8 = 0xa0;
    pub const JLE: u8 = 0xb0;
    pub const EXIT: u8 = 0x95;
}

/// A register, r0 to r10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reg(pub u8);

/// The second operand of an operation or a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    Reg(Reg),
    Imm(u32),
}

/// A place that jumps can go to before it is known where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(pub usize);

/// Collects instructions; jumps are resolved by [`Assembler::finish`].
pub(crate) struct Assembler {
    insns: Vec<Insn>,
    /// Where each label is, once it is placed.
    places: Vec<Option<usize>>,
    /// Jump instructions and the labels that they go to.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    pub fn new(labels: usize) -> Self {
        Self { insns: Vec::new(), places: vec![None; labels], jumps: Vec::new() }
    }

    /// One more label.
    pub fn fresh_label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// Puts `label` in front of the next instruction.
    pub fn place(&mut self, label: Label) {
        self.places[label.0] = Some(self.insns.len());
    }

    /// Whether any jump goes to `label`.
    pub fn is_target(&self, label: Label) -> bool {
        self.jumps.iter().any(|(_, to)| *to == label)
    }

    fn push(&mut self, code: u8, dst: Reg, src: Reg, off: i16, imm: u32) {
        self.insns.push(Insn { code, dst: dst.0, src: src.0, off, imm: imm as i32 });
    }

    /// A 32-bit operation; the upper half of `dst` becomes zero.
    pub fn alu32(&mut self, operation: u8, dst: Reg, operand: Operand) {
        match operand {
            Operand::Imm(k) => self.push(op::ALU32 | operation, dst, Reg(0), 0, k),
            Operand::Reg(src) => self.push(op::ALU32 | operation | op::SRC_REG, dst, src, 0, 0),
        }
    }

    /// A 64-bit operation between registers, as pointers need it.
    pub fn alu64(&mut self, operation: u8, dst: Reg, src: Reg) {
        self.push(op::ALU64 | operation | op::SRC_REG, dst, src, 0, 0);
    }

    /// Reads 1, 2 or 4 bytes as a number in the machine's own order.
    pub fn load(&mut self, bytes: u32, dst: Reg, base: Reg, off: i16) {
        let size = match bytes {
            1 => op::SIZE_B,
            2 => op::SIZE_H,
            _ => 0,
        };
        self.push(op::LDX_MEM | size, dst, base, off, 0);
    }

    /// Stores 4 bytes.
    pub fn store(&mut self, base: Reg, off: i16, src: Reg) {
        self.push(op::STX_MEM, base, src, off, 0);
    }

    /// Makes a number in network order of `bytes` (2 or 4) bytes one of the machine's.
    pub fn network_to_host(&mut self, reg: Reg, bytes: u32) {
        self.push(op::TO_BE, reg, Reg(0), 0, bytes * 8);
    }

    /// Goes to `label` if the 32-bit comparison holds.
    pub fn jump32(&mut self, condition: u8, dst: Reg, operand: Operand, label: Label) {
        self.jumps.push((self.insns.len(), label));
        match operand {
            Operand::Imm(k) => self.push(op::JMP32 | condition, dst, Reg(0), 0, k),
            Operand::Reg(src) => self.push(op::JMP32 | condition | op::SRC_REG, dst, src, 0, 0),
        }
    }

    /// Goes to `label` if the 64-bit comparison with a small number holds: unlike
    /// the 32-bit one it bounds the whole register for every verifier.
    pub fn jump64(&mut self, condition: u8, dst: Reg, small: u16, label: Label) {
        self.jumps.push((self.insns.len(), label));
        self.push(op::JMP | condition, dst, Reg(0), 0, u32::from(small));
    }

    /// Goes to `label`.
    pub fn jump(&mut self, label: Label) {
        self.jumps.push((self.insns.len(), label));
        self.push(op::JMP | op::JA, Reg(0), Reg(0), 0, 0);
    }

    /// Returns from the function.
    pub fn exit(&mut self) {
        self.push(op::EXIT, Reg(0), Reg(0), 0, 0);
    }

    /// The program with its jumps filled in, or its length if one of them does
    /// not fit into an instruction.
    pub fn finish(mut self) -> Result<Vec<Insn>, usize> {
        let length = self.insns.len();
        for (at, label) in &self.jumps {
            let distance = self.places[label.0]
                .and_then(|place| place.checked_sub(at + 1))
                .and_then(|distance| i16::try_from(distance).ok());
            self.insns[*at].off = distance.ok_or(length)?;
        }
        Ok(self.insns)
    }
}
