//! Listens to the kernel's own rule trace in one network namespace: a table of our
//! own there marks packets, the kernel then tells each decision about them over
//! netlink.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, channel, sync_channel,
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nfscope_event::Family;
use nfscope_filter::Decisions;
use nfscope_ruleset::netlink::Error;
use nfscope_ruleset::netlink::scratch::Table;
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceSocket};
use nfscope_ruleset::{monotonic_ns, netns};

use super::mark_rules::{self, TABLE};
use crate::CollectError;

/// How long the listener waits before it says that nothing more has come.
const TICK: Duration = Duration::from_millis(50);
/// How long the kernel's word on how far the listener is may take; on a full
/// socket it gets lost.
const MARK_PATIENCE: Duration = Duration::from_secs(2);
/// Messages on their way here; with more the socket overruns, which counts.
const MAX_HEARD: usize = 16_384;
/// How old a device's name may be.
const NAMES: Duration = Duration::from_millis(500);

/// A message, and when it was sent: between two instants of `CLOCK_MONOTONIC`.
#[derive(Debug)]
pub struct Told {
    /// What the kernel said.
    pub message: TraceMessage,
    /// All that was sent before had been read.
    pub after_ns: u64,
    /// When it was read.
    pub until_ns: u64,
    /// Index and name of the input device.
    pub input: Option<(u32, String)>,
    /// The same of the output device.
    pub output: Option<(u32, String)>,
}

/// What the listener sends.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Message(Box<Told>),
    /// All messages that the kernel sent before this instant have been handed
    /// on.
    AllUntil(Instant),
    /// The listener failed: nothing more comes.
    Ended,
}

/// One traced namespace. Dropping it removes the table.
#[derive(Debug)]
pub struct NetlinkListener {
    inode: u32,
    heard: Receiver<Heard>,
    lost: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    left_out: Vec<String>,
}

impl NetlinkListener {
    /// Traces a namespace's packets, those that a filter's decisions take.
    /// The table goes away with the process, whatever ends it (kernel 5.12);
    /// `may_stay`: where there are no such tables, another one will do.
    pub fn start(
        inode: u32,
        may_stay: bool,
        filter: Option<Decisions>,
    ) -> Result<Self, CollectError> {
        let (sender, heard) = sync_channel(MAX_HEARD);
        let (ready, started) = channel();
        let lost = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (lost_there, stop_there) = (Arc::clone(&lost), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("nfscope-trace".into())
            .spawn(move || match open(inode, may_stay, filter.as_ref()) {
                Ok((mut socket, marks)) => {
                    if ready.send(Ok(marks.left_out)).is_ok() {
                        listen(&mut socket, &sender, &lost_there, &stop_there);
                    }
                    remove(marks.tables, marks.owned);
                }
                Err(e) => {
                    // the asker waits for exactly one word
                    let _ = ready.send(Err(e));
                }
            })
            .map_err(|source| CollectError::System { what: "cannot start a thread", source })?;
        let left_out = started.recv().map_err(|_| refuse("its thread ended".into()))??;
        Ok(Self { inode, heard, lost, stop, thread: Some(thread), left_out })
    }

    /// The namespace.
    pub fn inode(&self) -> u32 {
        self.inode
    }

    /// Sentences for the user: packets that could not be marked.
    pub fn notices(&self) -> &[String] {
        &self.left_out
    }

    /// Overruns of the netlink socket so far; each may be many messages.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What has come, if anything has.
    pub fn try_next(&self) -> Option<Heard> {
        match self.heard.try_recv() {
            Ok(heard) => Some(heard),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Heard::Ended),
        }
    }

    /// The same, waited for.
    pub fn next(&self, timeout: Duration) -> Option<Heard> {
        match self.heard.recv_timeout(timeout) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Heard::Ended),
        }
    }
}

impl Drop for NetlinkListener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // a listener that waits for room must not wait for ever
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let _ = self.next(TICK);
        }
        if let Some(thread) = self.thread.take() {
            // a panic there has been reported already
            let _ = thread.join();
        }
    }
}

fn refuse(reason: String) -> CollectError {
    CollectError::Backend { backend: "netlink_trace", reason }
}

/// The tables that mark packets.
struct Marks {
    tables: Vec<Table>,
    /// They go away with the process.
    owned: bool,
    left_out: Vec<String>,
}

