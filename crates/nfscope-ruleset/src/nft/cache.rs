//! The rulesets of all watched namespaces.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nfscope_event::Family;

use super::lookup::{ChainQuery, Lookup, RuleQuery};
use super::order::Order;
use super::program;
use super::rule::{Chain, Rule};
use super::shared::{Shared, Signal};
use super::worker;
use crate::netlink::VerdictMap;
use crate::netns::{self, Handle, Inode};
use crate::sys::monotonic_ns;
use crate::why;

/// Stack of a worker: it calls nothing deep.
const STACK: usize = 512 * 1024;
/// How long the texts of a namespace that has gone are kept.
const KEPT_NS: u64 = 60_000_000_000;
/// How long a namespace that could not be found is not looked for again.
const NOT_AGAIN: Duration = Duration::from_secs(2);

/// What a cache uses.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nft program; none: texts cannot be had.
    pub nft: Option<PathBuf>,
    /// nf_tables is neither built in nor loaded: ask nothing before it is, since
    /// a question would load it.
    pub awaits_nf_tables: bool,
}

impl Default for Options {
    /// The nft program of PATH or of the usual places; nf_tables is there.
    fn default() -> Self {
        Self { nft: program::find("nft"), awaits_nf_tables: false }
    }
}

/// Rulesets by namespace: handle to text.
///
/// All methods return at once. Dropping it ends its threads and the programs
/// that they run.
#[derive(Debug)]
pub struct RulesetCache {
    options: Options,
    signal: Arc<Signal>,
    namespaces: Mutex<Namespaces>,
    own: Option<Inode>,
}

#[derive(Debug, Default)]
struct Namespaces {
    watched: HashMap<Inode, Watched>,
    /// Namespaces that have gone; their inode number may be in use again.
    gone: Vec<Arc<Shared>>,
    not_found: HashMap<Inode, Instant>,
}

#[derive(Debug)]
struct Watched {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Nobody but this cache was seen to hold the namespace.
    unheld: bool,
}

impl RulesetCache {
    /// A cache that watches nothing yet.
    pub fn new(options: Options) -> Self {
        let signal = Arc::new(Signal::default());
        if options.nft.is_none() {
            signal.notice(
                "no nft program was found: rules are shown by table, chain and handle only; \
                 install nftables to see their text"
                    .into(),
            );
        }
        let own = Handle::current().ok().map(|handle| handle.inode());
        Self { options, signal, namespaces: Mutex::default(), own }
    }

    /// Begins to watch a namespace, if it is not watched yet. Questions about
    /// a namespace do this by themselves; but a rule that goes before anybody
    /// asks is known only if its namespace was watched.
    pub fn watch(&self, inode: Inode) {
        let mut namespaces = self.lock();
        self.start(&mut namespaces, inode, None);
    }

    /// Begins to watch a namespace that the caller has open.
    pub fn watch_handle(&self, handle: Handle) {
        let mut namespaces = self.lock();
        self.start(&mut namespaces, handle.inode(), Some(handle));
    }

    /// A rule.
    pub fn rule(&self, namespace: Inode, query: &RuleQuery<'_>) -> Lookup<Arc<Rule>> {
        self.ask(namespace, Some(query.at), |shared| shared.state().store.rule(query))
    }

    /// A rule in full, to tell why it did not match ([`crate::why`]). What
    /// its sets hold is as of a second before `query.at` or later. Unknown if
    /// the rule went before somebody asked.
    pub fn details(&self, namespace: Inode, query: &RuleQuery<'_>) -> Lookup<why::Rule> {
        self.ask(namespace, Some(query.at), |shared| shared.state().store.details(query))
    }

    /// The rules of a chain in the order that they had. Unknown if it has
    /// changed since and nobody had asked before.
    pub fn order(&self, namespace: Inode, query: &ChainQuery<'_>) -> Lookup<Arc<Order>> {
        self.ask(namespace, Some(query.at), |shared| shared.state().store.order(query))
    }

    /// A chain, as it is now.
    pub fn chain(
        &self,
        namespace: Inode,
        family: Family,
        table: &str,
        chain: &str,
    ) -> Lookup<Chain> {
        self.ask(namespace, None, |shared| shared.state().store.chain(family, table, chain))
    }

    /// The element that `key` hits in a verdict map of a rule, as nft prints
    /// it: `10.0.0.0/24 : jump x`. The key is what the rule's register held,
    /// as many bytes as the set's key has.
    pub fn verdict_map_element(
        &self,
        namespace: Inode,
        query: &RuleQuery<'_>,
        map: &VerdictMap,
        key: &[u8],
    ) -> Lookup<String> {
        let ask = |shared: &Shared| shared.state().store.element(query, map, key);
        self.ask(namespace, Some(query.at), ask)
    }

    /// No further questions will come but those that are pending: they are
    /// answered as fast as can be. Until then the machine is spared.
    pub fn hurry(&self) {
        self.lock().watched.values().for_each(|watched| watched.shared.hurry());
    }

