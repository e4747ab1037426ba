//! What registers and stack slots hold, and how an instruction changes it.

mod join;

use crate::isa::{Arch, Compare, Cond, Mem, Op, Reg, RegSet, Source};

/// Where a value can live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A register.
    Reg(Reg),
    /// Eight or four bytes of the frame, by their offset from the stack pointer at the function's entry.
    Slot(i32),
}

/// An abstract value. Two places that hold the same value (other than `Unknown`) at one moment hold the
/// same bits: a value is named by the operation that made it, or by the place where ways met, and before
/// that happens again every other place has met with a way on which it had not happened yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Val {
    /// Nothing is known.
    Unknown,
    /// What this register held when the function was entered.
    Entry(Reg),
    /// The stack pointer at entry plus an offset.
    Stack(i32),
    /// A constant.
    Const(i64),
    /// The result of an operation of an instruction when it last ran (indexes).
    Def(u16, u8),
    /// What a place held when control last arrived at this instruction, where ways meet.
    Joined(u16, Place),
}

/// What the condition flags say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// Not known.
    Unknown,
    /// A value was compared with a constant.
    Compared {
        /// The value, or the slot it was read from.
        left: Operand,
        /// The constant, sign-extended from the width of the comparison.
        with: i64,
        /// That width.
        bits: u8,
    },
    /// Bits of a value were compared with zero.
    Tested {
        /// The value.
        value: Val,
        /// The bits.
        mask: u64,
    },
}

/// The left side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// A register's value.
    Value(Val),
    /// Memory of the frame, read by the comparison itself.
    Slot(i32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    at: i32,
    bytes: u8,
    val: Val,
}

/// The machine's state before an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    arch: Arch,
    regs: Vec<Val>,
    slots: Vec<Slot>,
    /// The condition flags.
    pub flags: Flags,
}

/// What holds for the whole function.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Lowest stack address that is ever put into a register: objects whose address is taken start here.
    /// Spilled values below it can only be written by name.
    pub objects: i32,
}

impl State {
    /// The state at a function's entry.
    pub fn entry(arch: Arch) -> Self {
        let regs = arch
            .regs()
            .map(|reg| if reg == arch.sp() { Val::Stack(0) } else { Val::Entry(reg) })
            .collect();
        Self { arch, regs, slots: Vec::new(), flags: Flags::Unknown }
    }

    /// The instruction set.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// A register's value.
    pub fn reg(&self, reg: Reg) -> Val {
        self.regs.get(reg.index()).copied().unwrap_or(Val::Unknown)
    }

    /// The value of `bytes` bytes of the frame at an offset from the entry's stack pointer.
    pub fn slot(&self, at: i32, bytes: u8) -> Option<Val> {
        self.slots.iter().find(|s| s.at == at && s.bytes == bytes).map(|s| s.val)
    }

    /// The stack pointer's distance from its value at entry.
    pub fn sp(&self) -> Option<i32> {
        match self.reg(self.arch.sp()) {
            Val::Stack(at) => Some(at),
            _ => None,
        }
    }

    /// All 64-bit places that hold a value: registers that calls preserve, other registers, slots.
    pub fn places(&self, val: Val) -> Vec<Place> {
        let holds = |reg: &Reg| *reg != self.arch.sp() && self.reg(*reg) == val;
        let (saved, other): (Vec<Reg>, Vec<Reg>) =
            self.arch.regs().filter(holds).partition(|reg| reg.callee_saved());
        let slots =
            self.slots.iter().filter(|s| s.bytes == 8 && s.val == val).map(|s| Place::Slot(s.at));
        saved.into_iter().chain(other).map(Place::Reg).chain(slots).collect()
    }

    /// The address of a memory operand as an offset in the frame, if it is one exactly.
    pub fn frame_address(&self, mem: &Mem) -> Option<i32> {
        match (mem.base.map(|base| self.reg(base)), mem.index) {
            (Some(Val::Stack(at)), None) => at.checked_add(i32::try_from(mem.disp).ok()?),
            _ => None,
        }
    }

    fn set(&mut self, reg: Reg, val: Val) {
        if let Some(place) = self.regs.get_mut(reg.index()) {
            *place = val;
        }
    }

    fn kill_from(&mut self, lowest: i32) {
        self.slots.retain(|s| s.at + i32::from(s.bytes) <= lowest);
    }

    /// Applies one operation, the `part`th of instruction `ins`. `narrow` says whether a value is known
    /// to fit 32 bits.
    pub fn apply(
        &mut self,
        op: &Op,
        ins: u16,
        part: u8,
        frame: Frame,
        narrow: impl Fn(Val) -> bool,
    ) {
        let fresh = Val::Def(ins, part);
        match *op {
            Op::Move { dst, src, bits } => {
                let val = match self.reg(src) {
                    Val::Const(value) if bits == 32 => Val::Const(i64::from(value as u32)),
                    val if bits == 64 || narrow(val) => val,
                    _ => fresh,
                };
                self.set(dst, val);
            }
            Op::Const { dst, value } => self.set(dst, Val::Const(value)),
            Op::Add { dst, base, disp, index } => {
                let val = match (self.reg(base), index) {
                    (val, None) if disp == 0 => val,
                    (Val::Stack(at), None) => i32::try_from(disp)
                        .ok()
                        .and_then(|disp| at.checked_add(disp))
                        .map_or(Val::Unknown, Val::Stack),
                    (Val::Const(value), None) => Val::Const(value.wrapping_add(disp)),
                    _ => fresh,
                };
                self.set(dst, val);
            }
            Op::And { dst, .. } => self.set(dst, fresh),
            Op::Load { dst, mem } => {
                let at = self.frame_address(&mem);
                let held = at.and_then(|at| self.slot(at, mem.bytes));
                if let (Some(at), None, 4 | 8) = (at, held, mem.bytes) {
                    // From here on the register and the memory are known to be the same.
                    self.put(at, mem.bytes, fresh);
                }
                self.set(dst, held.unwrap_or(fresh));
            }
            Op::Store { mem, src } => self.store(&mem, src, frame, narrow),
            Op::Flags(compare) => self.flags = self.compared(compare),
            Op::Clobber(regs) => {
                self.clobber(regs);
                // One result that is not followed is a value of its own all the same.
                if let Some(place) = regs.single().and_then(|index| self.regs.get_mut(index)) {
                    *place = fresh;
                }
            }
        }
    }

