//! What a transaction changed, given the ruleset before it.

use std::collections::{HashMap, HashSet};

use nfscope_event::{ChangeKind, Family, RulesetChange};

use super::blocks::Statement;
use super::difference::{Step, difference};
use crate::netlink::{Object, Operation};
use crate::nft::listing::Listing;

/// What a transaction changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// In its order.
    pub changes: Vec<RulesetChange>,
    /// Rules of chains that it emptied and filled again, which are as they were.
    pub unchanged: u64,
}

/// Family, table, chain.
pub(super) type ChainKey = (Family, String, String);
/// Family, table, handle.
type RuleKey = (Family, String, u64);

/// A namespace's rules, and what else it has.
#[derive(Debug, Default)]
pub struct Effects {
    texts: HashMap<RuleKey, String>,
    orders: HashMap<ChainKey, Vec<u64>>,
    /// Chains whose order is not known.
    disordered: HashSet<ChainKey>,
    known: HashSet<(Object, ChainKey)>,
}

/// A change on its way, with what ties it to others.
struct Line {
    change: RulesetChange,
    /// Of a rule.
    rule: Option<(ChainKey, u64)>,
    /// The text of a rule that comes.
    text: Option<String>,
    left_out: bool,
}

fn chain_of(o: &Operation) -> ChainKey {
    (o.family, o.table.clone(), o.name.clone())
}

impl Effects {
    /// The ruleset as `nft -s -a list ruleset` prints it.
    pub(super) fn listed(&mut self, listing: Listing) {
        for table in listing.tables {
            for rule in table.rules {
                let chain = (table.family, table.name.clone(), rule.chain);
                self.orders.entry(chain).or_default().push(rule.handle);
                self.texts.insert((table.family, table.name.clone(), rule.handle), rule.text);
            }
        }
    }

    /// There is such a table, chain or set.
    pub(super) fn there_is(&mut self, object: Object, key: ChainKey) {
        self.known.insert((object, key));
    }

    /// What a transaction does: its operations with nft's words, as far as they are
    /// known. `read` gives the orders of all chains as they are now, for kernels that
    /// do not tell a rule's place.
    pub(super) fn take<'a>(
        &mut self,
        operations: impl Iterator<Item = (&'a Operation, Option<Statement>)>,
        read: impl FnOnce() -> HashMap<ChainKey, Vec<u64>>,
    ) -> Effect {
        let mut unplaced = HashSet::new();
        let disordered = self.disordered.clone();
        let mut lines = Vec::new();
        let mut chains_before: HashMap<ChainKey, Vec<(u64, Option<String>)>> = HashMap::new();
        // texts of rules whose successor under the same handle came first
        let mut former: HashMap<RuleKey, Option<String>> = HashMap::new();
        let mut gone: HashSet<RuleKey> = HashSet::new();
        for (o, statement) in operations {
            if o.object == Object::Rule {
                let chain = chain_of(o);
                if o.new && !o.placed {
                    unplaced.insert(chain.clone());
                }
                chains_before.entry(chain.clone()).or_insert_with(|| self.in_order(&chain));
                lines.push(self.rule(o, chain, statement, &mut former, &mut gone));
                continue;
            }
            lines.push(self.object(o, statement));
        }
        chains_before.keys().for_each(|chain| self.forget(chain, &gone));
        if !unplaced.is_empty() {
            self.reorder(&unplaced, read());
        }
        for (chain, before) in &chains_before {
            if !disordered.contains(chain) && !self.disordered.contains(chain) {
                self.unchanged(chain, before, &mut lines);
            }
        }
        replaced(&mut lines);
        let unchanged = lines.iter().filter(|l| l.left_out && l.text.is_some()).count() as u64;
        let told = lines.into_iter().filter(|line| !line.left_out).map(|line| line.change);
        Effect { changes: told.collect(), unchanged }
    }

    /// Takes the orders of chains as they were read: each is believed if it has the
    /// rules that the chain must have.
    fn reorder(&mut self, chains: &HashSet<ChainKey>, mut read: HashMap<ChainKey, Vec<u64>>) {
        for chain in chains {
            let now = read.remove(chain).unwrap_or_default();
            let Some(order) = self.orders.get_mut(chain) else { continue };
            let same = order.len() == now.len()
                && order.iter().collect::<HashSet<_>>() == now.iter().collect();
            if same {
                *order = now;
                self.disordered.remove(chain);
            } else {
                self.disordered.insert(chain.clone());
            }
        }
    }

    /// A chain's rules with their texts.
    fn in_order(&self, chain: &ChainKey) -> Vec<(u64, Option<String>)> {
        let handles = self.orders.get(chain).into_iter().flatten();
        let text = |handle: &u64| self.texts.get(&(chain.0, chain.1.clone(), *handle)).cloned();
        handles.map(|handle| (*handle, text(handle))).collect()
    }

