//! Reads tables: those that are asked for, and all that are known as soon as
//! any was replaced, so that a rule can be told after it is gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::cache::{Count, Shared, Snapshot, Subject};
use super::saved::Programs;
use super::socket::{Socket, names};
use super::uapi::Family;
use crate::netns::{self, Handle};

/// How often the count of changes is looked at.
const ROUND: Duration = Duration::from_millis(100);
/// More namespaces than this are not all read ahead.
const MAX_WATCHED: usize = 32;
/// How often a table is read anew when others change meanwhile.
const ATTEMPTS: usize = 5;
/// Earlier states of a table that are kept.
const MAX_SNAPSHOTS: usize = 64;

/// What is known, and what is wanted.
#[derive(Debug, Default)]
pub(super) struct State {
    pub snapshots: HashMap<Subject, Vec<Snapshot>>,
    pub wanted: VecDeque<Subject>,
    /// Why a table could not be read, and the count then.
    pub failed: HashMap<Subject, (u64, &'static str)>,
    /// Nobody reads, or nobody asks.
    pub ended: bool,
    reading: Option<Subject>,
    /// A round over all tables is under way or due.
    scanning: bool,
}

impl State {
    /// Whether an answer about a table may come by itself.
    pub fn is_pending(&self, subject: &Subject) -> bool {
        self.scanning || self.reading.as_ref() == Some(subject) || self.wanted.contains(subject)
    }
}

/// Works until the cache is gone.
pub(super) fn run(shared: &Arc<Shared>, count: &Count, only: Option<netns::Inode>) {
    let programs = Programs::find();
    let mut seen: Option<u64> = None;
    shared.lock().scanning = true;
    loop {
        let now = count();
        if now.is_some() && now != seen {
            shared.lock().scanning = true;
            let all = subjects(only);
            {
                let mut state = shared.lock();
                let known: HashSet<Subject> = state.snapshots.keys().cloned().collect();
                state.wanted.extend(known.into_iter().chain(all));
                let mut once = HashSet::new();
                state.wanted.retain(|subject| once.insert(subject.clone()));
                state.scanning = false;
            }
            seen = now;
        }
        let next = {
            let mut state = shared.lock();
            if state.wanted.is_empty() && !state.ended {
                let waited = shared.changed.wait_timeout(state, ROUND);
                state = waited.map_or_else(|e| e.into_inner().0, |(state, _)| state);
            }
            if state.ended {
                return;
            }
            state.reading = state.wanted.pop_front();
            state.reading.clone()
        };
        let Some(subject) = next else { continue };
        if read(shared, count, &programs, &subject).is_err() {
            // the thread is in a foreign namespace and cannot go on
            shared.lock().ended = true;
        }
        shared.lock().reading = None;
        shared.changed.notify_all();
    }
}

/// All tables of all namespaces that are read ahead.
fn subjects(only: Option<netns::Inode>) -> Vec<Subject> {
    let mut inodes: Vec<netns::Inode> = match only {
        Some(inode) => vec![inode],
        None => {
            let all = netns::all();
            let few = all.len() <= MAX_WATCHED;
            let own = Handle::current().ok().map(|handle| handle.inode());
            own.into_iter().chain(all.into_iter().filter(|_| few)).collect()
        }
    };
    inodes.sort_unstable();
    inodes.dedup();
    let mut out = Vec::new();
    for netns in inodes {
        let Ok(handle) = Handle::find(netns) else { continue };
        let Ok(tables) = handle.within(|| Family::ALL.map(names)) else { return out };
        for (family, tables) in Family::ALL.into_iter().zip(tables) {
            out.extend(tables.into_iter().map(|table| Subject { netns, family, table }));
        }
    }
    out
}

/// An error: the thread could not come home.
fn read(
    shared: &Shared,
    count: &Count,
    programs: &Programs,
    subject: &Subject,
) -> Result<(), netns::Error> {
    let fail = |why| {
        let at = count().unwrap_or(0);
        shared.lock().failed.insert(subject.clone(), (at, why));
    };
    let Ok(handle) = Handle::find(subject.netns) else {
        // its snapshots stay: events of its last packets may still come
        fail("the network namespace is gone");
        return Ok(());
    };
    handle.within(|| {
        for _ in 0..ATTEMPTS {
            let Some(before) = count() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let read = Socket::open(subject.family).and_then(|socket| socket.read(&subject.table));
            let Ok(read) = read else { return fail("the kernel did not give the table") };
            let same = extend(shared, subject, (before, &read.bytes), count);
            if same {
                return;
            }
            let lines = programs.lines(&read.table);
            if count() != Some(before) {
                continue;
            }
            let snapshot =
                Snapshot { from: before, to: before, bytes: read.bytes, table: read.table, lines };
            let mut state = shared.lock();
            state.failed.remove(subject);
            let all = state.snapshots.entry(subject.clone()).or_default();
            all.push(snapshot);
            let excess = all.len().saturating_sub(MAX_SNAPSHOTS);
            all.drain(..excess);
            return;
        }
        fail("tables are being replaced all the time");
    })
}

/// If the table is as it was when last read, and was all the time, that
/// reading holds until now.
fn extend(shared: &Shared, subject: &Subject, (now, bytes): (u64, &[u8]), count: &Count) -> bool {
    let mut state = shared.lock();
    let last = state.snapshots.get_mut(subject).and_then(|all| all.last_mut());
    let Some(last) = last.filter(|last| last.bytes == bytes) else { return false };
    if count() != Some(now) {
        return false;
    }
    // with one change between, it was another table's, or one for the same
    if now.saturating_sub(last.to) > 1 {
        return false;
    }
    last.to = now;
    true
}
