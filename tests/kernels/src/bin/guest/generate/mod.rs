//! Rulesets and packets from a seed.
//!
//! Every group of rules has numbers ("selectors") of its own, which stand in
//! the destination address or port of the packets that are aimed at it; every
//! packet has a number ("tag") of its own, which stands in its source address
//! and source port, so that the packet itself and any reply to it can be told
//! from all others. What really happens to a packet is not computed here: the
//! kernel says it.

pub mod construct;
mod key;
pub mod packet;
pub mod place;
pub mod random;
mod rules;
pub mod slot;
pub mod table;

use anyhow::{Result, ensure};
use packet::PacketPlan;
use random::Random;
use slot::Abilities;
use table::Table;

/// A generated test.
pub struct Plan {
    /// The tables, in the order in which they are loaded.
    pub tables: Vec<Table>,
    /// The packets, in the order in which they are sent.
    pub packets: Vec<PacketPlan>,
}

impl Plan {
    /// Makes at least `rules` rules, and `packets` packets, from `seed`.
    pub fn generate(
        seed: u64,
        abilities: &Abilities,
        rules: usize,
        packets: usize,
    ) -> Result<Self> {
        // Tags are the numbers below the first selector.
        let limit = usize::from(rules::FIRST_SELECTOR);
        ensure!(packets < limit, "at most {} packets", limit - 1);
        let mut random = Random::new(seed);
        let (tables, aims) = rules::generate(&mut random, abilities, rules)?;
        let packets = packet::generate(&mut random, &aims, packets);
        Ok(Self { tables, packets })
    }

    /// Number of rules.
    pub fn rules(&self) -> usize {
        let chains = self.tables.iter().flat_map(|t| &t.chains);
        chains.map(|c| c.rules.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::slot::{Ability, Column};
    use super::*;
    use construct::Cause;
    use std::collections::BTreeMap;

    fn takes_reject(column: Column) -> bool {
        !matches!(column, Column::Arp | Column::NetdevEgress)
    }

    fn everything() -> Abilities {
        let ability = |column| Ability { chain: true, reject: takes_reject(column), queue: true };
        Column::ALL.into_iter().map(|c| (c, ability(c))).collect()
    }

    #[test]
    fn a_seed_repeats_and_another_differs() -> Result<()> {
        let text = |seed| -> Result<String> {
            let plan = Plan::generate(seed, &everything(), 200, 2000)?;
            let tables: String = plan.tables.iter().map(Table::text).collect();
            Ok(format!("{tables}{:?}", plan.packets))
        };
        assert_eq!(text(1)?, text(1)?);
        assert_ne!(text(1)?, text(2)?);
        Ok(())
    }

    #[test]
    fn every_cause_of_every_column_is_aimed_at() -> Result<()> {
        for seed in 0..20 {
            let plan = Plan::generate(seed, &everything(), 200, 2000)?;
            assert!(plan.rules() >= 200);
            assert_eq!(plan.packets.len(), 2000);
            let mut aimed: BTreeMap<_, usize> = BTreeMap::new();
            for aim in plan.packets.iter().filter_map(|p| p.aim) {
                *aimed.entry(aim).or_default() += 1;
            }
            for column in Column::ALL {
                for cause in Cause::ALL {
                    if cause == Cause::Reject && !takes_reject(column) {
                        continue;
                    }
                    let count = aimed.get(&(column, cause)).copied().unwrap_or_default();
                    assert!(count >= 25, "seed {seed}: {column:?} {cause:?}: {count}");
                }
            }
        }
        Ok(())
    }
}