    fn rule(
        &mut self,
        o: &Operation,
        chain: ChainKey,
        statement: Option<Statement>,
        former: &mut HashMap<RuleKey, Option<String>>,
        gone: &mut HashSet<RuleKey>,
    ) -> Line {
        let handle = o.handle.unwrap_or_default();
        let key = (o.family, o.table.clone(), handle);
        let (behind, first) = statement.as_ref().map_or((None, false), |s| (s.behind, s.first));
        let text = statement.as_ref().and_then(|s| s.rule.clone());
        // nft tells the place also of what goes to the chain's end
        let last = self.orders.get(&chain).and_then(|order| order.last().copied());
        let line = match statement {
            Some(Statement { appended: Some(line), .. }) if behind == last => line,
            // nft says so of all of them then
            Some(s) if o.new && !o.placed && s.line.starts_with("insert ") => {
                s.line.replacen("insert ", "add ", 1)
            }
            Some(statement) => statement.line,
            None => in_own_words(o),
        };
        let mut change = RulesetChange {
            change: if o.new { ChangeKind::Added } else { ChangeKind::Deleted },
            object: "rule".into(),
            line,
            handle: o.handle,
            before: None,
        };
        if !o.new {
            // of a replacement older kernels tell the old rule's end last
            change.before = match former.remove(&key) {
                Some(before) => before,
                None => {
                    gone.insert(key.clone());
                    self.texts.remove(&key)
                }
            };
            return Line { change, rule: Some((chain, handle)), text: None, left_out: false };
        }
        let order = self.orders.entry(chain.clone()).or_default();
        let again = gone.remove(&key);
        let there = (again || self.texts.contains_key(&key)) && order.contains(&handle);
        if there && !again {
            former.insert(key.clone(), self.texts.get(&key).cloned());
        }
        if !there {
            let at = match behind {
                // most come behind the one that came before them
                Some(behind) if order.last() == Some(&behind) => order.len(),
                Some(behind) => order.iter().position(|h| *h == behind).map_or(0, |at| at + 1),
                None if first => 0,
                None => order.len(),
            };
            order.insert(at, handle);
        }
        match &text {
            Some(text) => self.texts.insert(key, text.clone()),
            None => self.texts.remove(&key),
        };
        Line { change, rule: Some((chain, handle)), text, left_out: false }
    }

    fn object(&mut self, o: &Operation, statement: Option<Statement>) -> Line {
        let key = (o.object, chain_of(o));
        let change = match (o.new, o.object) {
            (true, Object::Table | Object::Chain | Object::Set) => {
                if self.known.insert(key) {
                    ChangeKind::Added
                } else {
                    ChangeKind::Updated
                }
            }
            (true, _) => ChangeKind::Added,
            (false, Object::Elements) => ChangeKind::Deleted,
            (false, _) => {
                self.known.remove(&key);
                if o.object == Object::Chain {
                    self.orders.remove(&key.1);
                }
                ChangeKind::Deleted
            }
        };
        let (line, object) = match statement {
            Some(statement) => (statement.line, statement.object),
            None => (in_own_words(o), word(o.object).to_owned()),
        };
        let change = RulesetChange { change, object, line, handle: None, before: None };
        Line { change, rule: None, text: None, left_out: false }
    }

    /// Takes rules that went out of their chain's order.
    fn forget(&mut self, chain: &ChainKey, gone: &HashSet<RuleKey>) {
        if let Some(order) = self.orders.get_mut(chain).filter(|_| !gone.is_empty()) {
            order.retain(|handle| !gone.contains(&(chain.0, chain.1.clone(), *handle)));
        }
    }

    /// Leaves out rules of a chain that was emptied and filled again with them.
    fn unchanged(&self, chain: &ChainKey, before: &[(u64, Option<String>)], lines: &mut [Line]) {
        let mut deleted = HashMap::new();
        let mut added = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            if let Some((_, handle)) = line.rule.as_ref().filter(|(c, _)| c == chain) {
                let side =
                    if line.change.change == ChangeKind::Added { &mut added } else { &mut deleted };
                side.insert(*handle, at);
            }
        }
        if added.is_empty() || deleted.is_empty() {
            return;
        }
        if !before.iter().all(|(handle, _)| deleted.contains_key(handle)) {
            return;
        }
        let after = self.in_order(chain);
        let texts = |all: &[(u64, Option<String>)]| -> Vec<Text> {
            all.iter().map(|(_, text)| Text(text.clone())).collect()
        };
        for step in difference(&texts(before), &texts(&after)) {
            let Step::Kept(old, new) = step else { continue };
            let at = (deleted.get(&before[old].0), added.get(&after[new].0));
            if let (Some(old), Some(new)) = at {
                lines[*old].left_out = true;
                lines[*new].left_out = true;
            }
        }
    }
}

/// A text that is not known is like no other.
struct Text(Option<String>);

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

/// Makes one of a rule's end and the rule that takes its handle beside it.
fn replaced(lines: &mut [Line]) {
    for at in 1..lines.len() {
        let (before, behind) = lines.split_at_mut(at);
        let (Some(a), Some(b)) = (before.last_mut(), behind.first_mut()) else { continue };
        if a.left_out || b.left_out || a.rule.is_none() || a.rule != b.rule {
            continue;
        }
        let (old, new) = match (a.change.change, b.change.change) {
            (ChangeKind::Deleted, ChangeKind::Added) => (a, b),
            (ChangeKind::Added, ChangeKind::Deleted) => (b, a),
            _ => continue,
        };
        new.change.change = ChangeKind::Replaced;
        new.change.before = old.change.before.take();
        old.left_out = true;
    }
}

/// nft's word for an object, where nft says nothing.
fn word(object: Object) -> &'static str {
    match object {
        Object::Table => "table",
        Object::Chain => "chain",
        Object::Rule => "rule",
        Object::Set => "set",
        Object::Elements => "element",
        Object::Stateful => "object",
        Object::Flowtable => "flowtable",
    }
}

/// An operation without nft's words.
pub(super) fn in_own_words(o: &Operation) -> String {
    let verb = if o.new { "add" } else { "delete" };
    let mut line = format!("{verb} {} {} {}", word(o.object), o.family.as_str(), o.table);
    if o.object != Object::Table {
        line.push(' ');
        line.push_str(&o.name);
    }
    if let Some(handle) = o.handle {
        line.push_str(&format!(" handle {handle}"));
    }
    line
}

#[cfg(test)]
#[path = "effect_tests.rs"]
mod tests;
