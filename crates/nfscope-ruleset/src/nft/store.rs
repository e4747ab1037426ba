//! The ruleset of one namespace, with what it was a while ago.
//!
//! Handles of tables are never used twice in a namespace, those of rules in a
//! table only by `replace rule`, which leaves the new rule the old one's
//! handle. But a table that is made anew under its old name (`flush ruleset`
//! at the top of a file) counts its rules from the start. So there are table
//! *instances*, and a rule is found by table name, rule handle, and either the
//! table's handle or the time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use nfscope_event::Family;

use super::details::Details;
use super::iptables;
use super::life::{Entry, Instance, Replaced};
use super::order::Orders;
use super::rule::Rule;
use super::snapshot::Snapshot;
use crate::netlink::{ChainInfo, Change, Ending, Expression, RuleInfo, SetInfo, TableInfo};

/// How many deleted rules are remembered.
const REMEMBERED_RULES: usize = 20_000;
/// How many replaced rules are remembered, each handle.
const REMEMBERED_REPLACED: usize = 16;
/// How many deleted tables are remembered.
const REMEMBERED_TABLES: usize = 64;
/// A rule that acted is the known one of its handle if no replacement was
/// announced until so long after (ns).
pub(super) const SETTLED_NS: u64 = 5_000_000;

/// A text that somebody is to get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) since: u64,
    pub(super) tries: u8,
}

/// The ruleset of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Oldest first.
    pub(super) instances: Vec<Instance>,
    /// Table and rule handles, oldest deletion first.
    deleted_rules: VecDeque<(u64, u64)>,
    /// Rules that went before their text came, and when.
    pub(super) gone_textless: VecDeque<(u64, (u64, u64))>,
    /// Rules in full, as far as they were asked for.
    pub(super) details: Details,
    /// Orders of chains, likewise.
    pub(super) orders: Orders,
    /// Texts to be got, by table and rule handle.
    pub(super) wanted: BTreeMap<(u64, u64), Wanted>,
    /// Up to then every change is in here (monotonic ns); 0: not yet loaded.
    pub(super) synced: u64,
    /// Somebody waits until [`Store::synced`] is past that time.
    pub(super) asked: u64,
    /// How many transactions were taken.
    transactions: u64,
    /// Whether somebody gets texts.
    pub(super) with_text: bool,
}

impl Store {
    /// An empty store; `with_text` if texts will be asked for.
    pub(crate) fn new(with_text: bool) -> Self {
        Self { with_text, ..Self::default() }
    }

    /// Whether the ruleset has been read.
    pub(crate) fn loaded(&self) -> bool {
        self.synced != 0
    }

    /// Whether the namespace has a table.
    pub(crate) fn has_tables(&self) -> bool {
        self.instances.iter().any(|instance| instance.deleted.is_none())
    }

    /// Notes that every change up to `now` is in here. Says whether somebody
    /// waited for it.
    pub(crate) fn synced(&mut self, now: u64) -> bool {
        let waited = self.behind();
        self.synced = now;
        waited && !self.behind()
    }

    /// Notes that somebody waits for every change up to `at`.
    pub(crate) fn ask(&mut self, at: u64) {
        self.asked = self.asked.max(at.saturating_add(SETTLED_NS));
    }

    /// Whether somebody waits for changes up to a time not reached yet.
    pub(crate) fn behind(&self) -> bool {
        self.loaded() && self.synced < self.asked
    }

