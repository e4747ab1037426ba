//! Ids of connections, as `conntrack -L -o id` shows them. The kernel makes them
//! of the entry's address, its tuple and a secret (`nf_ct_get_id` of
//! `net/netfilter/nf_conntrack_core.c`), so they are asked for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nfscope_event::{Conntrack, Step};
use nfscope_ruleset::netlink::Socket;
use nfscope_ruleset::netlink::conntrack::{Original, ctnetlink_loaded};
use nfscope_ruleset::netns::Handle;

use super::Unresolved;
use crate::resolve::Answer;

/// So many connections and namespaces are remembered.
const MOST_IDS: usize = 65_536;
const MOST_SOCKETS: usize = 64;
/// A packet's connection is in conntrack's table when the packet has passed all
/// hooks: it is asked for no sooner than that.
const PASSED_NS: u64 = 20_000_000;
/// A socket keeps its namespace alive: none is kept longer than this.
const HOLD: Duration = Duration::from_secs(5);
/// How often it is looked whether ctnetlink is there.
const LOOK: Duration = Duration::from_secs(1);

/// Asks the kernel, once for each connection.
pub struct ConnectionIds {
    wanted: bool,
    /// By namespace, address and original direction: what ids are made of.
    known: HashMap<(u32, u64, Original), u32>,
    /// None where the namespace is gone or refuses.
    sockets: HashMap<u32, Option<Socket>>,
    opened: Instant,
    loaded: bool,
    looked: Option<Instant>,
    said: bool,
}

impl ConnectionIds {
    /// `wanted`: whether anybody will see them. `built_in`: the kernel has
    /// ctnetlink without a module.
    pub fn new(wanted: bool, built_in: bool) -> Self {
        Self {
            wanted,
            known: HashMap::new(),
            sockets: HashMap::new(),
            opened: Instant::now(),
            loaded: built_in,
            looked: None,
            said: false,
        }
    }

    /// To be called now and then: lets namespaces go. A sentence for the user,
    /// once: why there are no ids.
    pub fn notice(&mut self) -> Option<String> {
        if self.opened.elapsed() >= HOLD {
            self.opened = Instant::now();
            self.sockets.clear();
        }
        (self.looked.is_some() && !self.loaded && !std::mem::replace(&mut self.said, true)).then(
            || {
                "connections have no ids: ctnetlink (nf_conntrack_netlink) is not loaded; \
                 conntrack -L loads it"
                    .into()
            },
        )
    }

    /// Adds the id of a step's connection; to be asked again while
    /// [`Answer::Pending`]. With `last` the answer is what is known now.
    pub fn complete(&mut self, step: &mut Unresolved, last: bool) -> Answer {
        let inode = step.trace.netns.inode;
        let conntrack = match &mut step.trace.step {
            Step::Enter(enter) => enter.conntrack.as_mut(),
            Step::EnterTable(enter) => enter.conntrack.as_mut(),
            Step::Mapped(mapped) => Some(&mut mapped.conntrack),
            _ => None,
        };
        let Some(conntrack) = conntrack.filter(|c| self.wanted && c.id.is_none()) else {
            return Answer::Ready;
        };
        let Some((address, original)) = key(conntrack) else { return Answer::Ready };
        let key = (inode, address, original);
        conntrack.id = self.known.get(&key).copied();
        if conntrack.id.is_some() || !self.can_ask() {
            return Answer::Ready;
        }
        let age = nfscope_ruleset::monotonic_ns().saturating_sub(step.monotonic_ns);
        if age < PASSED_NS && !last {
            return Answer::Pending;
        }
        conntrack.id = self.ask(inode, &original);
        if let Some(id) = conntrack.id {
            if self.known.len() >= MOST_IDS {
                self.known.clear();
            }
            self.known.insert(key, id);
        }
        Answer::Ready
    }

    fn can_ask(&mut self) -> bool {
        if !self.loaded && self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.loaded = ctnetlink_loaded();
            self.looked = Some(Instant::now());
        }
        self.loaded
    }

    fn ask(&mut self, inode: u32, original: &Original) -> Option<u32> {
        if self.sockets.len() >= MOST_SOCKETS && !self.sockets.contains_key(&inode) {
            self.sockets.clear();
        }
        let open = || Handle::find(inode).ok()?.within(Socket::open).ok()?.ok();
        let socket = self.sockets.entry(inode).or_insert_with(open);
        let answer = socket.as_mut()?.connection_id(original);
        if answer.is_err() {
            *socket = None;
        }
        answer.ok().flatten()
    }
}

fn key(conntrack: &Conntrack) -> Option<(u64, Original)> {
    let tuple = conntrack.original?;
    let original = Original {
        source: tuple.source,
        destination: tuple.destination,
        source_port: tuple.source_port,
        destination_port: tuple.destination_port,
        protocol: tuple.protocol,
        zone: conntrack.zone,
    };
    Some((conntrack.address?, original))
}
