//! The programs: `int stub(void *context, u8 *data)`, whose result is an [`Answer`].
//!
//! Registers: r6 the context, r7 the data, r9 the address or value that is looked
//! for. On the stack: a word that is read at r10-8, the left side of a comparison
//! at r10-16, a text that is compared from r10-64 on.
//!
//! The data: a word of bits, which fields could not be read; the latency, which the
//! caller fills in before the return's program; then the fields, each from a
//! multiple of eight on. The bits are not kept in a register: there the verifier
//! would know their values, and walk through each mixture of read and unread fields.

use nfscope_filter::Insn;

use crate::assembler::{Assembler, Helper, Label, Reg, jump};
use crate::ast::Comparison;
use crate::plan::{Condition, Number, Operand, Phase, Source, Start, Step, Way};
use crate::style::Reading;
use crate::tuple::{PACKET_BYTES, PACKET_WORDS, PacketAt};

/// Bytes in front of the first field.
pub const HEAD: u32 = 16;
/// Bytes of data at most.
pub const MOST_DATA: u32 = 2048;
/// Fields at most: each has a bit.
pub const MOST_FIELDS: usize = 64;
/// Instructions at most, as the object's stubs have room for.
pub const MOST_INSNS: usize = 4096;

/// What a program says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is not wanted.
    No = 0,
    /// It is; its fields are read.
    Yes = 1,
    /// What the condition asks for could not be read.
    Unread = 2,
}

const RESULT: Reg = Reg(0);
const FIRST: Reg = Reg(1);
const SECOND: Reg = Reg(2);
const THIRD: Reg = Reg(3);
const CONTEXT: Reg = Reg(6);
const DATA: Reg = Reg(7);
const HERE: Reg = Reg(9);
const STACK: Reg = Reg(10);

const WORD: i16 = -8;
const LEFT: i16 = -16;
const TEXT: i16 = -64;
/// Where the bits are.
const FAILED: i16 = 0;
/// Where the latency is.
const LATENCY: i16 = 8;

/// Where each field's data is.
pub fn offsets(readings: &[Reading]) -> Vec<u32> {
    let mut at = HEAD;
    let next = |reading: &Reading| {
        let here = at;
        at += reading.source.size();
        here
    };
    readings.iter().map(next).collect()
}

/// Bytes of the data.
pub fn length(readings: &[Reading]) -> u32 {
    HEAD + readings.iter().map(|r| r.source.size()).sum::<u32>()
}

/// The program of one phase; `None`: it is too long.
pub fn program(
    readings: &[Reading],
    condition: Option<&Condition>,
    phase: Phase,
) -> Option<Vec<Insn>> {
    let mut coder = Coder { out: Assembler::default(), offsets: offsets(readings) };
    let out = &mut coder.out;
    out.copy(CONTEXT, FIRST);
    out.copy(DATA, SECOND);
    if phase == Phase::Entry {
        out.store_zero(DATA, FAILED);
    }
    let (no, unread) = (out.label(), out.label());
    if let Some(condition) = condition {
        let yes = coder.out.label();
        coder.condition(condition, yes, no, unread);
        coder.out.place(yes);
    }
    for (index, reading) in readings.iter().enumerate().filter(|(_, r)| r.phase == phase) {
        coder.field(index, &reading.source);
    }
    let out = &mut coder.out;
    out.set(RESULT, Answer::Yes as u64);
    out.exit();
    for (label, answer) in [(no, Answer::No), (unread, Answer::Unread)] {
        if out.is_target(label) {
            out.place(label);
            out.set(RESULT, answer as u64);
            out.exit();
        }
    }
    coder.out.finish().filter(|insns| insns.len() <= MOST_INSNS)
}

struct Coder {
    out: Assembler,
    offsets: Vec<u32>,
}

impl Coder {
    fn offset(&self, index: usize) -> i16 {
        // MOST_DATA fits
        self.offsets.get(index).and_then(|at| i16::try_from(*at).ok()).unwrap_or(0)
    }