    /// Takes the ruleset as read at `now`.
    pub(crate) fn replace(&mut self, snapshot: Snapshot, now: u64) {
        let handles: HashSet<u64> = snapshot.tables.iter().map(|table| table.handle).collect();
        for instance in self.instances.iter_mut().filter(|i| i.deleted.is_none()) {
            if !handles.contains(&instance.handle) {
                instance.deleted = Some(now);
            }
        }
        // What came since the last reading came at an unknown time after it.
        let since = self.synced;
        if since != 0 {
            self.orders.all_changed(now);
        }
        for table in snapshot.tables {
            self.new_table(table, since);
        }
        let mut rules: HashMap<(Family, String), HashSet<u64>> = HashMap::new();
        for rule in &snapshot.rules {
            rules.entry((rule.family, rule.table.clone())).or_default().insert(rule.handle);
        }
        let mut gone = Vec::new();
        for instance in &mut self.instances {
            instance.stale_maps.extend(instance.elements.keys().map(|name| (name.clone(), now)));
            let live = rules.get(&(instance.family, instance.name.clone()));
            let live = live.filter(|_| instance.deleted.is_none());
            let stays = |handle: &u64| live.is_some_and(|live| live.contains(handle));
            let entries = instance.rules.iter().filter(|(h, e)| !e.rule.deleted && !stays(h));
            gone.extend(entries.map(|(handle, _)| (instance.handle, *handle)));
        }
        for (table, rule) in gone {
            self.delete_rule(table, rule, now);
        }
        let mut orders: HashMap<(Family, String, String), Vec<u64>> = HashMap::new();
        for rule in &snapshot.rules {
            let chain = (rule.family, rule.table.clone(), rule.chain.clone());
            orders.entry(chain).or_default().push(rule.handle);
        }
        for chain in snapshot.chains {
            let place = (chain.family, chain.table.clone(), chain.name.clone());
            let order = orders.remove(&place).unwrap_or_default();
            if let Some(table) = self.live(chain.family, &chain.table).map(|i| i.handle) {
                self.orders.seed(table, &chain.name, order, now);
            }
            self.new_chain(chain);
        }
        for set in snapshot.sets {
            self.new_set(set);
        }
        for rule in snapshot.rules {
            self.new_rule(rule, None, now);
        }
        self.forget();
        self.synced = now;
    }

    /// Takes the changes of one transaction, which was made at `earliest` at the
    /// earliest and was read at `now`.
    pub(crate) fn take(&mut self, transaction: Vec<Change>, earliest: u64, now: u64) {
        self.transactions += 1;
        transaction.into_iter().for_each(|change| self.apply(change, earliest, now));
    }

    fn apply(&mut self, change: Change, earliest: u64, now: u64) {
        let transaction = self.transactions;
        match change {
            Change::NewTable(table) => self.new_table(table, earliest),
            Change::DeletedTable(table) => {
                let found = self.instances.iter_mut().find(|i| i.handle == table.handle);
                let Some(instance) = found else { return };
                instance.deleted = Some(now);
                let handles: Vec<u64> = instance.rules.keys().copied().collect();
                for handle in handles {
                    self.delete_rule(table.handle, handle, now);
                }
                self.forget();
            }
            Change::NewChain(chain) => {
                // it may have had another name
                self.reordered(chain.family, &chain.table, &chain.name, earliest, now);
                self.new_chain(chain);
            }
            // Deleted chains and sets stay for the rules that were theirs.
            Change::DeletedChain(_) | Change::DeletedSet(_) | Change::Generation(_) => {}
            Change::NewRule(rule) => {
                self.reordered(rule.family, &rule.table, &rule.chain, earliest, now);
                self.new_rule(rule, Some(earliest), now);
            }
            Change::DeletedRule(rule) => {
                self.reordered(rule.family, &rule.table, &rule.chain, earliest, now);
                if let Some(instance) = self.live(rule.family, &rule.table) {
                    let table = instance.handle;
                    // of a replacement older kernels tell the old rule's end last
                    let entry = instance.rules.get(&rule.handle);
                    let before = entry.and_then(|entry| entry.before.back());
                    if before.is_none_or(|before| before.transaction != transaction) {
                        self.delete_rule(table, rule.handle, now);
                        self.forget();
                    }
                }
            }
            Change::NewSet(set) => self.new_set(set),
            Change::Elements(family, table, set) => {
                // a listing under way may be older than this change
                let wanted = |i: &&mut Instance| {
                    i.elements.contains_key(&set) || i.stale_maps.contains_key(&set)
                };
                if let Some(instance) = self.live(family, &table).filter(wanted) {
                    instance.map_changed(set, earliest, now);
                }
            }
        }
    }

    fn reordered(&mut self, family: Family, table: &str, chain: &str, earliest: u64, now: u64) {
        if let Some(table) = self.live(family, table).map(|instance| instance.handle) {
            self.orders.changed(table, chain, earliest, now);
        }
    }

    /// The table that has that name now.
    pub(super) fn live(&mut self, family: Family, name: &str) -> Option<&mut Instance> {
        let is = |i: &&mut Instance| i.deleted.is_none() && i.family == family && i.name == name;
        self.instances.iter_mut().rev().find(is)
    }

    fn new_table(&mut self, table: TableInfo, created: u64) {
        if self.instances.iter().any(|instance| instance.handle == table.handle) {
            return;
        }
        self.instances.push(Instance::new(table, created));
    }

