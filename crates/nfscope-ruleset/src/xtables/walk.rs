//! Which rules a packet passed over on its way to one that matched.

use super::table::{Chain, Rule, Table, Target};

/// Where in a table a packet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the first rule of this hook's chain (`NF_INET_*`).
    Hook(u8),
    /// Behind the rule at this offset.
    Behind(u32),
    /// At the first rule of the chain that the rule at this offset leads to.
    Into(u32),
    /// At the policy: a built-in chain returned.
    Policy,
}

/// Rules of one chain that did not match, in order.
pub(super) struct Passed<'a> {
    pub chain: &'a Chain,
    /// The first one's number.
    pub first: u32,
    pub rules: &'a [Rule],
}

impl Table {
    /// The rules between a position and the rule that matched next; none if no
    /// way leads from there to it.
    pub(super) fn passed(&self, from: Position, entry: u32) -> Option<Passed<'_>> {
        let (chain, number, _) = self.at(entry)?;
        let end = match usize::try_from(number).ok()?.checked_sub(1) {
            Some(index) => index,
            None => chain.rules.len(),
        };
        let start = match from {
            Position::Hook(hook) => {
                let name = *self.family.built_in().get(usize::from(hook))?;
                (chain.built_in && chain.name == name).then_some(0)?
            }
            Position::Behind(before) => {
                let (same, number, _) = self.at(before)?;
                (same.name == chain.name && number != 0).then_some(number as usize)?
            }
            Position::Into(before) => {
                let (.., rule) = self.at(before)?;
                let Target::Chain { name, .. } = &rule.target else { return None };
                (*name == chain.name && !chain.built_in).then_some(0)?
            }
            Position::Policy => (chain.built_in && number == 0).then_some(end)?,
        };
        let rules = chain.rules.get(start..end)?;
        Some(Passed { chain, first: u32::try_from(start).ok()?.checked_add(1)?, rules })
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
