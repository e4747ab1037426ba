//! Whose transactions nftables' are: requests tell the process, the kernel's
//! announcements what came of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use nfscope_collect::changes::{Outcome, Request};
use nfscope_event::Transaction;
use nfscope_ruleset::changes::{Committed, Followers, News};
use nfscope_ruleset::netns;

/// More namespaces than this are not all followed from the start: each takes a
/// thread and a process.
const MAX_FOLLOWED: usize = 32;
/// How often it is looked for new namespaces.
const LOOK: Duration = Duration::from_secs(1);
/// How often namespaces that have ended are let go.
const RELEASE: Duration = Duration::from_secs(5);
/// A request that changed nothing is forgotten after so long.
const KEPT: Duration = Duration::from_secs(60);

/// A request with a batch.
struct Batch {
    request: Request,
    ended: Option<u64>,
    since: Instant,
}

/// What is to be said.
pub enum Told {
    /// A transaction, of a process that was seen or was not.
    Transaction(Option<Request>, u32, Box<Transaction>, Option<(u32, String)>),
    /// Transactions were lost.
    Lost(u64),
    /// A sentence.
    Notice(String),
}

/// Requests and announcements that wait for each other.
pub struct Transactions {
    followers: Followers,
    only: Option<u32>,
    /// Since when namespaces are followed (monotonic ns).
    since: HashMap<u32, u64>,
    starting: HashSet<u32>,
    batches: Vec<Batch>,
    news: VecDeque<News>,
    looked: Instant,
    released: Instant,
    /// There were too many namespaces to follow new ones unasked.
    many: bool,
    /// Namespaces that are no longer held, whose numbers others may get, and whether
    /// nobody else held them.
    gone: Vec<(u32, bool)>,
}

impl Transactions {
    /// Begins to follow namespaces: `only` this one, else all.
    pub fn start(only: Option<u32>, namespaces: &[u32], has_nf_tables: bool) -> Self {
        let mut followers = Followers::new(!has_nf_tables);
        let mut starting = HashSet::new();
        for netns in namespaces {
            if followers.follow(*netns, false) {
                starting.insert(*netns);
            }
        }
        let now = Instant::now();
        Self {
            followers,
            only,
            since: HashMap::new(),
            starting,
            batches: Vec::new(),
            news: VecDeque::new(),
            looked: now,
            released: now,
            many: only.is_none() && netns::all().len() > MAX_FOLLOWED,
            gone: Vec::new(),
        }
    }

    /// The namespaces to be followed from the start.
    pub fn namespaces(only: Option<u32>) -> Vec<u32> {
        if let Some(only) = only {
            return vec![only];
        }
        let mut all = netns::all();
        if all.len() > MAX_FOLLOWED {
            // this one is the first
            all.truncate(1);
        }
        all
    }

    /// Whether no nft program was found.
    pub fn nft_missing(&self) -> bool {
        self.followers.nft_missing()
    }

    /// Whether the namespaces of the start are followed. `awaits_nf_tables`: that
    /// begins when it is loaded.
    pub fn ready(&self, awaits_nf_tables: bool) -> bool {
        awaits_nf_tables || self.starting.is_empty()
    }

    /// A batch is sent.
    pub fn begun(&mut self, request: Request) {
        if !self.many && self.only.is_none() && !self.followers.follows(request.netns) {
            self.followers.follow(request.netns, true);
        } else if self.many {
            self.followers.follow(request.netns, false);
        }
        self.batches.push(Batch { request, ended: None, since: Instant::now() });
    }

    /// It has ended. Handed back if it was refused.
    pub fn ended(&mut self, outcome: &Outcome) -> Option<Request> {
        let at = self.batches.iter().position(|b| b.request.number == outcome.number)?;
        if outcome.errno.is_some() {
            return Some(self.batches.remove(at).request);
        }
        self.batches[at].ended = Some(outcome.monotonic_ns);
        None
    }

    /// Takes what was announced since. Requests up to now must have been told to this
    /// between this call and [`Transactions::told`].
    pub fn learn(&mut self) {
        self.news.extend(self.followers.news());
        if self.looked.elapsed() >= LOOK && self.only.is_none() && !self.many {
            self.looked = Instant::now();
            for netns in netns::all() {
                if self.followers.count() < MAX_FOLLOWED && !self.followers.follows(netns) {
                    self.followers.follow(netns, true);
                }
            }
        }
        if self.released.elapsed() >= RELEASE {
            self.released = Instant::now();
            self.followers.release_unused();
        }
    }

