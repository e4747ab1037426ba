//! Questions to a [`Store`].

use std::sync::Arc;

use nfscope_event::Family;

use super::element;
use super::life::Instance;
use super::listing;
use super::rule::{Chain, Rule};
use super::store::{SETTLED_NS, Store};
use crate::netlink::VerdictMap;

/// How long a rule may act before its notification arrives, in nanoseconds:
/// the kernel activates all rules of a transaction before it announces the
/// first.
const ANNOUNCEMENT_NS: u64 = 1_000_000_000;
/// As above, for the biggest transactions on the slowest machines: used only
/// where no other table can be meant.
const LATE_ANNOUNCEMENT_NS: u64 = 10_000_000_000;

/// Bytes of a name that probe programs take along (`NAME_SIZE` of `drop.h`).
const LONGEST_NAME: usize = 63;

/// Names a rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleQuery<'a> {
    /// Family of the table.
    pub family: Family,
    /// Table.
    pub table: &'a str,
    /// The table's own handle (`struct nft_table`, `handle`), if it is known.
    /// Without it a table that was replaced by one of the same name just when
    /// the rule acted can make the answer [`Lookup::Unknown`].
    pub table_handle: Option<u64>,
    /// The rule's handle.
    pub handle: u64,
    /// When it acted, as [`crate::monotonic_ns`] counts.
    pub at: u64,
}

/// Names a chain at a moment.
#[derive(Debug, Clone, Copy)]
pub struct ChainQuery<'a> {
    /// Family of the table.
    pub family: Family,
    /// Table.
    pub table: &'a str,
    /// As [`RuleQuery::table_handle`].
    pub table_handle: Option<u64>,
    /// The chain.
    pub chain: &'a str,
    /// When, as [`crate::monotonic_ns`] counts.
    pub at: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// This is it.
    Known(T),
    /// It is being read: ask again when something has changed.
    Pending,
    /// Nobody saw it.
    Unknown,
}

impl<T> Lookup<T> {
    /// The answer, if there is one.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Pending | Self::Unknown => None,
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Known(value) => Lookup::Known(change(value)),
            Self::Pending => Lookup::Pending,
            Self::Unknown => Lookup::Unknown,
        }
    }
}

impl Store {
    /// A rule.
    pub(crate) fn rule(&self, query: &RuleQuery<'_>) -> Lookup<Arc<Rule>> {
        self.find(query).map(|(_, rule)| rule)
    }

    pub(super) fn find<'a>(&'a self, query: &RuleQuery<'a>) -> Lookup<(&'a Instance, Arc<Rule>)> {
        let lives = self.lives(query.family, query.table, query.table_handle);
        let with_rule: Vec<_> = lives
            .filter_map(|instance| Some((instance, instance.rules.get(&query.handle)?)))
            .collect();
        let meant = |i: &Instance| query.table_handle.is_some() || alive(i, query.at);
        let then: Vec<_> = with_rule.iter().copied().filter(|(i, _)| meant(i)).collect();
        let found = match then.as_slice() {
            [one] => Some(*one),
            [] => with_rule.first().copied().filter(|(instance, _)| {
                let late = query.at.saturating_add(LATE_ANNOUNCEMENT_NS) > instance.created;
                with_rule.len() == 1 && query.at < instance.created && late
            }),
            [first, rest @ ..] => {
                let same = rest.iter().all(|(_, entry)| entry.rule.text == first.1.rule.text);
                then.last().copied().filter(|_| same)
            }
        };
        let Some((instance, entry)) = found else {
            let early = query.at.saturating_add(ANNOUNCEMENT_NS) > self.synced;
            let pending = !self.loaded() || (early && then.is_empty());
            return if pending { Lookup::Pending } else { Lookup::Unknown };
        };
        match entry.at(query.at) {
            Some(rule) if Arc::ptr_eq(rule, &entry.rule) => {}
            Some(rule) => return Lookup::Known((instance, rule.clone())),
            None => return Lookup::Unknown,
        }
        let settled = query.at.saturating_add(SETTLED_NS) <= self.synced;
        if !settled && !entry.rule.deleted {
            return Lookup::Pending;
        }
        let wanted = self.wanted.contains_key(&(instance.handle, query.handle));
        if wanted || entry.iptables_wanted {
            return Lookup::Pending;
        }
        Lookup::Known((instance, entry.rule.clone()))
    }

    /// A chain of a table, as it is now (or was last).
    pub(crate) fn chain(&self, family: Family, table: &str, name: &str) -> Lookup<Chain> {
        let lives = self.lives(family, table, None);
        match lives.filter_map(|instance| instance.chains.get(name)).last() {
            Some(chain) => Lookup::Known(chain.into()),
            None if self.loaded() => Lookup::Unknown,
            None => Lookup::Pending,
        }
    }

    /// The element of a verdict map that a key hits, as nft prints it.
    pub(crate) fn element(
        &self,
        query: &RuleQuery<'_>,
        map: &VerdictMap,
        key: &[u8],
    ) -> Lookup<String> {
        let (instance, rule) = match self.find(query) {
            Lookup::Known(found) => found,
            Lookup::Pending => return Lookup::Pending,
            Lookup::Unknown => return Lookup::Unknown,
        };
        let written_out = |set: &crate::netlink::SetInfo| set.anonymous;
        let Some(at) = rule.verdict_maps().position(|(other, _)| other == map) else {
            return Lookup::Unknown;
        };
        let Some((_, Some(set))) = rule.verdict_maps().nth(at) else { return Lookup::Unknown };
        let found = if set.anonymous {
            let before = rule.verdict_maps().take(at);
            let nth = before.filter(|(_, set)| set.is_some_and(written_out)).count();
            let elements = rule.text.as_deref().and_then(|t| listing::elements_in_rule(t, nth));
            elements.and_then(|elements| element::find(&elements, set, key))
        } else if let Some(past) = instance.past_maps.get(&set.name)
            && query.at < past.changed
        {
            // while it changed it may have been anything
            let then = past.elements.as_ref();
            let then = then.filter(|_| past.from <= query.at && query.at < past.until);
            then.and_then(|all| element::find(all, set, key))
        } else if self.with_text && instance.stale_maps.contains_key(&set.name) {
            return Lookup::Pending;
        } else {
            instance.elements.get(&set.name).and_then(|all| element::find(all, set, key))
        };
        found.map_or(Lookup::Unknown, Lookup::Known)
    }

    pub(super) fn lives<'a>(
        &'a self,
        family: Family,
        name: &'a str,
        handle: Option<u64>,
    ) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().filter(move |instance| {
            instance.family == family
                && (instance.name == name || is_cut(&instance.name, name, handle))
                && handle.is_none_or(|handle| handle == instance.handle)
        })
    }
}

/// Whether `name` is all that a program could take along of a long name, and
/// the handle says which it is.
fn is_cut(whole: &str, name: &str, handle: Option<u64>) -> bool {
    handle.is_some() && name.len() == LONGEST_NAME && whole.starts_with(name)
}

/// Whether a table may have been there at that time.
pub(super) fn alive(instance: &Instance, at: u64) -> bool {
    instance.created <= at && instance.deleted.is_none_or(|deleted| at <= deleted)
}
