//! Rules in full, for questions why one did not match.
//!
//! Nobody asks that about most rules, so the kernel is asked for a rule only
//! when somebody does, and only its attributes are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use nfscope_event::Family;

use super::lookup::{Lookup, RuleQuery};
use super::order;
use super::rule::Rule;
use super::shared::Shared;
use super::store::{SETTLED_NS, Store};
use crate::netlink::expr::{self, Expr, Kind};
use crate::netlink::{Error, SetContents, Socket};
use crate::sys::{self, monotonic_ns};
use crate::why;

/// How many rules are kept.
const KEPT: usize = 32_768;
/// How long elements of sets and names of interfaces are good for (ns): rules
/// change sets without an announcement.
const FRESH_NS: u64 = 1_000_000_000;
/// From so many rules of a chain on, all of the chain is listed: the kernel
/// looks for each single one from the chain's start.
const LISTED: usize = 16;

/// One life of a rule: its table's handle, its own, since when it is known.
type Key = (u64, u64, u64);

/// A rule as the kernel told it.
#[derive(Debug)]
struct Told {
    /// The attributes of its expressions.
    list: Box<[u8]>,
    sets: Vec<Arc<SetContents>>,
    interfaces: Vec<(u32, String)>,
}

/// What was asked for.
#[derive(Debug)]
struct Answer {
    /// None: it was gone.
    told: Option<Told>,
    /// When the kernel was asked (monotonic ns).
    at: u64,
}

/// Rules in full.
#[derive(Debug, Default)]
pub(super) struct Details {
    answers: HashMap<Key, Answer>,
    /// Oldest first.
    order: VecDeque<Key>,
    wanted: BTreeSet<Key>,
}

impl Details {
    fn put(&mut self, key: Key, told: Option<Told>, at: u64) {
        self.wanted.remove(&key);
        match self.answers.get_mut(&key) {
            Some(answer) => {
                answer.at = at;
                // What was known is better than that it is gone.
                answer.told = told.or_else(|| answer.told.take());
            }
            None => {
                self.answers.insert(key, Answer { told, at });
                self.order.push_back(key);
            }
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }
}

impl Store {
    /// Whether the kernel is to be asked for rules or chains.
    pub(super) fn wanting(&self) -> bool {
        !self.details.wanted.is_empty() || self.orders.wanting()
    }

    /// A rule in full.
    pub(crate) fn details(&mut self, query: &RuleQuery<'_>) -> Lookup<why::Rule> {
        let (key, family, rule) = match self.life(query) {
            Lookup::Known(found) => found,
            Lookup::Pending => return Lookup::Pending,
            Lookup::Unknown => return Lookup::Unknown,
        };
        let Some(answer) = self.details.answers.get(&key) else {
            self.details.wanted.insert(key);
            return Lookup::Pending;
        };
        // A replacement before the kernel was asked is known by then.
        if self.synced < answer.at.saturating_add(SETTLED_NS) {
            return Lookup::Pending;
        }
        // One that acted after it was gone was not: its chain had a new name.
        let passing = answer.told.as_ref().is_none_or(Told::is_passing);
        if passing && query.at > answer.at.saturating_add(FRESH_NS) {
            self.details.wanted.insert(key);
            return Lookup::Pending;
        }
        let Some(told) = &answer.told else { return Lookup::Unknown };
        let (text, iptables) = (rule.text.clone(), rule.iptables.clone());
        Lookup::Known(told.rule(family).with_text(text).with_iptables(iptables))
    }

    /// The life of a rule that a question is about, and its family.
    fn life(&self, query: &RuleQuery<'_>) -> Lookup<(Key, Family, Arc<Rule>)> {
        let (instance, rule) = match self.find(query) {
            Lookup::Known(found) => found,
            Lookup::Pending => return Lookup::Pending,
            Lookup::Unknown => return Lookup::Unknown,
        };
        let Some(entry) = instance.rules.get(&query.handle) else { return Lookup::Unknown };
        let before = entry.before.iter().find(|replaced| {
            replaced.rule.as_ref().is_some_and(|replaced| Arc::ptr_eq(replaced, &rule))
        });
        let since = before.map_or(entry.since, |replaced| replaced.since);
        let key = (instance.handle, query.handle, since);
        // The kernel has no replaced rules.
        if before.is_some() && !self.details.answers.contains_key(&key) {
            return Lookup::Unknown;
        }
        Lookup::Known((key, instance.family, rule))
    }

