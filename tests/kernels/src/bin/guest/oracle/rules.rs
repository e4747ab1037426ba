//! Which generated rule has which handle.

use crate::generate::place::Node;
use crate::generate::slot::Column;
use crate::generate::table::{Chain, Rule, Table};
use anyhow::{Context, Result, ensure};
use nfscope_event::Family;
use serde_json::Value;
use std::collections::HashMap;

/// A rule as generated and as the kernel has it.
pub struct Known {
    /// The chain's name.
    pub chain: String,
    /// The rule.
    pub rule: Rule,
    /// Its counter, if it has one.
    pub packets: Option<u64>,
}

/// A table's identity.
type TableKey = (Node, Family, String);

/// All generated rules by handle.
#[derive(Default)]
pub struct Rules {
    rules: HashMap<(TableKey, u64), Known>,
    columns: HashMap<(TableKey, String), Column>,
}

impl Rules {
    /// Adds the rules of a namespace. `listing` is what `nft -j -a list
    /// ruleset` prints: the rules of a chain are in the order in which they
    /// were generated.
    pub fn add(&mut self, tables: &[&Table], listing: &Value) -> Result<()> {
        let objects = listing["nftables"].as_array().context("nft's JSON has no objects")?;
        let listed: Vec<&Value> = objects.iter().filter_map(|o| o.get("rule")).collect();
        for table in tables {
            for chain in &table.chains {
                let here = |rule: &&&Value| {
                    rule["family"] == table.family.as_str()
                        && rule["table"] == table.name
                        && rule["chain"] == chain.name.as_str()
                };
                self.add_chain(table, chain, listed.iter().filter(here))?;
            }
        }
        Ok(())
    }

    fn add_chain<'a>(
        &mut self,
        table: &Table,
        chain: &Chain,
        listed: impl Iterator<Item = &'a &'a Value>,
    ) -> Result<()> {
        let key = (table.node, table.family, table.name.to_owned());
        self.columns.insert((key.clone(), chain.name.clone()), chain.column);
        let listed: Vec<_> = listed.collect();
        let (have, want) = (listed.len(), chain.rules.len());
        ensure!(have == want, "nft lists {have} rules of {want} in {key:?} {}", chain.name);
        for (rule, value) in chain.rules.iter().zip(listed) {
            let handle = value["handle"].as_u64().context("a rule without a handle")?;
            let known =
                Known { chain: chain.name.clone(), rule: rule.clone(), packets: counter(value) };
            self.rules.insert((key.clone(), handle), known);
        }
        Ok(())
    }

    /// A rule by its handle.
    pub fn get(&self, node: Node, family: Family, table: &str, handle: u64) -> Option<&Known> {
        self.rules.get(&((node, family, table.to_owned()), handle))
    }

    /// What the drops of a chain count for.
    pub fn column(&self, node: Node, family: Family, table: &str, chain: &str) -> Option<Column> {
        self.columns.get(&((node, family, table.to_owned()), chain.to_owned())).copied()
    }

    /// Handles of a chain's rules, in their order.
    pub fn chain(&self, node: Node, family: Family, table: &str, chain: &str) -> Vec<u64> {
        let here = |((n, f, t), _): &(TableKey, u64)| *n == node && *f == family && t == table;
        let rules = self.rules.iter().filter(|(key, known)| here(key) && known.chain == chain);
        // they were made in this order
        let mut handles: Vec<u64> = rules.map(|((_, handle), _)| *handle).collect();
        handles.sort_unstable();
        handles
    }

    /// All rules with namespace, family, table and handle.
    pub fn iter(&self) -> impl Iterator<Item = (Node, Family, &str, u64, &Known)> {
        self.rules.iter().map(|(((node, family, table), handle), known)| {
            (*node, *family, table.as_str(), *handle, known)
        })
    }
}

/// The packets of a rule's own counter.
fn counter(rule: &Value) -> Option<u64> {
    let statements = rule["expr"].as_array()?;
    statements.iter().find_map(|s| s["counter"]["packets"].as_u64())
}
