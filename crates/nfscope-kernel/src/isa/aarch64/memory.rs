//! arm64 loads and stores.

use super::{bit, clobber, field, reg, reg_or_sp, signed};
use crate::isa::{Arch, Mem, Op, Reg, Source};

pub(super) fn access(word: u32) -> Option<Vec<Op>> {
    match field(word, 29, 27) {
        // Pairs.
        0b101 => Some(pair(word)),
        0b111 => single(word),
        // Literal loads; release-consistent ones and the copy instructions.
        0b011 if !bit(word, 24) => {
            let prefetch = field(word, 31, 30) == 3;
            Some(
                clobber([reg(word, 0).filter(|_| !prefetch && !vector(word))])
                    .into_iter()
                    .collect(),
            )
        }
        0b011 => Some(vague(word)),
        // Exclusive, ordered, compare and swap; vector structures.
        0b001 => Some(vague(word)),
        _ => None,
    }
}

fn vector(word: u32) -> bool {
    bit(word, 26)
}

/// An access of which only the written registers are known: everything it names, and any memory behind
/// its base.
fn vague(word: u32) -> Vec<Op> {
    let sp = Arch::Aarch64.sp();
    let base = reg_or_sp(word, 5);
    let mem = Mem { base: Some(base), disp: 0, index: None, bytes: 0 };
    let after = |low| {
        reg(word, low).and_then(|r| Reg::new(Arch::Aarch64, r.number() + 1).filter(|r| *r != sp))
    };
    let store = Op::Store { mem, src: Source::Unknown };
    // Vector structures and memory tags may also move their base on.
    let moves = vector(word) && bit(word, 23) || word >> 24 == 0xd9 && bit(word, 10);
    let base = (base != sp || moves).then_some(base);
    let regs = if vector(word) {
        vec![base]
    } else {
        vec![reg(word, 0), reg(word, 10), reg(word, 16), after(16), after(0), base]
    };
    [Some(store), clobber(regs)].into_iter().flatten().collect()
}

/// How the address of an access is formed.
struct Address {
    base: Reg,
    /// Added before the access.
    disp: i64,
    index: Option<Reg>,
    /// Added to the base register for good, before or after.
    writeback: Option<i64>,
    before: bool,
}

impl Address {
    fn plain(base: Reg, disp: i64) -> Self {
        Self { base, disp, index: None, writeback: None, before: false }
    }

    /// Puts the base's own changes around the accesses.
    fn around(&self, accesses: impl IntoIterator<Item = Op>) -> Vec<Op> {
        let change = self.writeback.map(|disp| Op::Add {
            dst: self.base,
            base: self.base,
            disp,
            index: None,
        });
        let (before, after) = if self.before { (change, None) } else { (None, change) };
        before.into_iter().chain(accesses).chain(after).collect()
    }

    fn mem(&self, further: i64, bytes: u8) -> Mem {
        Mem { base: Some(self.base), disp: self.disp + further, index: self.index, bytes }
    }
}

fn load_or_store(load: bool, follow: bool, data: Option<Reg>, mem: Mem) -> Option<Op> {
    if load {
        return match data {
            Some(dst) if follow => Some(Op::Load { dst, mem }),
            data => clobber([data]),
        };
    }
    let src = match data {
        Some(reg) if follow => Source::Reg(reg),
        None if follow => Source::Const(0),
        _ => Source::Unknown,
    };
    Some(Op::Store { mem, src })
}

fn pair(word: u32) -> Vec<Op> {
    let opc = field(word, 31, 30);
    let load = bit(word, 22);
    let (shift, follow) = match (vector(word), opc) {
        (true, opc) => (2 + opc, false),
        (false, 0) => (2, true),
        (false, 2) => (3, true),
        // ldpsw, stgp
        (false, _) => (if load { 2 } else { 4 }, false),
    };
    let disp = signed(field(word, 21, 15), 7) << shift;
    let base = reg_or_sp(word, 5);
    let address = match field(word, 24, 23) {
        1 => Address { writeback: Some(disp), ..Address::plain(base, 0) },
        3 => Address { writeback: Some(disp), before: true, ..Address::plain(base, 0) },
        _ => Address::plain(base, disp),
    };
    let bytes = 1u8 << shift;
    let part = |n: i64, low| {
        let data = if vector(word) { None } else { reg(word, low) };
        load_or_store(load, follow, data, address.mem(n * i64::from(bytes), bytes))
    };
    let (first, second) = (part(0, 0), part(1, 10));
    // A first load into the base register would spoil the second's address.
    let spoiled = load && reg(word, 0) == Some(base);
    if spoiled {
        return address.around(clobber([reg(word, 0), reg(word, 10)]));
    }
    address.around([first, second].into_iter().flatten())
}

fn single(word: u32) -> Option<Vec<Op>> {
    let size = field(word, 31, 30);
    let opc = field(word, 23, 22);
    let base = reg_or_sp(word, 5);
    let data = if vector(word) { None } else { reg(word, 0) };
    let (shift, load) = if vector(word) {
        (if bit(word, 23) { 4 } else { size }, bit(word, 22))
    } else {
        (size, opc != 0)
    };
    let prefetch = !vector(word) && size == 3 && opc == 2;
    // A sign-extending load gives another value than the memory holds.
    let follow = !vector(word) && opc <= 1;
    let bytes = 1u8 << shift;
    let address = if bit(word, 24) {
        Address::plain(base, i64::from(field(word, 21, 10)) << shift)
    } else if bit(word, 21) {
        match field(word, 11, 10) {
            2 => Address { index: reg(word, 16), ..Address::plain(base, 0) },
            // Atomic operations; authenticated loads.
            _ => return Some(vague(word)),
        }
    } else {
        let disp = signed(field(word, 20, 12), 9);
        match field(word, 11, 10) {
            1 => Address { writeback: Some(disp), ..Address::plain(base, 0) },
            3 => Address { writeback: Some(disp), before: true, ..Address::plain(base, 0) },
            _ => Address::plain(base, disp),
        }
    };
    if prefetch {
        return Some(Vec::new());
    }
    let access = load_or_store(load, follow, data, address.mem(0, bytes));
    Some(address.around(access))
}