    /// What the kernel is to be asked for, by chain; notes that what is no
    /// longer there is gone.
    fn take_wanted(&mut self, now: u64) -> Vec<Wanted> {
        let mut chains: BTreeMap<(u64, String), Wanted> = BTreeMap::new();
        let mut gone = Vec::new();
        for key in std::mem::take(&mut self.details.wanted) {
            let (table, handle, since) = key;
            let instance = self.instances.iter().find(|i| i.handle == table && i.deleted.is_none());
            let entry =
                instance.and_then(|instance| Some((instance, instance.rules.get(&handle)?)));
            let live = entry.filter(|(_, entry)| entry.since == since && !entry.rule.deleted);
            let Some((instance, entry)) = live else {
                gone.push(key);
                continue;
            };
            let chain = entry.rule.chain.clone();
            let wanted = chains.entry((table, chain)).or_insert_with(|| Wanted {
                family: instance.family,
                table: instance.name.clone(),
                chain: entry.rule.chain.clone(),
                keys: Vec::new(),
            });
            wanted.keys.push(key);
        }
        gone.into_iter().for_each(|key| self.details.put(key, None, now));
        chains.into_values().collect()
    }
}

/// Rules of one chain that the kernel is to be asked for.
struct Wanted {
    family: Family,
    table: String,
    chain: String,
    keys: Vec<Key>,
}

impl Told {
    /// Whether it holds what changes without an announcement.
    fn is_passing(&self) -> bool {
        !self.interfaces.is_empty() || self.sets.iter().any(|set| !set.info.anonymous)
    }

    fn rule(&self, family: Family) -> why::Rule {
        let expressions = expr::read(&self.list);
        let sets = self.sets.iter().map(|set| SetContents::clone(set)).collect();
        let interfaces = self.interfaces.clone();
        why::Rule::new(family, expressions, sets, interfaces, sys::utc_offset())
    }
}

/// Asks the kernel for the rules and the orders of chains that are wanted. Says
/// whether there were any.
pub(super) fn fetch(shared: &Shared, socket: &mut Socket) -> Result<bool, Error> {
    let ordered = order::fetch(shared, socket)?;
    let wanted = shared.state().store.take_wanted(monotonic_ns());
    if wanted.is_empty() {
        return Ok(ordered);
    }
    let mut about = About::default();
    for chain in wanted {
        let lists = match chain.ask(socket) {
            // It changes while it is read: it stays wanted.
            Err(Error::Interrupted) => {
                shared.state().store.details.wanted.extend(chain.keys);
                continue;
            }
            lists => lists?,
        };
        // What else it is about is read after it, so that it is no older.
        let mut told = Vec::new();
        for key in &chain.keys {
            told.push((*key, lists.get(&key.1).map(|list| about.told(&chain, list))));
        }
        let at = monotonic_ns();
        let mut state = shared.state();
        told.into_iter().for_each(|(key, told)| state.store.details.put(key, told, at));
        state.store.ask(at);
    }
    Ok(true)
}

impl Wanted {
    /// The expressions' attributes, by handle.
    fn ask(&self, socket: &mut Socket) -> Result<HashMap<u64, Vec<u8>>, Error> {
        let handles: HashSet<u64> = self.keys.iter().map(|key| key.1).collect();
        let (family, table, chain) = (self.family, self.table.as_str(), self.chain.as_str());
        if handles.len() >= LISTED {
            match socket.expression_lists(family, table, chain, &handles) {
                Err(Error::Interrupted) => {}
                lists => return lists,
            }
        }
        let mut lists = HashMap::new();
        for handle in handles {
            if let Some(list) = socket.expression_list(family, table, chain, handle)? {
                lists.insert(handle, list);
            }
        }
        Ok(lists)
    }
}

/// What rules refer to, read once for all that are asked for together.
#[derive(Default)]
struct About {
    sets: HashMap<(Family, String, String), Option<Arc<SetContents>>>,
    interfaces: Option<Vec<(u32, String)>>,
}

impl About {
    fn told(&mut self, chain: &Wanted, list: &[u8]) -> Told {
        let expressions = expr::read(list);
        let names: BTreeSet<&str> = expressions.iter().filter_map(|e| e.kind.set()).collect();
        let sets = names.into_iter().filter_map(|name| self.set(chain, name)).collect();
        let interfaces = if expressions.iter().any(loads_index) {
            self.interfaces.get_or_insert_with(sys::interfaces).clone()
        } else {
            Vec::new()
        };
        Told { list: list.into(), sets, interfaces }
    }

    fn set(&mut self, chain: &Wanted, name: &str) -> Option<Arc<SetContents>> {
        let key = (chain.family, chain.table.clone(), name.to_owned());
        let read = || {
            let socket = Socket::open().ok()?;
            // Without it, the explanation does without what it holds.
            socket.set_contents(chain.family, &chain.table, name).ok().map(Arc::new)
        };
        self.sets.entry(key).or_insert_with(read).clone()
    }
}

/// Whether an expression loads an interface's index.
fn loads_index(expr: &Expr) -> bool {
    /// `NFT_META_IIF`, `NFT_META_OIF`, `NFT_META_SDIF`
    const META: [u32; 3] = [4, 5, 33];
    /// `NFT_FIB_RESULT_OIF`
    const FIB: u32 = 1;
    match &expr.kind {
        Kind::Meta(key, _) => META.contains(key),
        Kind::Fib { result, .. } => *result == FIB,
        _ => false,
    }
}
