//! Requests that only read, put together by process.

use std::time::{Duration, Instant};

use nfscope_collect::changes::{Request, RequestKind};
use nfscope_event::FirewallRead;
use nfscope_ruleset::netlink::Messages;

use super::options::Table;

/// A process that asks nothing more for so long has read what it wanted.
const SILENCE: Duration = Duration::from_millis(300);
/// A process that reads all the time is told so often.
const LONGEST: Duration = Duration::from_secs(5);

/// What one process reads.
#[derive(Debug)]
struct Reading {
    request: Request,
    read: FirewallRead,
    begun: Instant,
    last: Instant,
}

/// Readings that go on.
#[derive(Debug, Default)]
pub struct Reads {
    open: Vec<Reading>,
}

impl Reads {
    /// Takes a request that reads.
    pub fn take(&mut self, request: Request) {
        let Some((of, what)) = what(&request.kind) else { return };
        let now = Instant::now();
        let same = |r: &&mut Reading| {
            let (a, b) = (&r.request, &request);
            (a.pid, a.netns, r.read.of == of) == (b.pid, b.netns, true)
                && a.arguments == b.arguments
        };
        match self.open.iter_mut().find(same) {
            Some(reading) => {
                reading.last = now;
                reading.read.requests += 1;
                if !reading.read.what.contains(&what) {
                    reading.read.what.push(what);
                }
            }
            None => {
                let read = FirewallRead { of: of.into(), what: vec![what], requests: 1 };
                self.open.push(Reading { request, read, begun: now, last: now });
            }
        }
    }

    /// Those that have ended; `all`: the others, too.
    pub fn ended(&mut self, all: bool) -> Vec<(Request, FirewallRead)> {
        let ended =
            |r: &mut Reading| all || r.last.elapsed() >= SILENCE || r.begun.elapsed() >= LONGEST;
        self.open.extract_if(.., ended).map(|r| (r.request, r.read)).collect()
    }
}

/// Whose objects are read, and which.
fn what(kind: &RequestKind) -> Option<(&'static str, String)> {
    match kind {
        RequestKind::Get { .. } => {
            let table = Table::of(kind)?;
            Some((table.program(), table.name))
        }
        RequestKind::Netlink { messages, .. } => {
            let kind = Messages::new(messages).next()?.kind;
            let (of, what) = match (kind >> 8, kind & 0xff) {
                (10, number) => ("nft", nft(number)?),
                (6, _) => ("ipset", "sets"),
                (1, _) => ("conntrack", "connections"),
                (2, _) => ("conntrack", "expectations"),
                _ => return None,
            };
            Some((of, what.to_owned()))
        }
        RequestKind::Set { .. } | RequestKind::Sysctl { .. } => None,
    }
}

/// `NFT_MSG_GET*` (`include/uapi/linux/netfilter/nf_tables.h`)
fn nft(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "tables",
        4 => "chains",
        7 => "rules",
        10 => "sets",
        13 => "elements",
        16 => "generation",
        19 => "objects",
        21 => "objects, which resets them",
        23 => "flowtables",
        25 => "rules, which resets them",
        33 => "elements, which resets them",
        _ => return None,
    })
}
