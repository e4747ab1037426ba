//! Where ways meet: common values keep their names, the rest gets new ones.

use super::{Flags, Operand, Place, State, Val};

impl State {
    /// The state where ways meet at instruction `at`: what all agree on keeps its value, the rest is
    /// "what this place held on arrival". What was that already in the `previous` round stays so.
    pub fn join<'a>(
        ways: impl Iterator<Item = &'a State> + Clone,
        at: u16,
        previous: Option<&State>,
    ) -> Option<State> {
        let first = ways.clone().next()?;
        let mut out = first.clone();
        for (index, reg) in first.arch.regs().enumerate() {
            let own = Val::Joined(at, Place::Reg(reg));
            let vals = ways.clone().map(|s| s.regs.get(index).copied().unwrap_or(Val::Unknown));
            out.regs[index] = meet(vals, own, previous.map(|s| s.reg(reg)));
        }
        out.slots.retain_mut(|slot| {
            let own = Val::Joined(at, Place::Slot(slot.at));
            let mut vals = ways.clone().map(|s| s.slot(slot.at, slot.bytes));
            if vals.any(|val| val.is_none()) {
                return false;
            }
            let vals = ways.clone().filter_map(|s| s.slot(slot.at, slot.bytes));
            slot.val = meet(vals, own, previous.and_then(|s| s.slot(slot.at, slot.bytes)));
            true
        });
        if ways.clone().any(|s| s.flags != first.flags) {
            out.flags = Flags::Unknown;
        }
        Some(out)
    }

    /// Replaces every value by what `resolve` makes of it.
    pub fn rename(&mut self, resolve: impl Fn(Val) -> Val) {
        self.regs.iter_mut().for_each(|val| *val = resolve(*val));
        self.slots.iter_mut().for_each(|slot| slot.val = resolve(slot.val));
        if let Flags::Compared { left: Operand::Value(val), .. }
        | Flags::Tested { value: val, .. } = &mut self.flags
        {
            *val = resolve(*val);
        }
    }

    /// All places whose value has the name that the meeting of ways at `at` gave it.
    pub fn joined_at(&self, at: u16) -> Vec<Place> {
        let regs = self.arch.regs().map(|reg| (Place::Reg(reg), self.reg(reg)));
        let slots = self.slots.iter().map(|s| (Place::Slot(s.at), s.val));
        let own = |(place, val): (Place, Val)| (val == Val::Joined(at, place)).then_some(place);
        regs.chain(slots).filter_map(own).collect()
    }

    /// The value of a place.
    pub fn at(&self, place: Place) -> Val {
        match place {
            Place::Reg(reg) => self.reg(reg),
            Place::Slot(at) => {
                self.slots.iter().find(|s| s.at == at).map_or(Val::Unknown, |slot| slot.val)
            }
        }
    }
}

/// The common value at a place where ways meet, or the name for their meeting.
fn meet(mut vals: impl Iterator<Item = Val>, own: Val, previous: Option<Val>) -> Val {
    let first = vals.next().unwrap_or(Val::Unknown);
    if previous == Some(own) || first == Val::Unknown || vals.any(|val| val != first) {
        return own;
    }
    first
}
