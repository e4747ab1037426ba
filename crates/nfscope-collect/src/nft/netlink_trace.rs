//! The kernel's own rule trace, for kernels that refuse probes and hooks.
//!
//! A table of our own in the traced namespace marks packets; the kernel then
//! tells each decision about them over netlink. A drop is tied to its packet
//! by the packet's first bytes, which both the message and the drop record
//! carry.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nfscope_event::Family;
use nfscope_filter::Decisions;
use nfscope_ruleset::netlink::Error;
use nfscope_ruleset::netlink::scratch::Table;
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceSocket, TraceType};
use nfscope_ruleset::netns;

use super::mark_rules::{self, TABLE};
use crate::CollectError;
use crate::drop::{DropRecord, NftPart, Note};

/// How long a drop waits for its message if the listener never catches up, and
/// a message for its drop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the listener waits before it says that nothing more has come.
const TICK: Duration = Duration::from_millis(50);
/// How often the last messages are looked for.
const LAST_LOOK: Duration = Duration::from_millis(5);
/// Fewer common bytes do not tell packets apart.
const MIN_BYTES: usize = 20;
/// Messages on their way here; with more the socket overruns, which counts.
const MAX_HEARD: usize = 16_384;
/// Records and decisions that wait for each other.
const MAX_WAITING: usize = 16_384;
/// Packets whose headers are remembered.
const MAX_PACKETS: usize = 16_384;
/// Bytes of the Ethernet header that each frame of a record starts with.
const LINK_BYTES: usize = 14;

/// A decision to drop, from the kernel's messages.
#[derive(Debug, Clone)]
struct Decision {
    message: TraceMessage,
    headers: Vec<u8>,
    seen: Instant,
}

/// What the listener sends.
#[derive(Debug)]
enum Heard {
    Message(Box<TraceMessage>),
    /// All messages that the kernel sent before this instant have been handed
    /// on.
    AllUntil(Instant),
}

/// One traced namespace. Dropping it removes the table.
#[derive(Debug)]
pub struct NetlinkTrace {
    inode: u32,
    decisions: Receiver<Heard>,
    caught_up: Option<Instant>,
    ended: bool,
    lost: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    headers: HashMap<u32, Vec<u8>>,
    order: VecDeque<u32>,
    waiting: VecDeque<Decision>,
    held: VecDeque<(Instant, DropRecord)>,
}

