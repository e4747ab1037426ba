//! The thread that keeps one namespace's ruleset.
//!
//! It has entered the namespace, so that its sockets and the programs that it
//! starts are there. It waits for: changes announced by the kernel, texts
//! announced by `nft monitor`, output of a listing, a wake-up.

use std::collections::{HashMap, VecDeque};
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nfscope_event::Family;

use super::announced::{Announcement, Announcements};
use super::cache::Options;
use super::details;
use super::jobs::{Job, Jobs};
use super::program::Running;
use super::shared::Shared;
use super::snapshot::Snapshot;
use crate::netlink::{Change, Error, Monitor, Socket};
use crate::netns::Handle;
use crate::sys::{self, monotonic_ns};

const MS: u64 = 1_000_000;
/// How long the waiting thread may take to run after its wake-up.
const WAKE_UP_NS: u64 = 200 * MS;
/// How long `nft monitor` may take to print a rule before it is listed.
const ANNOUNCED_NS: u64 = 250 * MS;
/// How long to collect changes before they are listed, without `nft monitor`.
const COLLECT_NS: u64 = 20 * MS;
/// How long a text may be early for its rule.
const EARLY_NS: u64 = 2_000 * MS;
/// Listings take at most one third of the time, but wait no longer than this.
const LONGEST_PAUSE_NS: u64 = 10_000 * MS;
/// How often a failing `nft monitor` is started again.
const MONITOR_TRIES: u32 = 5;
/// How often to look at what is due while something is.
const TICK: Duration = Duration::from_millis(25);