    fn store(&mut self, mem: &Mem, src: Source, frame: Frame, narrow: impl Fn(Val) -> bool) {
        let Some(at) = self.frame_address(mem).filter(|_| mem.bytes != 0) else {
            // An index counts upwards from its base; any other pointer can only reach an object whose
            // address was taken.
            let lowest = match mem.base.map(|base| self.reg(base)) {
                Some(Val::Stack(at)) => {
                    at.saturating_add(i32::try_from(mem.disp).unwrap_or(i32::MIN))
                }
                _ => i32::MAX,
            };
            return self.kill_from(lowest.min(frame.objects));
        };
        let val = match src {
            Source::Reg(reg) => self.reg(reg),
            Source::Const(value) => Val::Const(value),
            Source::Unknown => Val::Unknown,
        };
        let val = match val {
            Val::Const(value) if mem.bytes == 4 => Val::Const(i64::from(value as u32)),
            val => val,
        };
        let whole = mem.bytes == 8 || mem.bytes == 4 && narrow(val);
        self.put(at, mem.bytes, if whole { val } else { Val::Unknown });
    }

    /// Sets a slot, in place of everything that overlaps it.
    fn put(&mut self, at: i32, bytes: u8, val: Val) {
        let end = at.saturating_add(i32::from(bytes));
        self.slots.retain(|s| s.at + i32::from(s.bytes) <= at || s.at >= end);
        if val != Val::Unknown {
            let position = self.slots.partition_point(|s| s.at < at);
            self.slots.insert(position, Slot { at, bytes, val });
        }
    }

    fn compared(&self, compare: Compare) -> Flags {
        match compare {
            Compare::Reg { reg, with, bits } => {
                Flags::Compared { left: Operand::Value(self.reg(reg)), with, bits }
            }
            Compare::Mem { mem, with } => match self.frame_address(&mem) {
                Some(at) => Flags::Compared {
                    left: Operand::Slot(at),
                    with,
                    bits: mem.bytes.saturating_mul(8),
                },
                None => Flags::Unknown,
            },
            Compare::Test { reg, mask } => Flags::Tested { value: self.reg(reg), mask },
            Compare::Unknown => Flags::Unknown,
        }
    }

    /// Whether a branch condition can hold here, as far as constants tell.
    pub fn can_hold(&self, cond: Cond) -> bool {
        let low = |bits: u8| 1u64.checked_shl(bits.into()).map_or(u64::MAX, |bit| bit - 1);
        let zero = |reg: Reg, bits: u8| match self.reg(reg) {
            Val::Const(value) => Some(value as u64 & low(bits) == 0),
            _ => None,
        };
        let equal = || match self.flags {
            Flags::Compared { left: Operand::Value(Val::Const(value)), with, bits } => {
                Some((value ^ with) as u64 & low(bits) == 0)
            }
            Flags::Tested { value: Val::Const(value), mask } => Some(value as u64 & mask == 0),
            _ => None,
        };
        match cond {
            Cond::Equal => equal() != Some(false),
            Cond::NotEqual => equal() != Some(true),
            Cond::Zero { reg, bits } => zero(reg, bits) != Some(false),
            Cond::NotZero { reg, bits } => zero(reg, bits) != Some(true),
            Cond::Other => true,
        }
    }

    /// What holds on a way that is taken because of an equality: the constant that was compared with.
    pub fn assume(&mut self, cond: Cond) {
        let Flags::Compared { left, with, bits } = self.flags else { return };
        if cond != Cond::Equal || !matches!(bits, 32 | 64) {
            return;
        }
        let constant = Val::Const(if bits == 32 { i64::from(with as u32) } else { with });
        match left {
            Operand::Slot(at) => self.put(at, bits / 8, constant),
            // A 32-bit comparison of a value that may have upper bits says nothing of all places.
            Operand::Value(val @ (Val::Def(..) | Val::Joined(..))) if bits == 64 => {
                self.rename(|held| if held == val { constant } else { held });
            }
            Operand::Value(val @ (Val::Def(..) | Val::Joined(..))) => {
                for slot in self.slots.iter_mut().filter(|s| s.bytes == 4 && s.val == val) {
                    slot.val = constant;
                }
            }
            Operand::Value(_) => {}
        }
    }

    fn clobber(&mut self, regs: RegSet) {
        for (index, val) in self.regs.iter_mut().enumerate() {
            if regs.holds(index) {
                *val = Val::Unknown;
            }
        }
    }

    /// Applies a call by instruction `ins`: its result is new, what calls may overwrite is gone, and so
    /// is every object of the frame whose address was ever taken, unless the callee `only_reads` them.
    pub fn call(&mut self, ins: u16, frame: Frame, only_reads: bool) {
        self.clobber(self.arch.clobbered_by_call());
        if !only_reads {
            self.kill_from(frame.objects);
        }
        if let Some(reg) = self.arch.regs().next() {
            self.set(reg, Val::Def(ins, u8::MAX));
        }
        self.flags = Flags::Unknown;
    }
}
