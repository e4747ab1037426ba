//! Texts of rules, names of chains and namespaces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nfscope_collect::drop::{DropRecord, LegacyPart, NftPart};
use nfscope_collect::legacy::ChangeCount;
use nfscope_event::{Cause, ChainRef, Drop, Netns, NftRule, NftVerdict, Reset};
use nfscope_ruleset::netlink::Ending;
use nfscope_ruleset::netns::{self, Names};
use nfscope_ruleset::nft::{ChainQuery, Lookup, Options, Order, Rule, RuleQuery, RulesetCache};
use nfscope_ruleset::{why, xtables};

use super::legacy;

/// More namespaces than this are not all watched from the start: each takes a
/// thread and, while rules change, a listing.
const MAX_WATCHED: usize = 32;
/// How often namespaces that have ended are let go.
const RELEASE: Duration = Duration::from_secs(5);
/// How old the names of namespaces may be.
const NAMES: Duration = Duration::from_millis(500);

/// Answers by the rulesets of all namespaces that matter.
pub struct Rules {
    cache: RulesetCache,
    names: Names,
    named: Instant,
    released: Instant,
    numeric: bool,
    only: Option<u32>,
    /// Tables of x_tables, once there are any.
    pub(super) legacy: Option<xtables::Cache>,
}

/// Whether an event has all that it will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It has.
    Ready,
    /// The ruleset is still being read.
    Pending,
}

impl Rules {
    /// Begins to read rulesets: `only` this namespace's, else those of all
    /// namespaces there are. `numeric`: namespaces are not named.
    /// `has_nf_tables`: the kernel has it, else it is waited for.
    pub fn new(only: Option<u32>, numeric: bool, has_nf_tables: bool) -> Self {
        let options = Options { awaits_nf_tables: !has_nf_tables, ..Options::default() };
        let cache = RulesetCache::new(options);
        match only {
            Some(inode) => cache.watch(inode),
            None => {
                let own = netns::Handle::current().ok().map(|h| h.inode());
                let all = netns::all();
                let few = all.len() <= MAX_WATCHED;
                own.into_iter().chain(all.into_iter().filter(|_| few)).for_each(|i| cache.watch(i));
            }
        }
        Self {
            cache,
            names: Names::scan(),
            named: Instant::now(),
            released: Instant::now(),
            numeric,
            only,
            legacy: None,
        }
    }

    /// Begins to read tables of x_tables; `count`: how many were replaced.
    pub fn follow_legacy(&mut self, count: ChangeCount) {
        self.legacy = Some(xtables::Cache::new(self.only, Box::new(move || count.now())));
    }

    /// Sentences for the user.
    pub fn notices(&mut self) -> Vec<String> {
        if self.released.elapsed() >= RELEASE {
            self.released = Instant::now();
            self.cache.release_unused();
        }
        self.cache.take_notices()
    }

    /// No events will come any more: those that wait are to be completed.
    pub fn hurry(&self) {
        self.cache.hurry();
    }

    /// Waits until an answer may have changed.
    pub fn wait(&self, timeout: Duration) {
        self.cache.wait(timeout);
    }

    /// Adds what is known; to be asked again while [`Answer::Pending`]. With
    /// `last` the answer is what is known now.
    pub fn complete(&mut self, drop: &mut Drop, record: &DropRecord, last: bool) -> Answer {
        self.name_netns(&mut drop.netns);
        if let (Cause::XtRule(rule), Some(part)) = (&mut drop.cause, &record.legacy) {
            return legacy::complete(self.legacy.as_ref(), rule, part, drop.netns.inode, last);
        }
        let Some(nft) = &record.nft else { return Answer::Ready };
        let inode = drop.netns.inode;
        match &mut drop.cause {
            Cause::NftRule(rule) => self.rule(rule, nft, record, inode, last),
            Cause::NftPolicy(policy) => self.base_chain(&mut policy.place, inode, last),
            _ => Answer::Ready,
        }
    }

    /// The same for a reset by a rule of x_tables.
    pub(super) fn reject(&self, reset: &mut Reset, part: &LegacyPart, last: bool) -> Answer {
        legacy::complete_reset(self.legacy.as_ref(), reset, part, last)
    }

    /// Names a namespace, if it has a name and names are wanted.
    pub(super) fn name_netns(&mut self, netns: &mut Netns) {
        if !self.numeric && netns.name.is_none() {
            netns.name = self.name(netns.inode);
        }
    }

    /// The name of a namespace. Namespaces get names, lose them, and leave their
    /// inodes to others.
    fn name(&mut self, inode: u32) -> Option<String> {
        if self.named.elapsed() >= NAMES {
            self.names = Names::scan();
            self.named = Instant::now();
        }
        self.names.get(inode).map(str::to_string)
    }