/// How often to look whether nf_tables has been loaded.
const MODULE_TICK: Duration = Duration::from_millis(100);

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Namespace(#[from] crate::netns::Error),
    #[error(transparent)]
    Netlink(#[from] Error),
    #[error("cannot wait for ruleset changes: {0}")]
    Wait(#[from] std::io::Error),
}

/// A text that came before the notification of its rule was read.
struct Early {
    table: u64,
    chain: String,
    handle: u64,
    text: String,
    since: u64,
}

/// The state of the thread.
struct Worker {
    shared: Arc<Shared>,
    wake: PipeReader,
    monitor: Monitor,
    socket: Socket,
    nft: Option<PathBuf>,
    /// Changes whose generation has not been announced yet.
    changes: Vec<Change>,
    /// When the first of them was made at the earliest.
    changes_earliest: u64,
    generation: u32,
    /// The ruleset must be read anew.
    reload: bool,
    /// Something has changed that askers may wait for.
    news: bool,
    /// All changes up to then were read.
    drained: u64,
    texts: Option<Running>,
    texts_started: u32,
    announcements: Announcements,
    /// Handles of tables that `nft monitor` told of, by name.
    announced_tables: HashMap<(Family, String), Option<u64>>,
    early: VecDeque<Early>,
    jobs: Jobs,
    job: Option<Job>,
    /// No listing before that time.
    not_before: u64,
}

/// Keeps the namespace's ruleset until told to stop.
pub(crate) fn run(
    shared: &Arc<Shared>,
    mut wake: PipeReader,
    handle: Option<Handle>,
    options: Options,
) -> Result<(), Ended> {
    let handle = handle.map_or_else(|| Handle::find(shared.inode), Ok)?;
    handle.enter()?;
    drop(handle);
    while options.awaits_nf_tables && !shared.stopped() && !crate::nf_tables_loaded() {
        if sys::poll(&[wake.as_fd()], Some(MODULE_TICK))?[0] {
            shared.woken(&mut wake);
        }
    }
    if shared.stopped() {
        return Ok(());
    }
    let monitor = Monitor::open()?;
    let socket = Socket::open()?;
    let mut worker = Worker {
        shared: shared.clone(),
        wake,
        monitor,
        socket,
        nft: options.nft,
        changes: Vec::new(),
        changes_earliest: 0,
        generation: 0,
        reload: true,
        news: false,
        drained: 0,
        texts: None,
        texts_started: 0,
        announcements: Announcements::default(),
        announced_tables: HashMap::new(),
        early: VecDeque::new(),
        jobs: Jobs::default(),
        job: None,
        not_before: 0,
    };
    worker.work(0)?;
    while !shared.stopped() {
        let earliest = worker.wait()?;
        worker.work(earliest)?;
    }
    Ok(())
}

impl Worker {
    /// Waits for something to do. Gives the earliest time at which changes
    /// that are to be read now can have been announced.
    fn wait(&mut self) -> Result<u64, Ended> {
        let due = {
            let state = self.shared.state();
            self.reload
                || !self.early.is_empty()
                || self.job.is_some()
                || state.store.behind()
                || state.store.wanting()
                || (self.nft.is_some() && state.store.wants_text())
        };
        let mut fds = vec![self.wake.as_fd(), self.monitor.as_fd()];
        fds.extend(self.texts.as_ref().map(AsFd::as_fd));
        let job_at = fds.len();
        fds.extend(self.job.as_ref().map(|job| job.running.as_fd()));
        let before = monotonic_ns();
        let ready = sys::poll(&fds, due.then_some(TICK))?;
        let after = monotonic_ns();
        if ready[0] {
            self.shared.woken(&mut self.wake);
        }
        if self.texts.is_some() && ready[2] && !self.texts.as_mut().is_some_and(Running::read) {
            self.texts = None;
        }
        if let Some(job) = self.job.take_if(|_| ready.get(job_at) == Some(&true)) {
            self.read_job(job)?;
        }
        let slept = after - before > MS;
        let woke = before.max(after.saturating_sub(WAKE_UP_NS));
        Ok(if slept { woke } else { self.drained })
    }

    fn work(&mut self, earliest: u64) -> Result<(), Ended> {
        self.read_changes(earliest)?;
        self.read_texts();
        self.news |= details::fetch(&self.shared, &mut self.socket)?;
        self.start_programs()?;
        if std::mem::take(&mut self.news) {
            self.shared.signal.notify();
        }
        Ok(())
    }

    /// Reads what the kernel has announced, and the ruleset if need be.
    fn read_changes(&mut self, earliest: u64) -> Result<(), Ended> {
        if self.changes.is_empty() {
            self.changes_earliest = earliest;
        }
        loop {
            let now = monotonic_ns();
            match self.monitor.receive(&mut self.changes) {
                Ok(true) => {}
                Ok(false) => {
                    self.drained = now;
                    break;
                }
                Err(Error::Overrun) => {
                    self.changes.clear();
                    self.reload = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let now = monotonic_ns();
        if self.reload {
            match Snapshot::read(&mut self.socket) {
                Ok(snapshot) => {
                    self.generation = snapshot.generation;
                    self.reload = false;
                    self.news = true;
                    self.shared.state().store.replace(snapshot, now);
                }
                // It changes faster than it can be read: try again soon.
                Err(Error::Interrupted) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        let earliest = self.changes_earliest;
        let mut state = self.shared.state();
        let generation = |change: &Change| matches!(change, Change::Generation(_));
        while let Some(end) = self.changes.iter().position(generation) {
            let transaction: Vec<Change> = self.changes.drain(..=end).collect();
            let Some(Change::Generation(id)) = transaction.last() else { break };
            // What was read as a whole already holds older transactions.
            if id.wrapping_sub(self.generation) as i32 > 0 {
                self.generation = *id;
                self.news = true;
                state.store.take(transaction, earliest, now);
            }
        }
        if self.changes.is_empty() {
            self.news |= state.store.synced(self.drained);
        }
        Ok(())
    }

    /// Takes what `nft monitor` has printed.
    fn read_texts(&mut self) {
        // Texts of rules that this does not know yet are for later.
        if !self.changes.is_empty() {
            return;
        }
        let now = monotonic_ns();
        let mut state = self.shared.state();
        let store = &mut state.store;
        self.early.retain(|early| {
            let Early { table, chain, handle, text, .. } = early;
            let taken = store.take_text(*table, chain, *handle, text, None);
            self.news |= taken;
            !taken && now.saturating_sub(early.since) < EARLY_NS
        });
        let Some(texts) = &mut self.texts else { return };
        let lines = texts.take_lines();
        self.news |= !lines.is_empty();
        for line in lines.lines() {
            let known = |family, table: &str, handle| store.has_rule(family, table, handle);
            match self.announcements.line(line, known) {
                Some(Announcement::Table(family, name, handle)) => {
                    self.announced_tables.insert((family, name), handle);
                }
                Some(Announcement::NoTable(family, name)) => {
                    self.announced_tables.insert((family, name), None);
                }
                Some(Announcement::Rule { family, table, chain, handle, text }) => {
                    let key = (family, table);
                    let table = match self.announced_tables.get(&key) {
                        Some(announced) => *announced,
                        // Nothing happened to the table since nft looked.
                        None if store.had_others(key.0, &key.1) => None,
                        None => store.table_handle(key.0, &key.1),
                    };
                    let Some(table) = table else { continue };
                    if !store.take_text(table, &chain, handle, &text, None) {
                        self.early.push_back(Early { table, chain, handle, text, since: now });
                    }
                }
                None => {}
            }
        }
    }

    /// Reads a job's output and, at its end, takes it.
    fn read_job(&mut self, mut job: Job) -> Result<(), Ended> {
        if job.running.read() {
            self.job = Some(job);
            return Ok(());
        }
        let output = job.running.finish();
        // A listing is only understood with the changes up to now.
        self.read_changes(self.drained)?;
        self.take_job(job.kind, job.started, output)
    }

    fn take_job(
        &mut self,
        kind: super::jobs::Kind,
        started: u64,
        output: Option<String>,
    ) -> Result<(), Ended> {
        self.news = true;
        let first = self.not_before == 0;
        self.jobs.take(kind, output, started, &self.shared, &mut self.socket)?;
        let now = monotonic_ns();
        let pause = if first { 0 } else { (2 * (now - started)).min(LONGEST_PAUSE_NS) };
        self.not_before = now + pause;
        Ok(())
    }

    /// Starts `nft monitor` and the next listing, if they are needed.
    fn start_programs(&mut self) -> Result<(), Ended> {
        let now = monotonic_ns();
        let Some(nft) = &self.nft else { return Ok(()) };
        {
            let mut state = self.shared.state();
            state.store.give_up_gone(now);
            if !state.store.has_tables() {
                return Ok(());
            }
        }
        if self.texts.is_none() && self.texts_started < MONITOR_TRIES {
            self.texts_started += 1;
            self.announcements = Announcements::default();
            self.announced_tables.clear();
            self.texts = Running::start(nft, &["-a", "monitor", "ruleset"]).ok();
        }
        if let Some(job) = self.job.take_if(|job| job.overdue(now)) {
            drop(job.running);
            return self.take_job(job.kind, job.started, None);
        }
        let hurried = self.shared.hurried();
        if self.job.is_some() || (now < self.not_before && !hurried) {
            return Ok(());
        }
        let patience = if self.not_before == 0 || hurried {
            0
        } else if self.texts.is_some() {
            ANNOUNCED_NS
        } else {
            COLLECT_NS
        };
        let times = (now.saturating_sub(patience), now);
        match self.jobs.start(nft, &self.shared, &mut self.socket, times) {
            Ok(job) => self.job = job,
            // It changes faster than it can be read: try again soon.
            Err(Error::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
