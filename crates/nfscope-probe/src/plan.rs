//! What the programs do to get at a value.

use crate::tuple::{PACKET_BYTES, PACKET_WORDS, PacketAt};

/// What the kernel knows of the task that it works for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current {
    /// The process.
    Pid,
    /// The thread.
    Tid,
    /// The user.
    Uid,
    /// The CPU.
    Cpu,
}

/// What a way begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A register, at this byte of what the program is given.
    Register(u16),
    /// The word so many bytes above where the stack pointer points, which is
    /// that register.
    Stack {
        /// The stack pointer's byte of what the program is given.
        pointer: u16,
        /// Bytes above.
        above: u32,
    },
    /// The address of a byte of a tracepoint's record.
    Record(u32),
    /// The address in a tracepoint's record that the number at this byte tells
    /// (`__data_loc`).
    Located(u32),
    /// Of the task.
    Current(Current),
    /// What was read before as the field of this number.
    Kept(u32),
    /// The time since the entry.
    Latency,
}

/// One step on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes on.
    Add(i64),
    /// To where the word there points.
    Follow,
}

/// How an address or value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Its beginning.
    pub start: Start,
    /// Its steps.
    pub steps: Vec<Step>,
}

impl Way {
    /// A way of no steps.
    pub fn of(start: Start) -> Self {
        Self { start, steps: Vec::new() }
    }

    /// So many bytes on.
    pub fn add(&mut self, bytes: i64) {
        match self.steps.last_mut() {
            _ if bytes == 0 => {}
            Some(Step::Add(before)) => *before = before.wrapping_add(bytes),
            _ => self.steps.push(Step::Add(bytes)),
        }
    }
}

/// How a number is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// To its address, or to itself.
    pub way: Way,
    /// The bytes to read, from its address; `None`: it is what the way ends with.
    pub memory: Option<u32>,
    /// The first bit.
    pub first_bit: u32,
    /// How many bits.
    pub bits: u32,
    /// It may be negative.
    pub signed: bool,
    /// It is in network order: its bits; 0 if not.
    pub swap: u32,
    /// The bits that count.
    pub mask: Option<u64>,
}

/// How a field is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// As a number.
    Number(Number),
    /// As memory.
    Memory {
        /// To its address.
        way: Way,
        /// Bytes.
        size: u32,
    },
    /// As text that ends with a zero.
    Text {
        /// To its address.
        way: Way,
        /// Room for so many bytes.
        size: u32,
        /// It is the process's memory.
        user: bool,
    },
    /// The task's name.
    Command,
    /// A packet's network header, and words on where it ends.
    Packet {
        /// To the `struct sk_buff`.
        way: Way,
        /// What leads on from there.
        at: PacketAt,
    },
}

impl Source {
    /// Bytes that it takes of the data.
    pub fn size(&self) -> u32 {
        match self {
            Self::Number(_) => 8,
            Self::Memory { size, .. } | Self::Text { size, .. } => size.next_multiple_of(8),
            Self::Command => 16,
            Self::Packet { .. } => 8 * PACKET_WORDS as u32 + PACKET_BYTES,
        }
    }
}

/// What a comparison compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A number that is read.
    Read(Number),
    /// A number.
    Constant(u64),
}

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of both holds.
    Or(Box<Self>, Box<Self>),
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// Two numbers compare so.
    Compare {
        /// How.
        comparison: crate::ast::Comparison,
        /// As numbers that may be negative.
        signed: bool,
        /// On the left.
        left: Operand,
        /// On the right.
        right: Operand,
    },
    /// A text is that one.
    Text {
        /// Where.
        source: Source,
        /// Which.
        wanted: Vec<u8>,
    },
}

/// When something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Where the function begins, or where the probe is.
    Entry,
    /// Where it returns.
    Return,
}