    fn new_chain(&mut self, chain: ChainInfo) {
        let Some(instance) = self.live(chain.family, &chain.table) else { return };
        let same = instance.chains.values().find(|old| old.handle == chain.handle);
        if let Some(old) = same.map(|old| old.name.clone()).filter(|old| *old != chain.name) {
            instance.chains.remove(&old);
            for entry in instance.rules.values_mut().filter(|e| e.rule.chain == old) {
                Arc::make_mut(&mut entry.rule).chain.clone_from(&chain.name);
            }
        }
        instance.chains.insert(chain.name.clone(), chain);
    }

    fn new_set(&mut self, set: SetInfo) {
        if let Some(instance) = self.live(set.family, &set.table) {
            instance.sets.insert(set.name.clone(), set);
        }
    }

    /// `announced`: the earliest time of the change that brought the rule; none
    /// if it was found in a listing, which says nothing new of known rules.
    fn new_rule(&mut self, info: RuleInfo, announced: Option<u64>, now: u64) {
        let (with_text, transaction) = (self.with_text, self.transactions);
        let Some(instance) = self.live(info.family, &info.table) else { return };
        if announced.is_none() && instance.rules.contains_key(&info.handle) {
            return;
        }
        let mut before = VecDeque::new();
        if let Some(old) = instance.rules.remove(&info.handle) {
            before = old.before;
            let earliest = announced.unwrap_or(now);
            let (rule, since) = (Some(old.rule), old.since);
            before.push_back(Replaced { rule, earliest, since, transaction });
            if before.len() > REMEMBERED_REPLACED {
                before.pop_front();
                before.front_mut().into_iter().for_each(|oldest| oldest.rule = None);
            }
        }
        let iptables_like = iptables::may_have_made(&info);
        let endings: Vec<Ending> = info
            .expressions
            .into_iter()
            .filter_map(|expression| match expression {
                Expression::Ending(ending) => Some(ending),
                _ => None,
            })
            .collect();
        let mut maps = Vec::new();
        for ending in &endings {
            let Ending::VerdictMap(map) = ending else { continue };
            let set = instance.sets.get(&map.set).cloned();
            let named = set.as_ref().is_some_and(|set| !set.anonymous);
            if named && !instance.elements.contains_key(&map.set) {
                instance.stale_maps.insert(map.set.clone(), now);
            }
            maps.push(set);
        }
        let rule = Rule {
            chain: info.chain,
            text: None,
            comment: info.comment,
            iptables: None,
            endings,
            deleted: false,
            maps,
        };
        let iptables_wanted = iptables_like && with_text;
        let rule = Arc::new(rule);
        let entry = Entry { rule, iptables_wanted, iptables_like, since: now, before };
        instance.rules.insert(info.handle, entry);
        let key = (instance.handle, info.handle);
        self.deleted_rules.retain(|deleted| *deleted != key);
        if with_text {
            self.wanted.insert(key, Wanted { since: now, tries: 0 });
        }
    }

    fn delete_rule(&mut self, table: u64, rule: u64, now: u64) {
        let instance = self.instances.iter_mut().find(|instance| instance.handle == table);
        let Some(entry) = instance.and_then(|i| i.rules.get_mut(&rule)) else { return };
        if !entry.rule.deleted {
            Arc::make_mut(&mut entry.rule).deleted = true;
            entry.iptables_wanted = false;
            self.deleted_rules.push_back((table, rule));
            if self.wanted.contains_key(&(table, rule)) {
                self.gone_textless.push_back((now, (table, rule)));
            }
        }
    }

    /// Forgets the oldest of what is no longer there.
    fn forget(&mut self) {
        while self.deleted_rules.len() > REMEMBERED_RULES {
            let Some((table, rule)) = self.deleted_rules.pop_front() else { break };
            if let Some(instance) = self.instances.iter_mut().find(|i| i.handle == table) {
                instance.rules.remove(&rule);
            }
            self.wanted.remove(&(table, rule));
        }
        let deleted = self.instances.iter().filter(|i| i.deleted.is_some()).count();
        let mut surplus = deleted.saturating_sub(REMEMBERED_TABLES);
        let wanted = &mut self.wanted;
        self.instances.retain(|instance| {
            if surplus == 0 || instance.deleted.is_none() {
                return true;
            }
            surplus -= 1;
            self.orders.forget(instance.handle);
            wanted.retain(|(table, _), _| *table != instance.handle);
            false
        });
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
