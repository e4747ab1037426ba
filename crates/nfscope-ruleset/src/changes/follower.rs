//! The thread that follows the transactions of one namespace.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nfscope_event::{ChangeKind, RulesetChange};

use super::blocks::{Blocks, statements};
use super::effect::{Effects, in_own_words};
use super::followers::{Committed, News};
use super::ruleset;
use super::subscribed::is_subscribed;
use crate::netlink::{Announced, Error, Operation, Socket, Transaction, TransactionMonitor};
use crate::netns::{Handle, Inode};
use crate::nft::listing;
use crate::nft::program::Running;
use crate::sys;

/// How long to wait before looking whether to stop.
const TICK: Duration = Duration::from_millis(100);
/// The same while texts are awaited.
const SHORT_TICK: Duration = Duration::from_millis(10);
/// How long `nft monitor` may take until it listens.
const START: Duration = Duration::from_secs(20);
/// How long it may take to print a transaction.
const TEXTS: Duration = Duration::from_secs(20);
/// The same when it is to end.
const LAST_TEXTS: Duration = Duration::from_secs(5);
/// How long a listing may take.
const LISTING: Duration = Duration::from_secs(60);
/// Why a transaction is not told whole.
const LEARNED: &str = "it came while the ruleset was read: what was there before it is not known";

/// Why a follower ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Namespace(#[from] crate::netns::Error),
    #[error(transparent)]
    Netlink(#[from] Error),
    #[error("cannot wait for ruleset changes: {0}")]
    Wait(#[from] std::io::Error),
    #[error("nobody asks any more")]
    Unasked,
}

/// A transaction that waits for nft's words.
struct Waiting {
    transaction: Transaction,
    /// What the kernel did by itself before it, which nft prints among its own.
    kernel: Vec<Operation>,
    /// Between these times (monotonic ns) it was announced.
    announced: (u64, u64),
    since: Instant,
}

/// The state of the thread.
pub(super) struct Follower<'a> {
    netns: Inode,
    news: &'a Sender<News>,
    stop: &'a AtomicBool,
    nft: Option<PathBuf>,
    monitor: TransactionMonitor,
    socket: Socket,
    texts: Option<Running>,
    /// Up to this generation it has printed nothing.
    silent_until: u32,
    blocks: Blocks,
    effects: Effects,
    /// Up to this generation the ruleset may have been read with it.
    learned_until: u32,
    generation: u32,
    /// Nothing was announced or lost yet.
    first: bool,
    /// When nothing was left to be received (monotonic ns).
    empty: u64,
    kernel: Vec<Operation>,
    waiting: VecDeque<Waiting>,
}

/// Follows the namespace until told to stop. `late`: nf_tables is to be waited for;
/// `fresh`: the namespace is younger than this program.
pub(super) fn run(
    handle: &Handle,
    news: &Sender<News>,
    stop: &AtomicBool,
    nft: Option<PathBuf>,
    (late, fresh): (bool, bool),
) -> Result<(), Ended> {
    handle.enter()?;
    let fresh = fresh || (late && !crate::nf_tables_loaded());
    while late && !crate::nf_tables_loaded() {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::sleep(SHORT_TICK);
    }
    let mut socket = Socket::open()?;
    // what is announced is what comes after this; in the other order a transaction
    // between the two would be missed
    let empty = crate::monotonic_ns();
    let monitor = TransactionMonitor::open()?;
    let since = crate::monotonic_ns();
    let generation = socket.generation()?;
    let netns = handle.inode();
    let mut follower = Follower {
        netns,
        news,
        stop,
        nft,
        monitor,
        socket,
        texts: None,
        silent_until: generation,
        blocks: Blocks::default(),
        effects: Effects::default(),
        learned_until: generation,
        generation,
        first: true,
        empty,
        kernel: Vec::new(),
        waiting: VecDeque::new(),
    };
    follower.start_texts()?;
    follower.learn()?;
    follower.learned_until = follower.socket.generation()?;
    // a namespace's ruleset begins with generation 1
    let unseen = if fresh { generation.saturating_sub(1) } else { 0 };
    follower.tell(News::Following { netns, since, unseen: u64::from(unseen) })?;
    while !stop.load(Ordering::Relaxed) {
        follower.work()?;
    }
    // what was on its way
    follower.read()?;
    while !follower.waiting.is_empty() {
        follower.work()?;
    }
    Ok(())
}