    /// Waits until an answer may have changed, at most `timeout`. Says
    /// whether that is so. [`Lookup::Pending`] also becomes
    /// [`Lookup::Unknown`] by time alone, so ask again after some 50 ms.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.signal.wait(timeout)
    }

    /// Whether no nft program was found.
    pub fn nft_missing(&self) -> bool {
        self.options.nft.is_none()
    }

    /// Sentences for the user that have come up since the last call; each
    /// comes once.
    pub fn take_notices(&self) -> Vec<String> {
        self.signal.take_notices()
    }

    /// Lets go of namespaces that only this cache still holds: a watched
    /// namespace cannot end by itself. To be called every few seconds; looks
    /// at every process. A namespace is let go of at the second call that
    /// finds nobody else there.
    pub fn release_unused(&self) {
        if self.lock().watched.keys().all(|inode| Some(*inode) == self.own) {
            return;
        }
        let held = netns::held_by_others();
        {
            let mut namespaces = self.lock();
            let now = monotonic_ns();
            namespaces.gone.retain(|shared| {
                let since = shared.state().ended.as_ref().map_or(now, |(since, _)| *since);
                now.saturating_sub(since) < KEPT_NS
            });
            let mut unused = Vec::new();
            for (inode, watched) in &mut namespaces.watched {
                let unheld = !held.contains(inode) && Some(*inode) != self.own;
                if unheld && watched.unheld {
                    unused.push(*inode);
                }
                watched.unheld = unheld;
            }
            for inode in unused {
                let Some(mut watched) = namespaces.watched.remove(&inode) else { continue };
                watched.shared.stop();
                // the asker has no time to wait for its end
                drop(watched.thread.take());
                namespaces.gone.push(watched.shared);
            }
        }
    }

    fn ask<T>(
        &self,
        inode: Inode,
        at: Option<u64>,
        question: impl Fn(&Shared) -> Lookup<T>,
    ) -> Lookup<T> {
        let mut namespaces = self.lock();
        // An event from before the end of a namespace means the one that
        // ended, though another may have its number by now.
        let watched = namespaces.watched.contains_key(&inode);
        let then = namespaces.gone.iter().rev().find(|shared| {
            let ended = shared.state().ended.as_ref().map(|(ended, _)| *ended);
            let meant = at.zip(ended).map_or(!watched, |(at, ended)| at <= ended);
            shared.inode == inode && meant
        });
        if let Some(shared) = then.cloned() {
            drop(namespaces);
            return match question(&shared) {
                Lookup::Pending => Lookup::Unknown,
                answer => answer,
            };
        }
        let Some(shared) = self.start(&mut namespaces, inode, None) else {
            return Lookup::Unknown;
        };
        drop(namespaces);
        let answer = question(&shared);
        if matches!(answer, Lookup::Pending) {
            if shared.state().ended.is_some() {
                return Lookup::Unknown;
            }
            if let Some(at) = at {
                shared.state().store.ask(at);
            }
            shared.wake();
        }
        answer
    }

    /// The namespace's entry, with a worker started if there is none.
    fn start(
        &self,
        namespaces: &mut Namespaces,
        inode: Inode,
        handle: Option<Handle>,
    ) -> Option<Arc<Shared>> {
        if let Some(watched) = namespaces.watched.get(&inode) {
            let failed = watched.shared.state().ended.is_some();
            if !failed {
                return Some(watched.shared.clone());
            }
            // It could not be entered, or was given up: keep what it has.
            let watched = namespaces.watched.remove(&inode)?;
            namespaces.gone.push(watched.shared);
            namespaces.not_found.insert(inode, Instant::now());
        }
        let recently = |since: &Instant| since.elapsed() < NOT_AGAIN;
        if handle.is_none() && namespaces.not_found.get(&inode).is_some_and(recently) {
            return None;
        }
        namespaces.not_found.remove(&inode);
        let (shared, pipe) = Shared::new(inode, self.signal.clone(), !self.nft_missing()).ok()?;
        let shared = Arc::new(shared);
        let (theirs, options) = (shared.clone(), self.options.clone());
        let work = move || {
            let reason = match worker::run(&theirs, pipe, handle, options) {
                Ok(()) => "no longer watched".to_owned(),
                Err(error) => error.to_string(),
            };
            if !theirs.stopped() {
                theirs.signal.notice(format!(
                    "rules of network namespace {inode} can no longer be shown: {reason}"
                ));
            }
            let mut state = theirs.state();
            state.ended = Some((monotonic_ns(), reason));
            // no change will come that an answer could wait for
            if state.store.loaded() {
                state.store.synced(u64::MAX);
            }
            drop(state);
            theirs.signal.notify();
        };
        let builder = thread::Builder::new().name(format!("rules {inode}")).stack_size(STACK);
        let thread = builder.spawn(work).ok()?;
        let watched = Watched { shared: shared.clone(), thread: Some(thread), unheld: false };
        namespaces.watched.insert(inode, watched);
        Some(shared)
    }

    fn lock(&self) -> MutexGuard<'_, Namespaces> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RulesetCache {
    fn drop(&mut self) {
        let namespaces = std::mem::take(&mut *self.lock());
        namespaces.watched.values().for_each(|watched| watched.shared.stop());
        namespaces.watched.into_values().filter_map(|w| w.thread).for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    // A panic was printed by the thread itself.
    let _ = thread.join();
}