    fn rule(
        &self,
        rule: &mut NftRule,
        nft: &NftPart,
        record: &DropRecord,
        inode: u32,
        last: bool,
    ) -> Answer {
        let place = &rule.place;
        let table = place.table.clone();
        let query = RuleQuery {
            family: place.family,
            table: &table,
            table_handle: (nft.table_handle != 0).then_some(nft.table_handle),
            handle: nft.rule,
            at: record.monotonic_ns,
        };
        let found = match self.find(inode, &query, last) {
            Ok(found) => found,
            Err(None) => return Answer::Pending,
            Err(Some(why)) => {
                rule.text_unknown = Some(why.into());
                return Answer::Ready;
            }
        };
        if rule.verdict == NftVerdict::Unknown {
            let (verdict, sent) = verdict(&found);
            rule.verdict = verdict;
            rule.sent = sent;
        }
        if rule.verdict == NftVerdict::VerdictMap && rule.element.is_none() {
            match self.element(&found, &nft.registers, &query, inode) {
                Lookup::Known(element) => rule.element = Some(element),
                Lookup::Pending if !last => return Answer::Pending,
                Lookup::Pending | Lookup::Unknown => {}
            }
        }
        rule.rule.clone_from(&found.text);
        rule.iptables.clone_from(&found.iptables);
        rule.comment.clone_from(&found.comment);
        if rule.rule.is_none() {
            rule.text_unknown = Some(self.why_no_text().into());
        }
        if rule.place.base_chain.as_deref() == Some(&found.chain) {
            rule.place.base_chain = None;
        }
        rule.place.chain = Some(found.chain.clone());
        // the base chain's priority, where the kernel did not tell it
        self.base_chain(&mut rule.place, inode, last)
    }

    /// The rule; else why it cannot be had, or nothing while it may still be.
    pub(super) fn find(
        &self,
        inode: u32,
        query: &RuleQuery<'_>,
        last: bool,
    ) -> Result<Arc<Rule>, Option<&'static str>> {
        match self.cache.rule(inode, query) {
            Lookup::Known(found) => Ok(found),
            Lookup::Pending if !last => Err(None),
            Lookup::Pending => Err(Some("the ruleset was still being read")),
            Lookup::Unknown => Err(Some("the rule was gone or replaced before its text was known")),
        }
    }

    /// The rule in full, for the explanation of what it does not match.
    pub(super) fn details(&self, inode: u32, query: &RuleQuery<'_>) -> Lookup<why::Rule> {
        self.cache.details(inode, query)
    }

    /// The rules of a chain in their order.
    pub(super) fn order(&self, inode: u32, query: &ChainQuery<'_>) -> Lookup<Arc<Order>> {
        self.cache.order(inode, query)
    }

    /// Why a rule that is known has no text.
    pub(super) fn why_no_text(&self) -> &'static str {
        if self.cache.nft_missing() {
            "there is no nft program to print it"
        } else {
            "nft did not print it"
        }
    }

    /// The element of the rule's last verdict map that these registers hit.
    pub(super) fn element(
        &self,
        rule: &Rule,
        words: &[u32],
        query: &RuleQuery<'_>,
        inode: u32,
    ) -> Lookup<String> {
        let registers: Vec<u8> = words.iter().flat_map(|r| r.to_ne_bytes()).collect();
        let Some((map, Some(set))) = rule.verdict_maps().last() else { return Lookup::Unknown };
        let key = map.key_offset().and_then(|at| registers.get(at..at + set.key_length as usize));
        match key {
            // a register never written: the backend does not see them
            Some(key) if words.iter().any(|r| *r != 0) => {
                self.cache.verdict_map_element(inode, query, map, key)
            }
            _ => Lookup::Unknown,
        }
    }

    /// Hook and priority of a base chain, where the record lacks them.
    pub(super) fn base_chain(&self, place: &mut ChainRef, inode: u32, last: bool) -> Answer {
        if place.hook.is_some() && place.priority.is_some() {
            return Answer::Ready;
        }
        let Some(name) = place.base_chain.as_deref().or(place.chain.as_deref()) else {
            return Answer::Ready;
        };
        match self.cache.chain(inode, place.family, &place.table, name) {
            Lookup::Known(chain) => {
                if let Some(base) = chain.base {
                    place.hook.get_or_insert(base.hook);
                    place.priority.get_or_insert(base.priority);
                }
            }
            Lookup::Pending if !last => return Answer::Pending,
            Lookup::Pending | Lookup::Unknown => {}
        }
        Answer::Ready
    }
}

/// How a rule ended the packet: by its expressions that can, the last counts
/// (what stands before it let the packet go on).
fn verdict(rule: &Rule) -> (NftVerdict, Option<String>) {
    match rule.endings.last() {
        Some(Ending::Reject(sent)) => (NftVerdict::Reject, Some(sent.clone())),
        Some(Ending::VerdictMap(_)) => (NftVerdict::VerdictMap, None),
        Some(Ending::Queue(_)) => (NftVerdict::Queue, None),
        Some(Ending::Synproxy) => (NftVerdict::Synproxy, None),
        Some(Ending::Forward) => (NftVerdict::Fwd, None),
        // no such expression: one of the others failed with a drop
        Some(Ending::Verdict(_)) | None => (NftVerdict::Drop, None),
    }
}
