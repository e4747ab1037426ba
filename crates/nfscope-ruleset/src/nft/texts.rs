//! Texts on their way into a [`Store`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use nfscope_event::Family;

use super::iptables;
use super::life::Instance;
use super::listing::ListedMap;
use super::store::Store;

/// How often a text is asked for before it is given up.
const TRIES: u8 = 3;
/// How long the text of a rule that is already gone may still be announced.
const GONE_NS: u64 = 1_000_000_000;

/// A chain whose rules' texts are to be got.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChainToList {
    /// Handle of the table.
    pub(crate) table_handle: u64,
    /// nft's word for the table's family.
    pub(crate) family: &'static str,
    pub(crate) table: String,
    pub(crate) chain: String,
}

/// A verdict map whose elements are to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapToList {
    /// Handle of the table.
    pub(crate) table_handle: u64,
    /// nft's word for the table's family.
    pub(crate) family: &'static str,
    pub(crate) table: String,
    pub(crate) map: String,
}

impl Store {
    /// Whether a table of that name has or had a rule of that handle.
    pub(crate) fn has_rule(&self, family: Family, table: &str, handle: u64) -> bool {
        let tables = self.instances.iter().filter(|i| i.family == family && i.name == table);
        tables.into_iter().any(|instance| instance.rules.contains_key(&handle))
    }

    /// The handle of the table that has that name now.
    pub(crate) fn table_handle(&self, family: Family, table: &str) -> Option<u64> {
        let live = self.instances.iter().filter(|i| i.deleted.is_none());
        live.into_iter().find(|i| i.family == family && i.name == table).map(|i| i.handle)
    }

    /// Whether more than one table of that name was seen.
    pub(crate) fn had_others(&self, family: Family, table: &str) -> bool {
        self.instances.iter().filter(|i| i.family == family && i.name == table).count() > 1
    }

    /// Takes a rule's text, from a listing begun at `listed` or from `nft
    /// monitor`. Says whether the rule is known in that chain.
    ///
    /// Of several rules that had the handle one after the other the monitor
    /// does not tell which it means; a listing begun after the last came does.
    pub(crate) fn take_text(
        &mut self,
        table: u64,
        chain: &str,
        handle: u64,
        text: &str,
        listed: Option<u64>,
    ) -> bool {
        let instance = self.instances.iter_mut().find(|instance| instance.handle == table);
        let entry = instance.and_then(|instance| instance.rules.get_mut(&handle));
        let Some(entry) = entry.filter(|entry| entry.rule.chain == chain) else { return false };
        if !entry.before.is_empty() && listed.is_none_or(|started| started < entry.since) {
            return true;
        }
        if entry.rule.text.is_none() {
            Arc::make_mut(&mut entry.rule).text = Some(text.into());
        }
        self.wanted.remove(&(table, handle));
        true
    }

    /// Takes the elements of a verdict map.
    pub(crate) fn take_map(&mut self, table: u64, map: ListedMap) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.handle == table) {
            instance.elements.insert(map.name, map.elements);
        }
    }

    /// The chains of rules whose text has been missing since `before`.
    pub(crate) fn chains_to_list(&self, before: u64) -> BTreeSet<ChainToList> {
        let mut chains = BTreeSet::new();
        for ((table, rule), wanted) in &self.wanted {
            let Some(instance) = self.instances.iter().find(|i| i.handle == *table) else {
                continue;
            };
            let Some(entry) = instance.rules.get(rule) else { continue };
            if wanted.since <= before && !entry.rule.deleted {
                chains.insert(ChainToList {
                    table_handle: *table,
                    family: instance.family.as_str(),
                    table: instance.name.clone(),
                    chain: entry.rule.chain.clone(),
                });
            }
        }
        chains
    }

    /// A verdict map of a live table whose elements are to be listed.
    pub(crate) fn map_to_list(&self) -> Option<MapToList> {
        let mut live = self.instances.iter().filter(|i| i.deleted.is_none());
        live.find_map(|instance| {
            Some(MapToList {
                table_handle: instance.handle,
                family: instance.family.as_str(),
                table: instance.name.clone(),
                map: instance.stale_maps.keys().next()?.clone(),
            })
        })
    }

    /// Notes that one map, or all maps, have been listed as far as can be; what has changed since `started` is to
    /// be listed again.
    pub(crate) fn listed_maps(&mut self, started: u64, map: Option<&MapToList>) {
        let of = |i: &&mut Instance| map.is_none_or(|map| map.table_handle == i.handle);
        for instance in self.instances.iter_mut().filter(of) {
            let of = |name: &String| map.is_none_or(|map| map.map == *name);
            instance.stale_maps.retain(|name, since| !of(name) || *since > started);
        }
    }

    /// Whether something is to be got from nft or iptables.
    pub(crate) fn wants_text(&self) -> bool {
        !self.wanted.is_empty() || self.map_to_list().is_some() || self.iptables_table().is_some()
    }

    /// Notes that a listing which began at `started` is over: what it should
    /// have brought and did not is asked for a few times more. `chain` limits
    /// it to one chain.
    pub(crate) fn listed(&mut self, started: u64, chain: Option<&ChainToList>) {
        let instances = &self.instances;
        self.wanted.retain(|(table, rule), wanted| {
            let covers = |chain: &ChainToList| {
                let instance = instances.iter().find(|i| i.handle == *table);
                let entry = instance.and_then(|instance| instance.rules.get(rule));
                *table == chain.table_handle && entry.is_some_and(|e| e.rule.chain == chain.chain)
            };
            if wanted.since <= started && chain.is_none_or(covers) {
                wanted.tries += 1;
            }
            wanted.tries < TRIES
        });
    }

    /// Gives up the texts of rules that have long gone.
    pub(crate) fn give_up_gone(&mut self, now: u64) {
        while let Some((since, rule)) = self.gone_textless.front() {
            if since + GONE_NS > now {
                break;
            }
            self.wanted.remove(rule);
            self.gone_textless.pop_front();
        }
    }

    /// A table with rules whose iptables-nft line is to be looked up.
    pub(crate) fn iptables_table(&self) -> Option<(Family, String)> {
        let wanted = self.instances.iter().filter(|i| i.deleted.is_none()).find(|instance| {
            iptables::is_table(instance.family, &instance.name)
                && instance.rules.values().any(|entry| entry.iptables_wanted && !entry.rule.deleted)
        });
        wanted.map(|instance| (instance.family, instance.name.clone()))
    }

    /// Takes the `-A` lines of a table. `order` are the chains' rules in the
    /// kernel's order, `lines` the chains' lines, both of the same moment;
    /// with none the lines cannot be had.
    pub(crate) fn take_iptables(
        &mut self,
        (family, table): (Family, &str),
        order: &HashMap<String, Vec<u64>>,
        lines: Option<&HashMap<String, Vec<String>>>,
    ) {
        let Some(instance) = self.live(family, table) else { return };
        let made = iptables::is_table(family, table) && iptables::are_base_chains(&instance.chains);
        for (chain, handles) in order {
            let lines = lines.and_then(|lines| lines.get(chain)).filter(|_| made);
            let lines = lines.filter(|lines| lines.len() == handles.len());
            for (at, handle) in handles.iter().enumerate() {
                let Some(entry) = instance.rules.get_mut(handle) else { continue };
                if let Some(lines) = lines.filter(|_| entry.iptables_like) {
                    Arc::make_mut(&mut entry.rule).iptables = Some(lines[at].clone());
                }
                entry.iptables_wanted = false;
            }
        }
        if lines.is_none() {
            instance.rules.values_mut().for_each(|entry| entry.iptables_wanted = false);
        }
    }
}
