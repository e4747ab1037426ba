//! Which rule an offset named when a packet met it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bridge;
use super::print;
use super::saved::Lines;
use super::table::{Chain, Rule, Table, Target};
use super::uapi::Family;
use super::walk::Position;
use super::why::{self, Packet, WhyNot};
use super::worker::{self, State};
use crate::netns;

/// How often tables were replaced; none while one is being replaced.
pub type Count = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// A table of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The namespace.
    pub netns: netns::Inode,
    /// The table's family.
    pub family: Family,
    /// The table's name.
    pub table: String,
}

/// What is known of an entry that a packet met.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The table.
    pub subject: &'a Subject,
    /// Tables replaced until then; none: one was just being replaced.
    pub change: Option<u64>,
    /// The entry's offset; none: it is not known.
    pub entry: Option<u32>,
    /// Bytes of the table's entries.
    pub size: u32,
    /// How many there are.
    pub entries: u32,
}

/// A rule or a chain's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its chain.
    pub chain: String,
    /// The chain is a built-in one.
    pub built_in: bool,
    /// The rule's number, from 1; none: the entry that ends the chain.
    pub number: Option<u32>,
    /// The rule as iptables writes it.
    pub text: Option<String>,
    /// Options of matches or targets are not in the text.
    pub outline: bool,
    /// The target as it stands behind `-j`.
    pub target: String,
    /// What a REJECT target answers, as `--reject-with` has it.
    pub reject: Option<String>,
    /// The rule's comment.
    pub comment: Option<String>,
}

/// Where a packet was before an entry matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// Where it went on; none if that is not known.
    pub from: Option<Position>,
    /// Entries whose targets worked on it since it entered the table.
    pub acted: Vec<u32>,
}

/// A rule that did not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Its chain.
    pub chain: String,
    /// The chain is a built-in one.
    pub built_in: bool,
    /// The rule's number, from 1.
    pub number: u32,
    /// The rule as iptables writes it.
    pub text: String,
    /// Options of matches or targets are not in the text.
    pub outline: bool,
    /// The rule's comment.
    pub comment: Option<String>,
    /// Why it did not match, if that was asked.
    pub why: Option<WhyNot>,
}

/// A table as it was from one count of changes to another.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub from: u64,
    pub to: u64,
    /// The kernel's bytes, without counters.
    pub bytes: Vec<u8>,
    pub table: Table,
    pub lines: Option<Lines>,
}

/// What the worker and those who ask share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub state: Mutex<State>,
    /// Something is wanted, or was read.
    pub changed: Condvar,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // the state is whole between any two statements that change it
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tables by namespace, read by a thread of their own.
pub struct Cache {
    shared: Arc<Shared>,
    count: Arc<Count>,
}

impl Cache {
    /// Begins to read the tables of one namespace, else of all. `count`: how
    /// often tables were replaced.
    pub fn new(only: Option<netns::Inode>, count: Count) -> Self {
        let (shared, count) = (Arc::new(Shared::default()), Arc::new(count));
        let (theirs, counts) = (Arc::clone(&shared), Arc::clone(&count));
        let thread = std::thread::Builder::new().name("nfscope-xtables".into());
        if thread.spawn(move || worker::run(&theirs, &counts, only)).is_err() {
            shared.lock().ended = true;
        }
        Self { shared, count }
    }

    /// The rule; else why it cannot be had, or nothing while it may still be.
    pub fn find(&self, query: &Query<'_>) -> Result<Found, Option<&'static str>> {
        self.ask(query, |snapshot, entry| snapshot.found(entry).ok_or("the table has no such rule"))
    }

    /// The rules that the packet passed over before that one, else why they cannot be
    /// had, or nothing while they may still be. `packet`: if it is to be said why.
    pub fn passed(
        &self,
        query: &Query<'_>,
        way: &Way,
        packet: Option<&Packet>,
    ) -> Result<Vec<Missed>, Option<&'static str>> {
        self.ask(query, |snapshot, entry| {
            snapshot.passed(entry, way, packet).ok_or("steps before were lost")
        })
    }