impl NetlinkTrace {
    /// Traces a namespace's packets, those that a filter's decisions take.
    /// The table goes away with the process, whatever ends it (kernel 5.12);
    /// `may_stay`: where there are no such tables, another one will do.
    pub fn start(
        inode: u32,
        may_stay: bool,
        filter: Option<Decisions>,
    ) -> Result<Self, CollectError> {
        let (sender, decisions) = sync_channel(MAX_HEARD);
        let (ready, started) = channel();
        let lost = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (lost_there, stop_there) = (Arc::clone(&lost), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("nfscope-trace".into())
            .spawn(move || match open(inode, may_stay, filter.as_ref()) {
                Ok((mut socket, tables, owned)) => {
                    if ready.send(Ok(())).is_ok() {
                        listen(&mut socket, &sender, &lost_there, &stop_there);
                    }
                    remove(tables, owned);
                }
                Err(e) => {
                    // the asker waits for exactly one word
                    let _ = ready.send(Err(e));
                }
            })
            .map_err(|source| CollectError::System { what: "cannot start a thread", source })?;
        started.recv().map_err(|_| refuse("its thread ended".into()))??;
        Ok(Self {
            inode,
            decisions,
            caught_up: None,
            ended: false,
            lost,
            stop,
            thread: Some(thread),
            headers: HashMap::new(),
            order: VecDeque::new(),
            waiting: VecDeque::new(),
            held: VecDeque::new(),
        })
    }

    /// Overruns of the netlink socket so far; each may be many messages.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether its messages have come to an end, by an error of the socket.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Adds what the kernel said to records of this namespace. A record that
    /// may be nft's but has no message yet is held back and handed out by a
    /// later call; `last`: wait for the messages and hold nothing back.
    pub fn attribute(
        &mut self,
        records: Vec<DropRecord>,
        maybe_nft: impl Fn(&DropRecord) -> bool,
        last: bool,
    ) -> Vec<DropRecord> {
        match last {
            true => self.catch_up(),
            false => self.read_decisions(),
        }
        let now = Instant::now();
        let mut out = Vec::new();
        let held = std::mem::take(&mut self.held);
        for (since, mut record) in held.into_iter().chain(records.into_iter().map(|r| (now, r))) {
            if record.netns == self.inode && record.nft.is_none() && maybe_nft(&record) {
                record.nft = self.find(&record);
                // the message is sent before the packet is freed: once the
                // listener has come that far there will be none
                let may_come = self.caught_up.is_none_or(|until| until < since)
                    && now.duration_since(since) < PATIENCE
                    && self.held.len() < MAX_WAITING;
                if record.nft.is_none() && may_come && !last {
                    self.held.push_back((since, record));
                    continue;
                }
            }
            // what comes behind a waiting record waits too: order is kept
            if self.held.is_empty() {
                out.push(record);
            } else {
                self.held.push_back((since, record));
            }
        }
        self.waiting.retain(|d| now.duration_since(d.seen) < PATIENCE);
        out
    }

    /// Reads all messages that were sent until now.
    fn catch_up(&mut self) {
        let now = Instant::now();
        loop {
            self.read_decisions();
            let caught_up = self.caught_up.is_some_and(|until| until >= now);
            if caught_up || now.elapsed() >= PATIENCE {
                break;
            }
            std::thread::sleep(LAST_LOOK);
        }
    }

    fn read_decisions(&mut self) {
        let seen = Instant::now();
        loop {
            let message = match self.decisions.try_recv() {
                Ok(Heard::Message(message)) => *message,
                Ok(Heard::AllUntil(instant)) => {
                    self.caught_up = Some(instant);
                    continue;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    // the listener failed: nothing more comes
                    self.ended = true;
                    self.caught_up = Some(seen);
                    break;
                }
            };
            if !message.network_header.is_empty() {
                if self.headers.insert(message.id, message.network_header.clone()).is_none() {
                    self.order.push_back(message.id);
                }
                if self.order.len() > MAX_PACKETS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.headers.remove(&oldest);
                }
            }
            if (message.drops() || message.queues())
                && message.table != TABLE
                && let Some(headers) = self.headers.get(&message.id).cloned()
            {
                self.waiting.push_back(Decision { message, headers, seen });
                if self.waiting.len() > MAX_WAITING {
                    self.waiting.pop_front();
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn find(&mut self, record: &DropRecord) -> Option<NftPart> {
        let bytes = record.frame.get(LINK_BYTES..)?;
        let at = self.waiting.iter().position(|d| {
            let common = d.headers.len().min(bytes.len());
            common >= MIN_BYTES && d.headers[..common] == bytes[..common]
        })?;
        let Decision { message, .. } = self.waiting.remove(at)?;
        let note = match message.kind {
            TraceType::Policy => Note::Policy,
            _ if message.queues() => Note::Queue,
            _ => Note::Rule,
        };
        Some(NftPart {
            note,
            age_ns: 0,
            family: message.family.nfproto(),
            hook: NftPart::UNKNOWN_HOOK,
            pf: message.nfproto.and_then(|p| u8::try_from(p).ok()).unwrap_or(0),
            rule: message.rule_handle.unwrap_or(0),
            table_handle: 0,
            chain_handle: 0,
            priority: None,
            chain_is_base: false,
            // the messages have no names of devices, only the record has
            input: None,
            output: None,
            table: message.table,
            chain: message.chain,
            cut: false,
            registers: [0; 20],
        })
    }
}

impl Drop for NetlinkTrace {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // it ends within a tick; a panic there has been reported already
            let _ = thread.join();
        }
    }
}

fn refuse(reason: String) -> CollectError {
    CollectError::Backend { backend: "netlink_trace", reason }
}

fn open(
    inode: u32,
    may_stay: bool,
    filter: Option<&Decisions>,
) -> Result<(TraceSocket, Vec<Table>, bool), CollectError> {
    let failed = |e: &dyn std::fmt::Display| refuse(e.to_string());
    netns::Handle::find(inode).and_then(|h| h.enter()).map_err(|e| failed(&e))?;
    let socket = TraceSocket::open().map_err(|e| failed(&e))?;
    let mut tables = Vec::new();
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
            Err(_) => {}
        }
    }
    Ok((socket, tables, owned))
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
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        match socket.receive(wait, &mut messages) {
            // is there more?
            Ok(true) => wait = Duration::ZERO,
            Ok(false) => {
                wait = TICK;
                if sender.send(Heard::AllUntil(before)).is_err() {
                    return;
                }
            }
            Err(Error::Overrun) => {
                lost.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => return,
        }
        for message in messages.drain(..) {
            if sender.send(Heard::Message(Box::new(message))).is_err() {
                return;
            }
        }
    }
}