    /// What is to be said now.
    pub fn told(&mut self) -> Vec<Told> {
        let mut out = Vec::new();
        while let Some(news) = self.news.pop_front() {
            match news {
                News::Following { netns, since, unseen } => {
                    self.starting.remove(&netns);
                    self.since.insert(netns, since);
                    let unfollowed = self.unfollowed(netns, since);
                    let mine = unfollowed.len() as u64;
                    out.extend(unfollowed);
                    if unseen > mine {
                        out.push(Told::Notice(format!(
                            "network namespace {netns}: {} transactions were over before it \
                             could be followed",
                            unseen - mine
                        )));
                    }
                }
                News::Committed(committed) => out.push(self.committed(*committed)),
                News::Kernel { netns, line } => out.push(Told::Notice(format!(
                    "network namespace {netns}: the kernel itself, for a device that is gone: {line}"
                ))),
                News::Lost { count, .. } => out.push(Told::Lost(count)),
                News::Ended { netns, why } => {
                    self.starting.remove(&netns);
                    self.since.remove(&netns);
                    self.gone.push((netns, why.is_none()));
                    out.extend(why.map(|why| {
                        Told::Notice(format!(
                            "transactions of network namespace {netns} can no longer be told: {why}"
                        ))
                    }));
                }
            }
        }
        let since = &self.since;
        self.batches.retain(|b| b.since.elapsed() < KEPT || !since.contains_key(&b.request.netns));
        out
    }

    /// Namespaces that are no longer followed, since the last call, and whether that
    /// is because they are over.
    pub fn gone(&mut self) -> Vec<(u32, bool)> {
        std::mem::take(&mut self.gone)
    }

    /// Requests that were over before their namespace was followed.
    fn unfollowed(&mut self, netns: u32, since: u64) -> Vec<Told> {
        let unseen =
            |b: &mut Batch| b.request.netns == netns && b.ended.is_some_and(|ended| ended < since);
        let unseen: Vec<Batch> = self.batches.extract_if(.., unseen).collect();
        unseen.into_iter().map(|batch| not_followed(batch.request)).collect()
    }

    fn committed(&mut self, c: Committed) -> Told {
        let (from, to) = c.announced;
        let of = |b: &Batch| b.request.netns == c.netns && Some(b.request.thread) == c.thread;
        // those that were over before it was announced have changed nothing
        self.batches.retain(|b| !of(b) || b.ended.is_none_or(|ended| ended >= from));
        let whose = |b: &Batch| of(b) && b.request.monotonic_ns <= to;
        let at = self.batches.iter().position(whose);
        let request = at.map(|at| self.batches.remove(at).request);
        let transaction = Transaction {
            // numbers begin anew without 0
            generation_before: c.generation.checked_sub(1).filter(|before| *before != 0),
            generation: Some(c.generation),
            changes: c.effect.changes,
            unchanged: Some(c.effect.unchanged).filter(|count| *count > 0),
            text_unknown: c.text_unknown.map(str::to_owned),
        };
        Told::Transaction(request, c.netns, Box::new(transaction), c.thread.zip(c.command))
    }

    /// Has followers tell what is on its way, and end.
    pub fn stop(&self) {
        self.followers.stop();
    }

    /// Whether they have.
    pub fn stopped(&self) -> bool {
        self.followers.ended() && self.news.is_empty()
    }

    /// Requests of namespaces that nobody follows, at the end.
    pub fn rest(&mut self) -> Vec<Told> {
        let since = std::mem::take(&mut self.since);
        let unseen = |b: &mut Batch| !since.contains_key(&b.request.netns) && b.ended.is_some();
        let unseen: Vec<Batch> = self.batches.extract_if(.., unseen).collect();
        unseen.into_iter().map(|batch| not_followed(batch.request)).collect()
    }
}

/// A request of which nobody knows what it changed.
fn not_followed(request: Request) -> Told {
    let why = "its network namespace was not followed yet: it may have changed nothing";
    let transaction = Transaction { text_unknown: Some(why.into()), ..Transaction::default() };
    let netns = request.netns;
    Told::Transaction(Some(request), netns, Box::new(transaction), None)
}