fn open(
    inode: u32,
    may_stay: bool,
    filter: Option<&Decisions>,
) -> Result<(TraceSocket, Marks), CollectError> {
    let failed = |e: &dyn std::fmt::Display| refuse(e.to_string());
    netns::Handle::find(inode).and_then(|h| h.enter()).map_err(|e| failed(&e))?;
    let socket = TraceSocket::open().map_err(|e| failed(&e))?;
    let (mut tables, mut left_out) = (Vec::new(), Vec::new());
    let mut owned = true;
    // the word for an unknown flag, before and since 5.12
    let no_owner = |e: &Error| matches!(e.errno(), Some(libc::EINVAL | libc::EOPNOTSUPP));
    for (family, required) in [(Family::Inet, true), (Family::Arp, false), (Family::Bridge, false)]
    {
        let mut created = Table::create(&mark_rules::table(family, owned, filter));
        if owned && may_stay && required && created.as_ref().is_err_and(no_owner) {
            owned = false;
            created = Table::create(&mark_rules::table(family, owned, filter));
        }
        match created {
            Ok(table) => tables.push(table),
            // somebody else's of that name
            Err(e) if e.errno() == Some(libc::EEXIST) => {
                let family = family.as_str();
                remove(tables, owned);
                return Err(refuse(format!(
                    "the namespace has a table {family} {TABLE} already: another nfscope traces it, or \
                     one was killed (nft delete table {family} {TABLE})"
                )));
            }
            Err(e) if required => {
                let why = if owned && no_owner(&e) {
                    "this kernel has no tables that go away with their owner (they came with 5.12); \
                     --allow-leftover-table accepts a table that stays if nfscope is killed"
                        .to_string()
                } else {
                    e.to_string()
                };
                remove(tables, owned);
                return Err(refuse(why));
            }
            // a kernel without that family has no such packets to trace
            Err(e) if matches!(e.errno(), Some(libc::ENOENT | libc::EOPNOTSUPP)) => {}
            Err(e) => left_out.push(format!(
                "packets of the family {family} are not traced: their table is refused: {e}"
            )),
        }
    }
    Ok((socket, Marks { tables, owned, left_out }))
}

fn remove(tables: Vec<Table>, owned: bool) {
    if owned {
        return; // closing the owner's socket does it
    }
    for table in tables {
        // best effort: the namespace may be gone, and the table with it
        let _ = table.delete();
    }
}

fn listen(
    socket: &mut TraceSocket,
    sender: &SyncSender<Heard>,
    lost: &AtomicU64,
    stop: &AtomicBool,
) {
    let mut messages = Vec::new();
    let mut wait = TICK;
    let (mut told, mut after_ns) = (Instant::now(), monotonic_ns());
    // while messages keep coming the socket is never empty: when the last mark
    // was set in it
    let mut mark: Option<(Instant, u64)> = None;
    let mut devices = Devices::default();
    while !stop.load(Ordering::Relaxed) {
        let (before, before_ns) = (Instant::now(), monotonic_ns());
        let due = mark.map_or(told.elapsed() >= TICK, |(set, _)| set.elapsed() >= MARK_PATIENCE);
        if due && wait.is_zero() {
            mark = socket.mark().is_ok().then_some((before, before_ns));
        }
        let mut read_until = None;
        match socket.receive(wait, &mut messages) {
            // is there more?
            Ok(true) => {
                wait = Duration::ZERO;
                read_until = if socket.reached() { mark.take() } else { None };
            }
            Ok(false) => {
                wait = TICK;
                read_until = Some((before, before_ns));
            }
            Err(Error::Overrun) => {
                lost.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => return,
        }
        let until_ns = monotonic_ns();
        for message in messages.drain(..) {
            let (input, output) = (devices.find(message.iif), devices.find(message.oif));
            let told = Told { message, after_ns, until_ns, input, output };
            if sender.send(Heard::Message(Box::new(told))).is_err() {
                return;
            }
        }
        if let Some((instant, ns)) = read_until {
            (told, after_ns) = (Instant::now(), ns);
            if sender.send(Heard::AllUntil(instant)).is_err() {
                return;
            }
        }
    }
}

/// Names of the devices of the thread's namespace.
#[derive(Debug, Default)]
struct Devices {
    names: HashMap<u32, Option<String>>,
    since: Option<Instant>,
}

impl Devices {
    /// Index and name, unless it is gone.
    fn find(&mut self, index: Option<u32>) -> Option<(u32, String)> {
        let index = index.filter(|index| *index != 0)?;
        if self.since.is_none_or(|since| since.elapsed() >= NAMES) {
            self.names.clear();
            self.since = Some(Instant::now());
        }
        let ask = || netns::Handle::current().ok()?.device_name(index);
        let name = self.names.entry(index).or_insert_with(ask);
        name.clone().map(|name| (index, name))
    }
}