impl Follower<'_> {
    fn tell(&self, news: News) -> Result<(), Ended> {
        self.news.send(news).map_err(|_| Ended::Unasked)
    }

    /// Starts `nft monitor`, and waits until it listens.
    fn start_texts(&mut self) -> Result<(), Ended> {
        let Some(nft) = &self.nft else { return Ok(()) };
        let arguments = ["-s", "-a", "monitor"];
        let Ok(running) = Running::start(nft, &arguments) else { return Ok(()) };
        let deadline = Instant::now() + START;
        while !is_subscribed(running.id()) {
            if Instant::now() >= deadline || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(SHORT_TICK);
        }
        self.silent_until = self.socket.generation()?;
        self.texts = Some(running);
        Ok(())
    }

    /// Reads the ruleset as it is.
    fn learn(&mut self) -> Result<(), Ended> {
        let mut effects = ruleset::objects(&mut self.socket)?;
        if let Some(text) = self.list()? {
            effects.listed(listing::parse(&text, |_, _, _| false));
        }
        self.effects = effects;
        Ok(())
    }

    fn list(&self) -> Result<Option<String>, Ended> {
        let Some(nft) = &self.nft else { return Ok(None) };
        let arguments = ["-s", "-a", "list", "ruleset"];
        let Ok(mut running) = Running::start(nft, &arguments) else { return Ok(None) };
        let deadline = Instant::now() + LISTING;
        loop {
            let ready = sys::poll(&[running.as_fd()], Some(TICK))?;
            if ready.first() == Some(&true) && !running.read() {
                return Ok(running.finish());
            }
            if Instant::now() >= deadline || self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
    }

    fn work(&mut self) -> Result<(), Ended> {
        let mut fds = vec![self.monitor.as_fd()];
        fds.extend(self.texts.as_ref().map(AsFd::as_fd));
        let tick = if self.waiting.is_empty() { TICK } else { SHORT_TICK };
        let ready = sys::poll(&fds, Some(tick))?;
        if ready.get(1) == Some(&true) {
            let more = self.texts.as_mut().is_some_and(Running::read);
            if let Some(texts) = &mut self.texts {
                self.blocks.push(&texts.take_lines());
            }
            if !more {
                // it ended by itself: a new one knows the ruleset of now
                self.texts = None;
                self.start_texts()?;
            }
        }
        self.read()?;
        self.advance()
    }

    /// Reads what the kernel has announced.
    fn read(&mut self) -> Result<(), Ended> {
        let mut announced = Vec::new();
        let before = self.empty;
        loop {
            let now = crate::monotonic_ns();
            match self.monitor.receive(&mut announced) {
                Ok(true) => {}
                Ok(false) => {
                    self.empty = now;
                    break;
                }
                Err(Error::Overrun) => {
                    self.first = false;
                    // rules may have gone meanwhile: read them anew
                    self.learn()?;
                    let now = self.socket.generation()?;
                    self.lost_until(now.wrapping_add(1))?;
                    self.generation = now;
                    self.learned_until = now;
                }
                Err(error) => return Err(error.into()),
            }
        }
        for one in announced {
            match one {
                Announced::Kernel(operation) => {
                    let line = in_own_words(&operation);
                    self.kernel.push(operation);
                    self.tell(News::Kernel { netns: self.netns, line })?;
                }
                Announced::Transaction(transaction) => {
                    // the first may have come before the generation was read
                    let early = transaction.generation.wrapping_sub(self.generation) as i32 <= 0;
                    if std::mem::take(&mut self.first) && early {
                        self.generation = transaction.generation.wrapping_sub(1);
                    }
                    // announcements from before an overrun was noticed
                    if transaction.generation.wrapping_sub(self.generation) as i32 <= 0 {
                        continue;
                    }
                    self.lost_until(transaction.generation)?;
                    self.generation = transaction.generation;
                    let kernel = std::mem::take(&mut self.kernel);
                    let (announced, since) = ((before, self.empty), Instant::now());
                    self.waiting.push_back(Waiting { transaction, kernel, announced, since });
                }
            }
        }
        Ok(())
    }

    /// Tells how many transactions are missing before this one.
    fn lost_until(&self, generation: u32) -> Result<(), Ended> {
        let missing = generation.wrapping_sub(self.generation).wrapping_sub(1);
        if missing == 0 || missing > i32::MAX as u32 {
            return Ok(());
        }
        self.tell(News::Lost { netns: self.netns, count: u64::from(missing) })
    }

    /// Tells transactions whose words have come, or will not come any more.
    fn advance(&mut self) -> Result<(), Ended> {
        while let Some(waiting) = self.waiting.pop_front() {
            let generation = waiting.transaction.generation;
            let block = self.blocks.take(generation);
            let stops = self.stop.load(Ordering::Relaxed);
            let patience = if stops { LAST_TEXTS } else { TEXTS };
            let printed = generation.wrapping_sub(self.silent_until) as i32 > 0;
            let may_come = printed && self.texts.is_some() && waiting.since.elapsed() < patience;
            if block.is_none() && may_come {
                self.waiting.push_front(waiting);
                return Ok(());
            }
            let Waiting { transaction, kernel, announced, .. } = waiting;
            let operations: Vec<Operation> =
                kernel.iter().chain(&transaction.operations).cloned().collect();
            let words = block.as_deref().and_then(|block| statements(block, &operations));
            let was_learned = generation.wrapping_sub(self.learned_until) as i32 <= 0;
            let text_unknown = match (&words, &self.nft, block) {
                _ if was_learned => Some(LEARNED),
                (None, None, _) => Some("there is no nft program to print it"),
                (None, _, None) => Some("nft monitor did not print it"),
                (None, _, Some(_)) => Some("nft monitor printed something else"),
                (Some(_), ..) => None,
            };
            let mut effect = match words {
                Some(words) => {
                    // the kernel's own were told already
                    let own = |o: &Operation| kernel.iter().any(|k| std::ptr::eq(k, o) || k == o);
                    let words = words.into_iter().filter(|(o, _)| kernel.is_empty() || !own(o));
                    let words = words.map(|(o, statement)| (o, Some(statement)));
                    self.effects.take(words, || ruleset::orders(&mut self.socket))
                }
                None => {
                    let words = transaction.operations.iter().map(|o| (o, None));
                    self.effects.take(words, || ruleset::orders(&mut self.socket))
                }
            };
            if was_learned {
                // it may be there by this very transaction
                let updated = |c: &&mut RulesetChange| c.change == ChangeKind::Updated;
                effect
                    .changes
                    .iter_mut()
                    .filter(updated)
                    .for_each(|c| c.change = ChangeKind::Added);
            }
            self.tell(News::Committed(Box::new(Committed {
                netns: self.netns,
                generation,
                announced,
                thread: transaction.thread,
                command: transaction.command,
                effect,
                text_unknown,
            })))?;
        }
        Ok(())
    }
}
