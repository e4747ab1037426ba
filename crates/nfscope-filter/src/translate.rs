//! Classic BPF to eBPF, as the body of
//! `int packet_filter(const unsigned char *frame, u32 caplen, u32 wirelen)`.
//!
//! Registers: r0 is A and the result, r1 the frame, r2 the captured length, r4
//! is X, r5 a helper. r3 comes in as the length on the wire and is later the
//! address frame + X. The stack holds M[0] to M[15] at r10-64 and the length on
//! the wire at r10-68, if the program uses them. No register beyond r5 is
//! touched, so that no machine-code prologue has to save one.
//!
//! Bounds: the frame lies in a map value with [`FRAME_CAPACITY`] readable bytes
//! behind its address. A load at a fixed offset is always inside that; before it,
//! the captured length is compared, once for the most that every accepted
//! packet needs from there on. A load at X + k is compared with the captured
//! length for the program's sake, and X with a constant for the verifier's,
//! unless the verifier knows the bound (an IPv4 header's length).

use crate::FRAME_CAPACITY;
use crate::analysis::{Facts, analyse};
use crate::classic::{Arithmetic, Condition, Op, Source};
use crate::ebpf::{Assembler, Insn, Label, Operand, Reg, op};
use crate::error::FilterError;
use crate::flow::{Flow, Follow, Next};

const A: Reg = Reg(0);
const FRAME: Reg = Reg(1);
const CAPLEN: Reg = Reg(2);
/// The length on the wire at the start, then frame + X.
const WIRELEN: Reg = Reg(3);
const FRAME_AT_X: Reg = Reg(3);
const X: Reg = Reg(4);
const HELPER: Reg = Reg(5);
const STACK: Reg = Reg(10);

/// Where the length on the wire is kept.
const LENGTH_SLOT: i16 = -68;

fn memory_slot(word: usize) -> i16 {
    -64 + 4 * word as i16
}

/// What was already tested on every way to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tested {
    /// Bytes that the frame is known to have.
    frame: u32,
    /// Bytes that it is known to have from X on; 0 if X changed since.
    from_x: u32,
    /// Whether [`FRAME_AT_X`] holds that address.
    address: bool,
}

impl Tested {
    fn and(self, other: Self) -> Self {
        Self {
            frame: self.frame.min(other.frame),
            from_x: self.from_x.min(other.from_x),
            address: self.address && other.address,
        }
    }

    fn x_changed(&mut self) {
        self.from_x = 0;
        self.address = false;
    }
}

/// Translates a program whose loops are unrolled.
pub(crate) fn translate(ops: &[Op]) -> Result<(Vec<Insn>, Facts), FilterError> {
    let flow = Flow::of(ops)?;
    let facts = analyse(ops, &flow)?;
    let mut translator = Translator {
        reject: Label(ops.len()),
        out: Assembler::new(ops.len() + 1),
        ops,
        flow: &flow,
        facts: &facts,
        tested: vec![None; ops.len()],
    };
    translator.prologue();
    for (position, at) in flow.order.iter().enumerate() {
        let behind = flow.order.get(position + 1).copied();
        translator.operation(*at, behind);
    }
    translator.epilogue();
    let insns = translator.out.finish().map_err(|insns| FilterError::TooLong { insns })?;
    Ok((insns, facts))
}

struct Translator<'a> {
    ops: &'a [Op],
    flow: &'a Flow,
    facts: &'a Facts,
    out: Assembler,
    /// In front of "return 0", behind everything else.
    reject: Label,
    tested: Vec<Option<Tested>>,
}