    /// Reads a field into its place; zeros and a bit, where it cannot.
    fn field(&mut self, index: usize, source: &Source) {
        let at = self.offset(index);
        let (failed, done) = (self.out.label(), self.out.label());
        for word in 0..source.size() / 8 {
            self.out.store_zero(DATA, at + 8 * word as i16);
        }
        match source {
            Source::Number(number) => {
                self.number(number, failed);
                self.out.store(DATA, at, HERE);
            }
            Source::Memory { way, size } => {
                self.way(way, failed);
                self.read(Helper::Read, (DATA, at), *size, failed);
            }
            Source::Text { way, size, user } => {
                self.way(way, failed);
                let helper = if *user { Helper::ReadUserText } else { Helper::ReadText };
                self.read(helper, (DATA, at), *size, failed);
            }
            Source::Packet { way, at: parts } => {
                self.way(way, failed);
                self.packet(parts, at, failed);
            }
            Source::Command => {
                self.out.copy(FIRST, DATA);
                self.out.add(FIRST, at.into(), THIRD);
                self.out.set(SECOND, 16);
                self.out.call(Helper::Command);
            }
        }
        if !self.out.is_target(failed) {
            return;
        }
        self.out.jump(done);
        self.out.place(failed);
        self.out.load(FIRST, DATA, FAILED);
        self.out.set(SECOND, 1 << (index % MOST_FIELDS));
        self.out.or_register(FIRST, SECOND);
        self.out.store(DATA, FAILED, FIRST);
        self.out.place(done);
    }

    /// Reads the packet at `HERE` into the data: words on it, then its headers.
    fn packet(&mut self, parts: &PacketAt, at: i16, failed: Label) {
        self.out.store(STACK, LEFT, HERE);
        for ((offset, bytes), place) in parts.words().into_iter().zip((at..).step_by(8)) {
            self.out.load(HERE, STACK, LEFT);
            self.out.add(HERE, offset.into(), THIRD);
            self.read(Helper::Read, (DATA, place), bytes, failed);
        }
        self.out.load(HERE, STACK, LEFT);
        self.out.add(HERE, parts.head.into(), THIRD);
        self.follow(failed);
        self.out.load(FIRST, DATA, at);
        self.out.add_register(HERE, FIRST);
        self.read(Helper::Read, (DATA, at + 8 * PACKET_WORDS as i16), PACKET_BYTES, failed);
    }

    /// Reads memory at `HERE` to a place.
    fn read(&mut self, helper: Helper, (base, at): (Reg, i16), size: u32, failed: Label) {
        self.out.copy(FIRST, base);
        self.out.add(FIRST, at.into(), THIRD);
        self.out.set(SECOND, size.into());
        self.out.copy(THIRD, HERE);
        self.out.call(helper);
        self.out.jump_if_small(RESULT, jump::SIGNED_LESS, 0, failed);
    }

    /// Follows a way, to `HERE`.
    fn way(&mut self, way: &Way, failed: Label) {
        match way.start {
            Start::Register(at) => self.out.load(HERE, CONTEXT, at.cast_signed()),
            Start::Stack { pointer, above } => {
                self.out.load(HERE, CONTEXT, pointer.cast_signed());
                self.out.add(HERE, above.into(), THIRD);
                self.follow(failed);
            }
            Start::Record(at) => {
                self.out.copy(HERE, CONTEXT);
                self.out.add(HERE, at.into(), THIRD);
            }
            Start::Located(at) => {
                self.out.copy(HERE, CONTEXT);
                self.out.add(HERE, at.into(), THIRD);
                self.read(Helper::Read, (STACK, WORD), 4, failed);
                self.out.load_half(FIRST, STACK, WORD);
                self.out.and(FIRST, 0xffff);
                self.out.copy(HERE, CONTEXT);
                self.out.add_register(HERE, FIRST);
            }
            Start::Current(what) => {
                self.out.current(what);
                self.out.copy(HERE, RESULT);
            }
            Start::Kept(index) => {
                let index = index as usize;
                self.out.load(FIRST, DATA, FAILED);
                self.out.set(SECOND, 1 << (index % MOST_FIELDS));
                self.out.and_register(FIRST, SECOND);
                self.out.jump_if_small(FIRST, jump::NOT_EQUAL, 0, failed);
                let at = self.offset(index);
                self.out.load(HERE, DATA, at);
            }
            Start::Latency => self.out.load(HERE, DATA, LATENCY),
        }
        for step in &way.steps {
            match step {
                Step::Add(bytes) => self.out.add(HERE, *bytes, THIRD),
                Step::Follow => self.follow(failed),
            }
        }
    }

    fn follow(&mut self, failed: Label) {
        self.read(Helper::Read, (STACK, WORD), 8, failed);
        self.out.load(HERE, STACK, WORD);
    }

