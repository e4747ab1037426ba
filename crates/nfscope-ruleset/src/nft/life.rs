//! What a namespace's ruleset consists of, with what it was a while ago: rules
//! and those that they replaced, tables, verdict maps.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use nfscope_event::Family;

use super::rule::Rule;
use crate::netlink::{ChainInfo, SetInfo, TableInfo};

/// A rule and how far it is known.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) rule: Arc<Rule>,
    /// iptables-nft may have made it, and nobody has looked yet.
    pub(super) iptables_wanted: bool,
    /// iptables-nft may have made it.
    pub(super) iptables_like: bool,
    /// When it was found or announced (monotonic ns).
    pub(super) since: u64,
    /// The rules that it replaced under the same handle, oldest first.
    pub(super) before: VecDeque<Replaced>,
}

/// A rule that was replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    /// None: forgotten.
    pub(super) rule: Option<Arc<Rule>>,
    /// Not before that time (monotonic ns).
    pub(super) earliest: u64,
    /// When it had been found or announced (monotonic ns).
    pub(super) since: u64,
    /// In that transaction.
    pub(super) transaction: u64,
}

impl Entry {
    /// Which rule acted at `at`: the one of now, or a replaced one; none if it
    /// is forgotten, or if it was being replaced by another one just then.
    pub(super) fn at(&self, at: u64) -> Option<&Arc<Rule>> {
        let rules = self.before.iter().map(|replaced| replaced.rule.as_ref());
        let mut rules = rules.chain([Some(&self.rule)]);
        // announced in these times
        let latest = self.before.iter().skip(1).map(|replaced| replaced.since).chain([self.since]);
        for (replaced, latest) in self.before.iter().zip(latest) {
            let rule = rules.next()?;
            if at < replaced.earliest {
                return rule;
            }
            if at < latest {
                let next = rules.next()??;
                return rule.filter(|rule| rule.text.is_some() && rule.text == next.text);
            }
        }
        rules.next()?
    }
}

/// One life of a table.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) handle: u64,
    pub(super) family: Family,
    pub(super) name: String,
    /// It did not come before that time (monotonic ns).
    pub(super) created: u64,
    /// It was gone at that time.
    pub(super) deleted: Option<u64>,
    pub(super) chains: HashMap<String, ChainInfo>,
    pub(super) rules: HashMap<u64, Entry>,
    pub(super) sets: HashMap<String, SetInfo>,
    /// Elements of named verdict maps as listed.
    pub(super) elements: HashMap<String, Vec<String>>,
    /// Named verdict maps whose elements are to be listed, since when.
    pub(super) stale_maps: HashMap<String, u64>,
    /// The elements of changed maps as they were before that time (monotonic
    /// ns), and until when the map has changed since.
    pub(super) past_maps: HashMap<String, PastMap>,
}

impl Instance {
    /// A table that came at `created` at the earliest.
    pub(super) fn new(table: TableInfo, created: u64) -> Self {
        Self {
            handle: table.handle,
            family: table.family,
            name: table.name,
            created,
            deleted: None,
            chains: HashMap::new(),
            rules: HashMap::new(),
            sets: HashMap::new(),
            elements: HashMap::new(),
            stale_maps: HashMap::new(),
            past_maps: HashMap::new(),
        }
    }

    /// Notes that a verdict map changed between `earliest` and `now`.
    pub(super) fn map_changed(&mut self, map: String, earliest: u64, now: u64) {
        let stale = self.stale_maps.insert(map.clone(), now).is_some();
        let elements = self.elements.get(&map).filter(|_| !stale).cloned();
        let none = PastMap { elements: None, from: 0, until: 0, changed: 0 };
        let past = self.past_maps.entry(map).or_insert(none);
        if !stale {
            past.elements = elements;
            (past.from, past.until) = (past.changed, earliest);
        }
        past.changed = now;
    }
}

/// What a verdict map held before it changed.
#[derive(Debug)]
pub(super) struct PastMap {
    /// None: not known.
    pub(super) elements: Option<Vec<String>>,
    /// They were so from then on (monotonic ns)
    pub(super) from: u64,
    /// until then.
    pub(super) until: u64,
    /// The last change was announced then.
    pub(super) changed: u64,
}