    /// What the reading says that an entry was met in.
    fn ask<T>(
        &self,
        query: &Query<'_>,
        answer: impl FnOnce(&Snapshot, u32) -> Result<T, &'static str>,
    ) -> Result<T, Option<&'static str>> {
        const REPLACED: &str = "the table was replaced before it was read";
        let (Some(change), Some(entry)) = (query.change, query.entry) else {
            return Err(Some("the table was just being replaced"));
        };
        let mut state = self.shared.lock();
        let known = state.snapshots.get(query.subject);
        let fitting = known.and_then(|all| all.iter().find(|s| (s.from..=s.to).contains(&change)));
        if let Some(snapshot) = fitting {
            if (snapshot.table.size, snapshot.table.entries) != (query.size, query.entries) {
                return Err(Some(REPLACED));
            }
            return answer(snapshot, entry).map_err(Some);
        }
        if state.ended {
            return Err(Some("tables cannot be read"));
        }
        if state.is_pending(query.subject) {
            return Err(None);
        }
        if let Some(why) = state.failed.get(query.subject).filter(|(at, _)| *at == change) {
            return Err(Some(why.1));
        }
        // none: it will be read when the change is complete
        if (self.count)().is_some_and(|now| now != change) {
            return Err(Some(REPLACED));
        }
        state.wanted.push_back(query.subject.clone());
        self.shared.changed.notify_all();
        Err(None)
    }

    /// Waits until an answer may have changed.
    pub fn wait(&self, timeout: Duration) {
        let state = self.shared.lock();
        // whether in time or not, the asker asks again
        let _ = self.shared.changed.wait_timeout(state, timeout);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Snapshot {
    fn found(&self, entry: u32) -> Option<Found> {
        let family = self.table.family;
        let (chain, number, rule) = self.table.at(entry)?;
        let number = Some(number).filter(|n| *n != 0);
        let (text, outline) = match number.map(|number| self.text(chain, number, rule)) {
            Some((text, outline)) => (Some(text), outline),
            // policies of ebtables' user chains
            None if family == Family::Bridge => {
                (Some(bridge::policy(&chain.name, &rule.target)), false)
            }
            None => (None, false),
        };
        let reject = match &rule.target {
            Target::Extension(part) => print::reject(family, part).map(str::to_owned),
            _ => None,
        };
        Some(Found {
            chain: chain.name.clone(),
            built_in: chain.built_in,
            number,
            text,
            outline,
            target: print::target_name(&rule.target),
            reject,
            comment: print::comment(rule),
        })
    }

    /// A rule as iptables writes it, and whether anything is left out.
    fn text(&self, chain: &Chain, number: u32, rule: &Rule) -> (String, bool) {
        match self.lines.as_ref().and_then(|lines| lines.line(&chain.name, number)) {
            Some(line) => (line.to_owned(), false),
            None => {
                let (line, whole) = print::line(self.table.family, &chain.name, rule);
                (line, !whole)
            }
        }
    }

    fn passed(&self, entry: u32, way: &Way, packet: Option<&Packet>) -> Option<Vec<Missed>> {
        let passed = self.table.passed(way.from?, entry)?;
        let acted = way.acted.iter().map(|at| self.table.at(*at));
        // what is not there may have changed anything
        let targets: Vec<String> = acted
            .map(|found| found.map_or("?".into(), |(.., rule)| print::target_name(&rule.target)))
            .collect();
        let chain = passed.chain;
        let missed = passed.rules.iter().zip(passed.first..).map(|(rule, number)| {
            let (text, outline) = self.text(chain, number, rule);
            let line = Some(text.as_str()).filter(|_| !outline);
            let why = packet.map(|packet| {
                let targets = targets.iter().map(String::as_str);
                why::explain(&self.table, rule, line, packet, targets)
            });
            Missed {
                chain: chain.name.clone(),
                built_in: chain.built_in,
                number,
                outline,
                comment: print::comment(rule),
                why,
                text,
            }
        });
        Some(missed.collect())
    }
}
