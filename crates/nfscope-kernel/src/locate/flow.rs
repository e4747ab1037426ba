//! Forward data flow over a whole function: the [`State`] before every instruction.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::code::{Code, CodeError, Edge};
use super::values::{Frame, Place, State, Val};
use crate::isa::{Cond, Op, Reg};

/// Rounds after which a function is given up; real ones settle in five to ten.
const MAX_ROUNDS: u32 = 60;

/// Values that a joined one is traced back to, at most.
const MAX_LEAVES: usize = 256;

/// The values in a function, solved.
#[derive(Debug)]
pub struct Values<'a> {
    code: &'a Code<'a>,
    before: Vec<Option<State>>,
    frame: Frame,
    readers: &'a [&'a str],
}

impl<'a> Values<'a> {
    /// Follows the values through the function until they settle. `readers` are callees that do not
    /// change the objects in the caller's frame which they are given.
    pub fn solve(code: &'a Code<'a>, readers: &'a [&'a str]) -> Result<Self, CodeError> {
        let order = reverse_postorder(code);
        // The lowest object is only known once addresses are: start from "none is taken" and repeat with
        // what was seen until it holds.
        let mut frame = Frame { objects: i32::MAX };
        for _ in 0..8 {
            let values = Self { code, before: Vec::new(), frame, readers }.solve_with(&order)?;
            let lowest = values.lowest_object();
            if lowest >= frame.objects {
                return Ok(values);
            }
            frame = Frame { objects: lowest };
        }
        Err(CodeError::Unsettled(MAX_ROUNDS))
    }

    fn solve_with(mut self, order: &[usize]) -> Result<Self, CodeError> {
        let count = self.code.ins.len();
        self.before = vec![None; count];
        let mut after: Vec<Option<State>> = vec![None; count];
        let mut pending = vec![true; count];
        for _ in 0..MAX_ROUNDS {
            let mut settled = true;
            for &at in order {
                if !std::mem::take(&mut pending[at]) {
                    continue;
                }
                let before = self.arriving(at, &after);
                if before.is_none() || before == self.before[at] {
                    continue;
                }
                settled = false;
                self.before[at] = before;
                after[at] = self.after(at);
                self.code.succs(at).iter().for_each(|edge| pending[edge.to] = true);
            }
            if settled {
                self.resolve(&after);
                return Ok(self);
            }
        }
        Err(CodeError::Unsettled(MAX_ROUNDS))
    }

    fn arriving(&self, at: usize, after: &[Option<State>]) -> Option<State> {
        let preds = self.code.preds(at);
        let ways: Vec<Cow<State>> =
            preds.iter().filter_map(|edge| self.along(*edge, after)).collect();
        let previous = self.before[at].as_ref();
        let ways = ways.iter().map(Cow::as_ref);
        if at == 0 {
            let entry = State::entry(self.code.text.arch);
            return State::join(ways.chain(std::iter::once(&entry)), 0, previous);
        }
        State::join(ways, at as u16, previous)
    }

    /// The state that an edge brings along; none if it is never taken.
    fn along<'s>(&self, edge: Edge, after: &'s [Option<State>]) -> Option<Cow<'s, State>> {
        self.along_one(edge, after.get(edge.from)?.as_ref()?)
    }

    fn along_one<'s>(&self, edge: Edge, state: &'s State) -> Option<Cow<'s, State>> {
        match self.code.condition(edge) {
            Some(cond) if !state.can_hold(cond) => None,
            Some(Cond::Equal) => {
                let mut state = state.clone();
                state.assume(Cond::Equal);
                Some(Cow::Owned(state))
            }
            _ => Some(Cow::Borrowed(state)),
        }
    }

    /// Names of meetings to which all ways bring one and the same value, or the meeting's own, are
    /// replaced by that value (Braun et al., "Simple and Efficient Construction of Static Single
    /// Assignment Form", trivial phi functions).
    fn resolve(&mut self, after: &[Option<State>]) {
        let mut open: Vec<(Val, Vec<Val>)> = Vec::new();
        for (at, state) in self.before.iter().enumerate().skip(1) {
            let Some(state) = state else { continue };
            for place in state.joined_at(at as u16) {
                let ways = self.code.preds(at).iter().filter_map(|edge| self.along(*edge, after));
                let mut vals: Vec<Val> = ways.map(|s| s.at(place)).collect();
                vals.sort_unstable();
                vals.dedup();
                open.push((Val::Joined(at as u16, place), vals));
            }
        }
        let mut names: BTreeMap<Val, Val> = BTreeMap::new();
        loop {
            let before = open.len();
            open.retain_mut(|(own, vals)| {
                vals.iter_mut().for_each(|val| *val = follow(&names, *val));
                vals.retain(|val| val != own);
                vals.dedup();
                match vals.as_slice() {
                    [only] if *only != Val::Unknown => {
                        names.insert(*own, *only);
                        false
                    }
                    _ => true,
                }
            });
            if open.len() == before {
                break;
            }
        }
        for state in self.before.iter_mut().flatten() {
            state.rename(|val| follow(&names, val));
        }
    }

    /// The state after an instruction.
    pub fn after(&self, at: usize) -> Option<State> {
        let mut state = self.before.get(at)?.clone()?;
        let ins = self.code.ins.get(at)?;
        for (part, op) in ins.ops.iter().enumerate() {
            state.apply(op, at as u16, part as u8, self.frame, |val| self.narrow(val));
        }
        if let Some(callee) = self.code.call(at) {
            let only_reads = matches!(callee, Some(name) if self.readers.contains(&name));
            state.call(at as u16, self.frame, only_reads);
        }
        Some(state)
    }

    /// The state before an instruction; none if it is never reached.
    pub fn before(&self, at: usize) -> Option<&State> {
        self.before.get(at)?.as_ref()
    }

    /// The operation whose result a value is.
    pub fn origin(&self, val: Val) -> Option<(usize, &Op)> {
        let Val::Def(at, part) = val else { return None };
        let op = self.code.ins.get(usize::from(at))?.ops.get(usize::from(part))?;
        Some((usize::from(at), op))
    }

    /// An argument's value at a call.
    pub fn arg(&self, call: usize, n: usize) -> Val {
        let reg = self.code.text.arch.arg(n);
        self.before(call).zip(reg).map_or(Val::Unknown, |(state, reg)| state.reg(reg))
    }

    /// The values that can be in a joined value, sorted: what the ways that meet bring along. `None`
    /// where one of them is unknown.
    pub fn leaves(&self, val: Val) -> Option<Vec<Val>> {
        self.leaves_until(val, |_| false)
    }

    /// The same, but values that `stop` accepts are not traced back further.
    pub fn leaves_until(&self, val: Val, stop: impl Fn(Val) -> bool) -> Option<Vec<Val>> {
        let (mut open, mut seen, mut out) = (vec![val], Vec::new(), Vec::new());
        while let Some(val) = open.pop() {
            if seen.contains(&val) {
                continue;
            }
            if seen.len() > MAX_LEAVES {
                return None;
            }
            seen.push(val);
            match val {
                Val::Unknown => return None,
                val if stop(val) => out.push(val),
                Val::Joined(at, place) => {
                    for edge in self.code.preds(usize::from(at)) {
                        open.extend(self.leaving(*edge, place));
                    }
                }
                val => out.push(val),
            }
        }
        out.sort_unstable();
        Some(out)
    }

    fn leaving(&self, edge: Edge, place: Place) -> Option<Val> {
        let after = self.after(edge.from);
        self.along_one(edge, after.as_ref()?).map(|state| state.at(place))
    }

    /// Whether a value is known to have its upper 32 bits clear.
    fn narrow(&self, val: Val) -> bool {
        match val {
            Val::Const(value) => u32::try_from(value).is_ok(),
            // A slot of four bytes is only ever read as such.
            Val::Joined(at, Place::Slot(slot)) => {
                self.before(usize::from(at)).is_some_and(|state| state.slot(slot, 4).is_some())
            }
            val => match self.origin(val) {
                Some((_, Op::Load { mem, .. })) => matches!(mem.bytes, 1 | 2 | 4),
                Some((_, Op::And { mask, .. })) => *mask <= u64::from(u32::MAX),
                Some((_, Op::Move { bits, .. })) => *bits == 32,
                _ => false,
            },
        }
    }

    /// Lowest frame address that any instruction puts into a register other than the stack pointer.
    fn lowest_object(&self) -> i32 {
        let sp = self.code.text.arch.sp();
        let mut lowest = i32::MAX;
        for (at, ins) in self.code.ins.iter().enumerate() {
            let takes = |op: &Op| match *op {
                Op::Add { dst, .. } | Op::Move { dst, .. } if dst != sp => Some(dst),
                _ => None,
            };
            let written: Vec<Reg> = ins.ops.iter().filter_map(takes).collect();
            if written.is_empty() {
                continue;
            }
            let Some(state) = self.after(at) else { continue };
            for reg in written {
                if let Val::Stack(at) = state.reg(reg) {
                    lowest = lowest.min(at);
                }
            }
            // An address with an index has no single value, but its base is an object all the same.
            let Some(before) = self.before(at) else { continue };
            for op in &ins.ops {
                if let Op::Add { base, disp, index: Some(index), .. } = op {
                    for reg in [base, index] {
                        if let Val::Stack(at) = before.reg(*reg) {
                            lowest = lowest
                                .min(at.saturating_add(i32::try_from(*disp).unwrap_or(i32::MIN)));
                        }
                    }
                }
            }
        }
        lowest
    }
}

/// The last name in a chain of replacements.
fn follow(names: &BTreeMap<Val, Val>, mut val: Val) -> Val {
    // A replacement never leads back: each was final when it was made, up to those made later.
    while let Some(next) = names.get(&val) {
        val = *next;
    }
    val
}

fn reverse_postorder(code: &Code) -> Vec<usize> {
    let mut order = Vec::with_capacity(code.ins.len());
    let mut seen = vec![false; code.ins.len()];
    let mut stack = Vec::new();
    if !code.ins.is_empty() {
        seen[0] = true;
        stack.push((0, 0));
    }
    while let Some((at, next)) = stack.pop() {
        match code.succs(at).get(next) {
            Some(edge) => {
                stack.push((at, next + 1));
                if !seen[edge.to] {
                    seen[edge.to] = true;
                    stack.push((edge.to, 0));
                }
            }
            None => order.push(at),
        }
    }
    order.reverse();
    order
}