    /// Reads a number to `HERE`.
    fn number(&mut self, number: &Number, failed: Label) {
        self.way(&number.way, failed);
        if let Some(bytes) = number.memory {
            self.out.store_zero(STACK, WORD);
            self.read(Helper::Read, (STACK, WORD), bytes, failed);
            self.out.load(HERE, STACK, WORD);
        }
        if number.swap > 0 {
            self.out.turn(HERE, number.swap);
        } else {
            self.out.shift_left(HERE, 64 - number.first_bit - number.bits);
            self.out.shift_right(HERE, 64 - number.bits, number.signed);
        }
        if let Some(mask) = number.mask {
            self.out.set(FIRST, mask);
            self.out.and_register(HERE, FIRST);
        }
    }

    fn operand(&mut self, operand: &Operand, failed: Label) {
        match operand {
            Operand::Read(number) => self.number(number, failed),
            Operand::Constant(value) => self.out.set(HERE, *value),
        }
    }

    fn condition(&mut self, condition: &Condition, yes: Label, no: Label, unread: Label) {
        match condition {
            Condition::And(left, right) => {
                let next = self.out.label();
                self.condition(left, next, no, unread);
                self.out.place(next);
                self.condition(right, yes, no, unread);
            }
            Condition::Or(left, right) => {
                let next = self.out.label();
                self.condition(left, yes, next, unread);
                self.out.place(next);
                self.condition(right, yes, no, unread);
            }
            Condition::Not(of) => self.condition(of, no, yes, unread),
            Condition::Compare { comparison, signed, left, right } => {
                self.operand(left, unread);
                self.out.store(STACK, LEFT, HERE);
                self.operand(right, unread);
                self.out.load(FIRST, STACK, LEFT);
                self.out.jump_if(FIRST, jump_of(*comparison, *signed), HERE, yes);
                self.out.jump(no);
            }
            Condition::Text { source, wanted } => self.text(source, wanted, yes, no, unread),
        }
    }

    /// Compares a text with the wanted one, word by word, with the zero behind it.
    fn text(&mut self, source: &Source, wanted: &[u8], yes: Label, no: Label, unread: Label) {
        // one byte more than the text: there a longer one differs
        let room = (wanted.len() as u32 + 2).next_multiple_of(8);
        for word in 0..room / 8 {
            self.out.store_zero(STACK, TEXT + 8 * word as i16);
        }
        let size = wanted.len() as u32 + 2;
        match source {
            Source::Memory { size: whole, way } => {
                self.way(way, unread);
                // an array that it fills has no zero behind it
                let size = size.min(whole.saturating_add(1));
                self.read(Helper::ReadText, (STACK, TEXT), size, unread);
            }
            Source::Text { way, .. } => {
                self.way(way, unread);
                self.read(Helper::ReadText, (STACK, TEXT), size, unread);
            }
            Source::Command => {
                self.out.copy(FIRST, STACK);
                self.out.add(FIRST, TEXT.into(), THIRD);
                self.out.set(SECOND, 16);
                self.out.call(Helper::Command);
            }
            // no text is compared that is a number
            Source::Number(_) | Source::Packet { .. } => {}
        }
        let mut bytes = wanted.to_vec();
        bytes.resize(room as usize, 0);
        for (word, chunk) in bytes.chunks(8).enumerate() {
            let mut value = [0; 8];
            value.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.out.load(FIRST, STACK, TEXT + 8 * word as i16);
            self.out.set(SECOND, u64::from_le_bytes(value));
            self.out.jump_if(FIRST, jump::NOT_EQUAL, SECOND, no);
        }
        self.out.jump(yes);
    }
}

fn jump_of(comparison: Comparison, signed: bool) -> u8 {
    match (comparison, signed) {
        (Comparison::Equal, _) => jump::EQUAL,
        (Comparison::NotEqual, _) => jump::NOT_EQUAL,
        (Comparison::Less, false) => jump::LESS,
        (Comparison::LessOrEqual, false) => jump::LESS_OR_EQUAL,
        (Comparison::Greater, false) => jump::GREATER,
        (Comparison::GreaterOrEqual, false) => jump::GREATER_OR_EQUAL,
        (Comparison::Less, true) => jump::SIGNED_LESS,
        (Comparison::LessOrEqual, true) => jump::SIGNED_LESS_OR_EQUAL,
        (Comparison::Greater, true) => jump::SIGNED_GREATER,
        (Comparison::GreaterOrEqual, true) => jump::SIGNED_GREATER_OR_EQUAL,
    }
}
