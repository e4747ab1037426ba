//! The kernel's own rule trace, for kernels that refuse probes and hooks.
//!
//! A drop is tied to its packet by the packet's first bytes, which both the
//! message and the drop record carry.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use nfscope_filter::Decisions;
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceType};

use super::mark_rules::TABLE;
use super::netlink_listener::{Heard, NetlinkListener};
use crate::CollectError;
use crate::drop::{DropRecord, NftPart, Note};

/// How long a drop waits for its message if the listener never catches up, and
/// a message for its drop: longer than a machine without time lets it wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the last messages are looked for.
const LAST_LOOK: Duration = Duration::from_millis(5);
/// Fewer common bytes do not tell packets apart.
const MIN_BYTES: usize = 20;
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

/// A record that waits, for its own message or behind one that does.
#[derive(Debug)]
struct Held {
    since: Instant,
    record: DropRecord,
    /// Nothing more is to be learned of it.
    settled: bool,
}

/// One traced namespace. Dropping it removes the table.
#[derive(Debug)]
pub struct NetlinkTrace {
    listener: NetlinkListener,
    caught_up: Option<Instant>,
    ended: bool,
    /// Decisions that found no place, and drops whose message was not waited for
    /// to the end.
    lost: u64,
    headers: HashMap<u32, Vec<u8>>,
    order: VecDeque<u32>,
    waiting: VecDeque<Decision>,
    held: VecDeque<Held>,
}

impl NetlinkTrace {
    /// As [`NetlinkListener::start`].
    pub fn start(
        inode: u32,
        may_stay: bool,
        filter: Option<Decisions>,
    ) -> Result<Self, CollectError> {
        Ok(Self {
            listener: NetlinkListener::start(inode, may_stay, filter)?,
            caught_up: None,
            ended: false,
            lost: 0,
            headers: HashMap::new(),
            order: VecDeque::new(),
            waiting: VecDeque::new(),
            held: VecDeque::new(),
        })
    }

    /// As [`NetlinkListener::notices`].
    pub fn notices(&self) -> &[String] {
        self.listener.notices()
    }

    /// Overruns of the netlink socket so far; each may be many messages.
    pub fn lost(&self) -> u64 {
        self.listener.lost() + self.lost
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
        let now = Instant::now();
        match last {
            true => self.catch_up(now),
            false => self.read_decisions(),
        }
        let new = |record| Held { since: now, record, settled: false };
        self.held.extend(records.into_iter().map(new));
        let mut held = std::mem::take(&mut self.held);
        for waiting in held.iter_mut().filter(|waiting| !waiting.settled) {
            let here = waiting.record.netns == self.listener.inode();
            if here && waiting.record.nft.is_none() && maybe_nft(&waiting.record) {
                waiting.record.nft = self.find(&waiting.record);
                // the message is sent before the packet is freed: once the
                // listener has come that far there will be none
                let may_come = self.caught_up.is_none_or(|until| until < waiting.since);
                if waiting.record.nft.is_none() && may_come {
                    if !last && now.duration_since(waiting.since) < PATIENCE {
                        continue;
                    }
                    self.lost += 1;
                }
            }
            waiting.settled = true;
        }
        // order is kept: what comes behind a waiting record waits too
        let mut out = Vec::new();
        while held.front().is_some_and(|first| first.settled || held.len() > MAX_WAITING) {
            let Some(first) = held.pop_front() else { break };
            self.lost += u64::from(!first.settled);
            out.push(first.record);
        }
        self.held = held;
        self.waiting.retain(|d| now.duration_since(d.seen) < PATIENCE);
        out
    }

    /// Reads all messages that were sent until then.
    fn catch_up(&mut self, then: Instant) {
        loop {
            self.read_decisions();
            let caught_up = self.caught_up.is_some_and(|until| until >= then);
            if caught_up || then.elapsed() >= PATIENCE {
                break;
            }
            std::thread::sleep(LAST_LOOK);
        }
    }

    fn read_decisions(&mut self) {
        let seen = Instant::now();
        while let Some(heard) = self.listener.try_next() {
            let message = match heard {
                Heard::Message(told) => told.message,
                Heard::AllUntil(instant) => {
                    self.caught_up = Some(instant);
                    continue;
                }
                Heard::Ended => {
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
                    self.lost += 1;
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
