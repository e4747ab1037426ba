//! The rules of a chain in their order, for questions which of them a packet
//! passed over.
//!
//! Announcements of rules do not say where among the others they stand. So orders
//! are those of the first listing, and a chain that has changed is listed again
//! when somebody asks.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::life::{Entry, Instance};
use super::lookup::{ChainQuery, Lookup, alive};
use super::shared::Shared;
use super::store::{SETTLED_NS, Store};
use crate::netlink::{Error, Socket};
use crate::sys::monotonic_ns;

/// How many earlier orders of a chain are remembered.
const REMEMBERED: usize = 16;
/// Of so many chains; beyond, all is forgotten.
const MOST_CHAINS: usize = 65_536;

/// Handles of a chain's rules, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order(Box<[u64]>);

impl Order {
    /// Of these handles.
    pub fn new(handles: Vec<u64>) -> Self {
        Self(handles.into())
    }

    /// The rules behind this one; none if it is not there.
    fn rest(&self, handle: u64) -> Option<&[u64]> {
        let at = self.0.iter().position(|other| *other == handle)?;
        self.0.get(at + 1..)
    }

    /// How many rules stand behind this one; none if it is not there.
    pub fn behind(&self, handle: u64) -> Option<usize> {
        self.rest(handle).map(<[u64]>::len)
    }

    /// The rule behind this one.
    pub fn next(&self, handle: u64) -> Option<u64> {
        self.rest(handle)?.first().copied()
    }

    /// How many rules a packet passed over, of which `matched` matched, in this
    /// order: up to the last of them, or up to the chain's `end`. None if
    /// those were not this chain's rules in that order.
    pub fn passed_over(&self, matched: &[u64], end: bool) -> Option<usize> {
        let mut rules = self.0.iter();
        for handle in matched {
            rules.find(|other| *other == handle)?;
        }
        let ahead = if end { 0 } else { rules.len() };
        Some(self.0.len() - ahead - matched.len())
    }
}

/// A chain's order as listed.
#[derive(Debug)]
struct Listed {
    order: Arc<Order>,
    /// When the listing was complete (monotonic ns).
    at: u64,
}

/// An order that a chain had.
#[derive(Debug)]
struct Past {
    order: Arc<Order>,
    from: u64,
    until: u64,
}

/// A chain through its changes.
#[derive(Debug, Default)]
struct Chain {
    /// It has not changed since then (monotonic ns).
    from: u64,
    listed: Option<Listed>,
    /// Oldest first.
    past: VecDeque<Past>,
}

/// Table handle and name of the chain.
type Key = (u64, String);

/// Orders of chains.
#[derive(Debug, Default)]
pub(super) struct Orders {
    chains: HashMap<Key, Chain>,
    /// All chains may have changed until then.
    from: u64,
    wanted: BTreeSet<Key>,
}

