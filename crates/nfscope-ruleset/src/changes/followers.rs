//! The followers of all namespaces.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::effect::Effect;
use super::follower;
use crate::netns::{self, Handle, Inode};
use crate::nft::program;

/// Stack of a follower: it calls nothing deep.
const STACK: usize = 512 * 1024;

/// How long after its start a follower that has failed is not started anew.
const AGAIN: Duration = Duration::from_secs(30);

/// A transaction that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its namespace.
    pub netns: Inode,
    /// The ruleset's generation since then.
    pub generation: u32,
    /// Between these times (monotonic ns) it was announced.
    pub announced: (u64, u64),
    /// The thread that asked for it, as the first pid namespace counts.
    pub thread: Option<u32>,
    /// That thread's name.
    pub command: Option<String>,
    /// What it changed.
    pub effect: Effect,
    /// Why nft's words are missing.
    pub text_unknown: Option<&'static str>,
}

/// What followers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// From now on all transactions of a namespace are told.
    Following {
        /// The namespace.
        netns: Inode,
        /// Requests that ended before this time (monotonic ns) are not told.
        since: u64,
        /// How many transactions there were in it before, though neither it nor
        /// nf_tables were there when this program started.
        unseen: u64,
    },
    /// A transaction.
    Committed(Box<Committed>),
    /// The kernel did something by itself.
    Kernel {
        /// The namespace.
        netns: Inode,
        /// What, as nft would say it.
        line: String,
    },
    /// Transactions of a namespace were lost.
    Lost {
        /// The namespace.
        netns: Inode,
        /// How many.
        count: u64,
    },
    /// A namespace is no longer followed.
    Ended {
        /// The namespace.
        netns: Inode,
        /// Why, if it was not let go of.
        why: Option<String>,
    },
}

/// Threads that follow namespaces. Dropping it ends them.
#[derive(Debug)]
pub struct Followers {
    nft: Option<PathBuf>,
    awaits_nf_tables: bool,
    followed: HashMap<Inode, Followed>,
    sender: Sender<News>,
    news: Receiver<News>,
    own: Option<Inode>,
}

#[derive(Debug)]
struct Followed {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    started: Instant,
    /// Nobody but this was seen to hold the namespace.
    unheld: bool,
}

impl Followers {
    /// Nobody yet. `awaits_nf_tables`: it is neither built in nor loaded, and a
    /// question would load it.
    pub fn new(awaits_nf_tables: bool) -> Self {
        let (sender, news) = channel();
        let own = Handle::current().ok().map(|handle| handle.inode());
        let nft = program::find("nft");
        Self { nft, awaits_nf_tables, followed: HashMap::new(), sender, news, own }
    }

    /// Whether no nft program was found.
    pub fn nft_missing(&self) -> bool {
        self.nft.is_none()
    }

    /// Begins to follow a namespace; `fresh`: it is younger than this program. Says
    /// whether that is new.
    pub fn follow(&mut self, netns: Inode, fresh: bool) -> bool {
        let before = self.followed.get(&netns);
        if before.is_some_and(|f| !f.thread.is_finished() || f.started.elapsed() < AGAIN) {
            return false;
        }
        // not all since its beginning was missed
        let fresh = fresh && before.is_none();
        let Ok(handle) = Handle::find(netns) else { return false };
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, sender, nft) = (Arc::clone(&stop), self.sender.clone(), self.nft.clone());
        let late = self.awaits_nf_tables;
        let work = move || {
            let ended = follower::run(&handle, &sender, &theirs, nft, (late, fresh));
            let why = ended.err().map(|error| error.to_string());
            // where nobody reads it, nobody misses it
            let _ = sender.send(News::Ended { netns, why });
        };
        let builder = thread::Builder::new().name(format!("changes {netns}")).stack_size(STACK);
        let Ok(thread) = builder.spawn(work) else { return false };
        self.followed
            .insert(netns, Followed { stop, thread, started: Instant::now(), unheld: false });
        true
    }

    /// Whether a namespace is followed, or will be as soon as it can be.
    pub fn follows(&self, netns: Inode) -> bool {
        self.followed.get(&netns).is_some_and(|f| !f.thread.is_finished())
    }

    /// How many are followed.
    pub fn count(&self) -> usize {
        self.followed.len()
    }

    /// What they have told since the last call.
    pub fn news(&self) -> Vec<News> {
        self.news.try_iter().collect()
    }

    /// Lets go of namespaces that only this still holds: one that is followed
    /// cannot end by itself. To be called every few seconds; looks at every
    /// process. A namespace is let go of at the second call that finds nobody
    /// else there.
    pub fn release_unused(&mut self) {
        if self.followed.keys().all(|netns| Some(*netns) == self.own) {
            return;
        }
        let held = netns::held_by_others();
        let own = self.own;
        self.followed.retain(|netns, followed| {
            let unheld = !held.contains(netns) && Some(*netns) != own;
            let stays = !(unheld && followed.unheld);
            followed.unheld = unheld;
            if !stays {
                followed.stop.store(true, Ordering::Relaxed);
            }
            stays
        });
    }

    /// Has all of them tell what is on its way, and end.
    pub fn stop(&self) {
        self.followed.values().for_each(|followed| followed.stop.store(true, Ordering::Relaxed));
    }

    /// Whether all have ended.
    pub fn ended(&self) -> bool {
        self.followed.values().all(|followed| followed.thread.is_finished())
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        self.stop();
        for (_, followed) in self.followed.drain() {
            // A panic was printed by the thread itself.
            let _ = followed.thread.join();
        }
    }
}