impl Translator<'_> {
    fn prologue(&mut self) {
        let zero = Operand::Imm(0);
        if self.facts.reads_a_first || !self.facts.reads_memory_first.is_empty() {
            self.out.alu32(op::MOV, A, zero);
        }
        for word in &self.facts.reads_memory_first {
            self.out.store(STACK, memory_slot(*word), A);
        }
        if self.facts.reads_x_first {
            self.out.alu32(op::MOV, X, zero);
        }
        if self.facts.uses_length {
            self.out.store(STACK, LENGTH_SLOT, WIRELEN);
        }
        if let Next::Op(first) = self.flow.start {
            self.tested[first] = Some(Tested { frame: 0, from_x: 0, address: false });
        }
    }

    fn epilogue(&mut self) {
        if self.out.is_target(self.reject) || self.flow.order.is_empty() || self.ends_in_reject() {
            self.out.place(self.reject);
            self.out.alu32(op::MOV, A, Operand::Imm(0));
            self.out.exit();
        }
    }

    /// Whether the last operation runs into the place behind it.
    fn ends_in_reject(&self) -> bool {
        self.flow.order.last().is_some_and(|last| self.flow.follow(*last) != Follow::Nothing)
    }

    fn label(&self, next: Next) -> Label {
        match next {
            Next::Op(to) => Label(to),
            Next::Reject => self.reject,
        }
    }

    /// Emits the operation at `at`; `behind` is the one emitted after it.
    fn operation(&mut self, at: usize, behind: Option<usize>) {
        self.out.place(Label(at));
        let mut tested = self.tested[at].unwrap_or(Tested { frame: 0, from_x: 0, address: false });
        self.body(at, &mut tested);
        let follow = self.flow.follow(at);
        for next in follow.places() {
            if let Next::Op(to) = next {
                let known = self.tested[to].map_or(tested, |other| other.and(tested));
                self.tested[to] = Some(known);
            }
        }
        let falls_into = behind.map_or(Next::Reject, Next::Op);
        match follow {
            Follow::Nothing => self.out.exit(),
            Follow::One(next) if next == falls_into => {}
            Follow::One(next) => self.out.jump(self.label(next)),
            Follow::Two { yes, no } => self.branch(at, yes, no, falls_into),
        }
    }

    fn branch(&mut self, at: usize, yes: Next, no: Next, falls_into: Next) {
        let Op::Branch { condition, source, .. } = self.ops[at] else {
            return;
        };
        let operand = operand(source);
        let (holds, fails) = match condition {
            Condition::Equal => (op::JEQ, Some(op::JNE)),
            Condition::Greater => (op::JGT, Some(op::JLE)),
            Condition::GreaterOrEqual => (op::JGE, Some(op::JLT)),
            // There is no "no bit is set".
            Condition::AnyBit => (op::JSET, None),
        };
        match fails {
            Some(fails) if yes == falls_into => {
                self.out.jump32(fails, A, operand, self.label(no));
            }
            _ => {
                self.out.jump32(holds, A, operand, self.label(yes));
                if no != falls_into {
                    self.out.jump(self.label(no));
                }
            }
        }
    }

    fn body(&mut self, at: usize, tested: &mut Tested) {
        match self.ops[at] {
            Op::LoadAbsolute { bytes, k } => {
                self.test_frame(at, k + bytes, tested);
                self.load(bytes, FRAME, k);
            }
            Op::LoadIndirect { bytes, k } => {
                self.test_from_x(at, k + bytes, tested);
                if !tested.address {
                    self.out.alu64(op::MOV, FRAME_AT_X, FRAME);
                    self.out.alu64(op::ADD, FRAME_AT_X, X);
                    tested.address = true;
                }
                self.load(bytes, FRAME_AT_X, k);
            }
            Op::IndexHeaderLength { k } => {
                self.test_frame(at, k + 1, tested);
                self.out.load(1, X, FRAME, k as i16);
                self.out.alu32(op::AND, X, Operand::Imm(0xf));
                self.out.alu32(op::LSH, X, Operand::Imm(2));
                tested.x_changed();
            }
            Op::LoadConstant(k) => self.out.alu32(op::MOV, A, Operand::Imm(k)),
            Op::LoadMemory(word) => self.out.load(4, A, STACK, memory_slot(word)),
            Op::LoadLength => self.out.load(4, A, STACK, LENGTH_SLOT),
            Op::XToA => self.out.alu32(op::MOV, A, Operand::Reg(X)),
            Op::IndexConstant(k) => {
                self.set_x(tested, |out| out.alu32(op::MOV, X, Operand::Imm(k)))
            }
            Op::IndexMemory(word) => {
                self.set_x(tested, |out| out.load(4, X, STACK, memory_slot(word)));
            }
            Op::IndexLength => self.set_x(tested, |out| out.load(4, X, STACK, LENGTH_SLOT)),
            Op::AToX => self.set_x(tested, |out| out.alu32(op::MOV, X, Operand::Reg(A))),
            Op::StoreA(word) => self.out.store(STACK, memory_slot(word), A),
            Op::StoreX(word) => self.out.store(STACK, memory_slot(word), X),
            Op::Arithmetic(operation, source) => self.arithmetic(operation, source),
            Op::Negate => self.out.alu32(op::NEG, A, Operand::Imm(0)),
            Op::ReturnConstant(_) => self.out.alu32(op::MOV, A, Operand::Imm(1)),
            Op::ReturnA | Op::Branch { .. } | Op::Jump(_) => {}
        }
    }

    fn set_x(&mut self, tested: &mut Tested, emit: impl FnOnce(&mut Assembler)) {
        emit(&mut self.out);
        tested.x_changed();
    }

    fn load(&mut self, bytes: u32, base: Reg, k: u32) {
        // At most MAX_BYTES, tested by the analysis.
        self.out.load(bytes, A, base, k as i16);
        if bytes > 1 {
            self.out.network_to_host(A, bytes);
        }
    }

    /// Rejects if the frame has fewer than `end` bytes, or fewer than any accepted
    /// packet needs from here on.
    fn test_frame(&mut self, at: usize, end: u32, tested: &mut Tested) {
        if tested.frame >= end {
            return;
        }
        let end = end.max(self.facts.must_have[at]);
        self.out.jump32(op::JLT, CAPLEN, Operand::Imm(end), self.reject);
        tested.frame = end;
    }

    /// The same counted from X, which the verifier must know to be small.
    fn test_from_x(&mut self, at: usize, end: u32, tested: &mut Tested) {
        if tested.from_x >= end {
            return;
        }
        let end = end.max(self.facts.must_have_from_x[at]);
        let most = FRAME_CAPACITY.saturating_sub(end);
        if self.facts.x_for_verifier[at] > most {
            self.out.jump64(op::JGT, X, most as u16, self.reject);
            // An address made before does not know of this bound.
            tested.address = false;
        }
        self.out.alu32(op::MOV, HELPER, Operand::Reg(X));
        self.out.alu32(op::ADD, HELPER, Operand::Imm(end));
        self.out.jump32(op::JGT, HELPER, Operand::Reg(CAPLEN), self.reject);
        tested.from_x = end;
        tested.frame = tested.frame.max(end);
    }

    /// Arithmetic as libpcap's `bpf_filter` does it: division by zero ends the
    /// program with "no match", a shift by 32 or more gives 0.
    fn arithmetic(&mut self, operation: Arithmetic, source: Source) {
        let code = code(operation);
        match (operation, source) {
            (Arithmetic::Div | Arithmetic::Mod, Source::K(0)) => {
                // Never made by libpcap, which refuses it. A conditional jump keeps
                // what follows reachable.
                self.out.alu32(op::MOV, A, Operand::Imm(0));
                self.out.jump32(op::JEQ, A, Operand::Imm(0), self.reject);
            }
            (Arithmetic::Div | Arithmetic::Mod, Source::X) => {
                self.out.jump32(op::JEQ, X, Operand::Imm(0), self.reject);
                self.out.alu32(code, A, Operand::Reg(X));
            }
            (Arithmetic::Lsh | Arithmetic::Rsh, Source::K(32..)) => {
                self.out.alu32(op::MOV, A, Operand::Imm(0));
            }
            (Arithmetic::Lsh | Arithmetic::Rsh, Source::X) => self.shift(code),
            _ => self.out.alu32(code, A, operand(source)),
        }
    }

    /// A shifted by X. A machine shifts by X modulo 32, so A is emptied before when
    /// X is 32 or more; the mask shows the verifier that the shift is in range.
    fn shift(&mut self, code: u8) {
        let small = self.out.fresh_label();
        self.out.jump32(op::JLT, X, Operand::Imm(32), small);
        self.out.alu32(op::MOV, A, Operand::Imm(0));
        self.out.place(small);
        self.out.alu32(op::MOV, HELPER, Operand::Reg(X));
        self.out.alu32(op::AND, HELPER, Operand::Imm(31));
        self.out.alu32(code, A, Operand::Reg(HELPER));
    }
}

fn operand(source: Source) -> Operand {
    match source {
        Source::K(k) => Operand::Imm(k),
        Source::X => Operand::Reg(X),
    }
}

/// The operation's bits are the same in classic BPF and eBPF.
fn code(operation: Arithmetic) -> u8 {
    match operation {
        Arithmetic::Add => 0x00,
        Arithmetic::Sub => 0x10,
        Arithmetic::Mul => 0x20,
        Arithmetic::Div => 0x30,
        Arithmetic::Or => 0x40,
        Arithmetic::And => 0x50,
        Arithmetic::Lsh => 0x60,
        Arithmetic::Rsh => 0x70,
        Arithmetic::Mod => 0x90,
        Arithmetic::Xor => 0xa0,
    }
}
