//! Which processes hold a socket: those with a descriptor of its inode.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nfscope_event::{Process, Step};

use super::Answer;
use super::trace::Unresolved;

/// How long an answer is believed: a socket may be handed to another process.
const FRESH: Duration = Duration::from_secs(10);
/// Processes are looked through at most so often, and for so little of the time.
const PAUSE: Duration = Duration::from_millis(50);
const SHARE: u32 = 4;
/// So many sockets are remembered.
const MOST: usize = 16_384;
/// So many processes of one socket are told.
const MOST_OWNERS: usize = 8;

/// Owners of sockets, as they were when it was last looked.
#[derive(Debug, Default)]
pub struct Owners {
    /// By inode; of sockets that nobody held, too.
    known: HashMap<u64, (Instant, Vec<Process>)>,
    found: HashMap<u64, Vec<Process>>,
    /// When the last look began, by the monotonic clock, and how long it took.
    looked: Option<(Instant, u64, Duration)>,
}

impl Owners {
    /// Adds the owners of the socket that a step names; to be asked again while
    /// [`Answer::Pending`]. With `last` the answer is what is known now.
    pub fn complete(&mut self, step: &mut Unresolved, last: bool) -> Answer {
        let at = step.monotonic_ns();
        let Step::Delivered(delivered) = &mut step.trace.step else { return Answer::Ready };
        let Some(inode) = delivered.socket.inode else { return Answer::Ready };
        match self.of(inode, at, last) {
            Some(owners) => delivered.socket.owners = owners,
            None => return Answer::Pending,
        }
        Answer::Ready
    }

    /// The owners of a socket, by its file's inode, that was seen at that time
    /// (monotonic ns); none while they may still be found. With `last` the answer
    /// is what is known now.
    pub fn of(&mut self, inode: u64, at: u64, last: bool) -> Option<Vec<Process>> {
        if let Some((_, owners)) = self.known.get(&inode).filter(|(at, _)| at.elapsed() < FRESH) {
            return Some(owners.clone());
        }
        if self.looked.is_none_or(|(_, began, _)| began < at) {
            let soon = |(then, _, took): (Instant, u64, Duration)| {
                then.elapsed() < PAUSE.max(took * SHARE)
            };
            if self.looked.is_some_and(soon) && !last {
                return None;
            }
            self.look();
        }
        let owners = self.found.get(&inode).cloned().unwrap_or_default();
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(inode, (Instant::now(), owners.clone()));
        Some(owners)
    }

    fn look(&mut self) {
        let (then, began) = (Instant::now(), nfscope_ruleset::monotonic_ns());
        self.found = holders(Path::new("/proc"));
        self.looked = Some((then, began, then.elapsed()));
    }
}

/// Processes by the inodes of the sockets that they hold.
fn holders(proc: &Path) -> HashMap<u64, Vec<Process>> {
    let mut found: HashMap<u64, Vec<Process>> = HashMap::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let mut command = None;
        for descriptor in fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten() {
            let Some(inode) = fs::read_link(descriptor.path()).ok().and_then(|to| socket(&to))
            else {
                continue;
            };
            let command = command.get_or_insert_with(|| command_of(&entry.path()));
            let owners = found.entry(inode).or_default();
            if owners.len() < MOST_OWNERS && owners.iter().all(|owner| owner.pid != pid) {
                owners.push(Process { pid, command: command.clone() });
            }
        }
    }
    found
}

fn command_of(process: &Path) -> String {
    let bytes = fs::read(process.join("comm")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
}

/// `socket:[INODE]`
fn socket(target: &Path) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn this_process_holds_its_socket() {
        let own = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let link = format!("/proc/self/fd/{}", own.as_raw_fd());
        let inode = socket(&fs::read_link(link).unwrap()).unwrap();
        let owners = holders(Path::new("/proc"));
        assert!(owners[&inode].iter().any(|owner| owner.pid == std::process::id()));
        assert_eq!(socket(Path::new("pipe:[1]")), None);
        assert!(holders(Path::new("/no/such/folder")).is_empty());
    }
}