impl Orders {
    /// Whether the kernel is to be asked.
    pub(super) fn wanting(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Notes that a chain's rules changed between `earliest` and `now`.
    pub(super) fn changed(&mut self, table: u64, chain: &str, earliest: u64, now: u64) {
        if self.chains.len() >= MOST_CHAINS {
            self.all_changed(now);
        }
        let from = self.from;
        let chain = self.chains.entry((table, chain.to_owned())).or_default();
        // what was listed at that time may hold the change already
        if let Some(listed) = chain.listed.take_if(|listed| listed.at < earliest) {
            let from = chain.from.max(from);
            chain.past.push_back(Past { order: listed.order, from, until: earliest });
            if chain.past.len() > REMEMBERED {
                chain.past.pop_front();
            }
        }
        chain.listed = None;
        chain.from = now;
    }

    /// Notes that any chain may have changed until `now`.
    pub(super) fn all_changed(&mut self, now: u64) {
        self.chains.clear();
        self.from = now;
    }

    /// Takes a chain's order out of a listing of all, at `at`.
    pub(super) fn seed(&mut self, table: u64, chain: &str, handles: Vec<u64>, at: u64) {
        if self.chains.len() < MOST_CHAINS {
            let chain = self.chains.entry((table, chain.to_owned())).or_default();
            chain.listed = Some(Listed { order: Arc::new(Order::new(handles)), at });
        }
    }

    /// Forgets the chains of a table.
    pub(super) fn forget(&mut self, table: u64) {
        self.chains.retain(|key, _| key.0 != table);
    }

    fn listed(&mut self, key: Key, handles: Option<Vec<u64>>, began: u64, at: u64) {
        let chain = self.chains.entry(key).or_default();
        match handles {
            // a change that came meanwhile may be in it, or not
            Some(_) if chain.from > began => {}
            Some(handles) => {
                chain.listed = Some(Listed { order: Arc::new(Order::new(handles)), at })
            }
            // it has gone, and nobody can tell any more
            None => chain.from = at,
        }
    }
}

impl Store {
    /// The rules of a chain in the order that they had.
    pub(crate) fn order(&mut self, query: &ChainQuery<'_>) -> Lookup<Arc<Order>> {
        if !self.loaded() {
            return Lookup::Pending;
        }
        let at = query.at;
        let lives = self.lives(query.family, query.table, query.table_handle);
        let meant = |i: &&Instance| query.table_handle.is_some() || alive(i, at);
        let meant: Vec<_> = lives.filter(meant).collect();
        let settled = at.saturating_add(SETTLED_NS) <= self.synced;
        let [instance] = meant[..] else {
            return if settled { Lookup::Unknown } else { Lookup::Pending };
        };
        let live = instance.deleted.is_none() && instance.chains.contains_key(query.chain);
        let key = (instance.handle, query.chain.to_owned());
        let known = self.orders.chains.get(&key);
        let from = known.map_or(0, |chain| chain.from).max(self.orders.from);
        if at < from {
            let past = known.into_iter().flat_map(|chain| &chain.past);
            let then = past.rev().find(|past| past.from <= at && at < past.until);
            return then.map_or(Lookup::Unknown, |past| Lookup::Known(past.order.clone()));
        }
        match known.and_then(|chain| chain.listed.as_ref()) {
            // a change before the listing is known by then
            Some(listed) if settled && listed.at.saturating_add(SETTLED_NS) <= self.synced => {
                Lookup::Known(listed.order.clone())
            }
            Some(_) => Lookup::Pending,
            None if live => {
                self.orders.wanted.insert(key);
                Lookup::Pending
            }
            None if settled => Lookup::Unknown,
            None => Lookup::Pending,
        }
    }
}

impl Store {
    /// Whether a chain should have rules.
    fn has_rules(&self, (table, chain): &Key) -> bool {
        let instance = self.instances.iter().find(|i| i.handle == *table);
        let rule = |entry: &Entry| entry.rule.chain == *chain && !entry.rule.deleted;
        instance.is_some_and(|instance| instance.rules.values().any(rule))
    }
}

/// Lists the chains that are wanted. Says whether there were any.
pub(super) fn fetch(shared: &Shared, socket: &mut Socket) -> Result<bool, Error> {
    let wanted = std::mem::take(&mut shared.state().store.orders.wanted);
    let any = !wanted.is_empty();
    for key in wanted {
        let place = {
            let state = shared.state();
            let instance = state.store.instances.iter().find(|i| i.handle == key.0);
            instance.filter(|i| i.deleted.is_none()).map(|i| (i.family, i.name.clone()))
        };
        let Some((family, table)) = place else { continue };
        let began = monotonic_ns();
        match socket.rule_handles(family, &table, &key.1) {
            Ok(handles) => {
                let at = monotonic_ns();
                let mut state = shared.state();
                // what ends with its owner is not announced; it is listed as empty
                let there =
                    |handles: &Vec<u64>| !handles.is_empty() || !state.store.has_rules(&key);
                let handles = handles.filter(there);
                state.store.orders.listed(key, handles, began, at);
                state.store.ask(at);
            }
            // It changes while it is read: it stays wanted.
            Err(Error::Interrupted) => {
                shared.state().store.orders.wanted.insert(key);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(any)
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
