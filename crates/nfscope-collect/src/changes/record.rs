//! What the programs send, as `changes.h` lays it out.

use crate::reader::Reader;

/// `COMMAND_LINE`
const COMMAND_LINE: usize = 2048;
/// `NAMES` and `NAME`
const NAMES: usize = 6;
const NAME: usize = 32;
/// `sizeof(comm)`
const COMM: usize = 16;

/// A request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When it was made, as `CLOCK_MONOTONIC` counts.
    pub monotonic_ns: u64,
    /// Its number; its [`Outcome`] has the same.
    pub number: u64,
    /// The network namespace, by its inode.
    pub netns: u32,
    /// The process.
    pub pid: u32,
    /// Its thread that asked.
    pub thread: u32,
    /// The thread's name.
    pub command: String,
    /// The user, as the first user namespace counts.
    pub uid: u32,
    /// The process that started it.
    pub parent: u32,
    /// That one's name.
    pub parent_command: String,
    /// The arguments, the program first; empty where they could not be read.
    pub arguments: Vec<String>,
    /// There were more.
    pub cut: bool,
    /// What is asked.
    pub kind: RequestKind,
}

/// What is asked of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// Netlink messages of netfilter.
    Netlink {
        /// As far as they are kept.
        messages: Vec<u8>,
        /// There were more.
        cut: bool,
    },
    /// An option is set.
    Set {
        /// `PF_INET` or `PF_INET6`.
        family: u32,
        /// Its number.
        option: i32,
        /// The start of its argument; empty if it could not be read.
        argument: Vec<u8>,
    },
    /// An option is asked for.
    Get {
        /// `PF_INET` or `PF_INET6`.
        family: u32,
        /// Its number.
        option: i32,
        /// The start of its argument; empty if it could not be read.
        argument: Vec<u8>,
    },
    /// A sysctl is written.
    Sysctl {
        /// The parts of its name, `net` or the like first.
        name: Vec<String>,
        /// What was written; `None` if it could not be read.
        value: Option<Vec<u8>>,
        /// There was more.
        cut: bool,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The request's number.
    pub number: u64,
    /// When it returned.
    pub monotonic_ns: u64,
    /// The error's number, if the kernel refused it.
    pub errno: Option<i32>,
}

/// What the programs send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeRecord {
    /// A request is made.
    Request(Box<Request>),
    /// It has ended.
    Outcome(Outcome),
}

impl ChangeRecord {
    /// Reads `struct record`, or `struct request` alone; nothing if it is short.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let (monotonic_ns, number) = (r.u64()?, r.u64()?);
        let kind = r.u32()?;
        let [netns, pid, thread, uid, parent] = [r.u32()?, r.u32()?, r.u32()?, r.u32()?, r.u32()?];
        let value = r.u32()?.cast_signed();
        let family = r.u32()?;
        let (line, line_whole) = (r.u32()? as usize, r.u32()? as usize);
        let (kept, whole) = (r.u32()? as usize, r.u32()? as usize);
        let (command, parent_command) = (r.name(COMM)?, r.name(COMM)?);
        if kind == 5 {
            let errno = (value < 0).then(|| value.saturating_neg());
            return Some(Self::Outcome(Outcome { number, monotonic_ns, errno }));
        }
        let line = r.take(COMMAND_LINE)?.get(..line.min(COMMAND_LINE))?;
        let data = r.take(kept)?.to_vec();
        let cut = kept < whole;
        let kind = match kind {
            1 => RequestKind::Netlink { messages: data, cut },
            2 => RequestKind::Set { family, option: value, argument: data },
            3 => RequestKind::Get { family, option: value, argument: data },
            4 => sysctl(&data, whole)?,
            _ => return None,
        };
        let cut = line.len() < line_whole;
        let arguments = arguments(line, cut);
        Some(Self::Request(Box::new(Request {
            monotonic_ns,
            number,
            netns,
            pid,
            thread,
            command,
            uid,
            parent,
            parent_command,
            arguments,
            cut,
            kind,
        })))
    }
}

/// The arguments in a process's memory, each with a zero behind it.
fn arguments(line: &[u8], cut: bool) -> Vec<String> {
    let whole = line.strip_suffix(&[0]).filter(|_| !cut).unwrap_or(line);
    if whole.is_empty() {
        return Vec::new();
    }
    let words = whole.split(|byte| *byte == 0);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn sysctl(data: &[u8], whole: usize) -> Option<RequestKind> {
    let (names, value) = data.split_at_checked(NAMES * NAME)?;
    let mut r = Reader(names);
    let mut name = Vec::new();
    // from the last part up to the root of the file system, which is "/"
    while let Some(part) = r.name(NAME).filter(|part| !part.is_empty() && part != "/") {
        name.push(part);
    }
    name.reverse();
    let unread = value.is_empty() && whole > names.len();
    let value = (!unread).then(|| value.to_vec());
    Some(RequestKind::Sysctl { name, value, cut: data.len() < whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, value: i32, line: &[u8], data: &[u8], whole: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend([7u64, 9].map(u64::to_ne_bytes).concat());
        out.extend([kind, 1, 2, 3, 4, 5, value.cast_unsigned(), 2].map(u32::to_ne_bytes).concat());
        let sizes = [line.len() as u32, line.len() as u32, data.len() as u32, whole];
        out.extend(sizes.map(u32::to_ne_bytes).concat());
        out.extend(*b"nft\0............sh\0.............");
        out.extend(line);
        out.resize(96 + COMMAND_LINE, 0);
        out.extend(data);
        out
    }

    #[test]
    fn reads_requests_and_their_ends() {
        let bytes = record(1, 0, b"nft\0-f\0a b\0", b"xyz", 5);
        let Some(ChangeRecord::Request(request)) = ChangeRecord::parse(&bytes) else { panic!() };
        assert_eq!((request.monotonic_ns, request.number, request.netns), (7, 9, 1));
        assert_eq!((request.pid, request.thread, request.uid, request.parent), (2, 3, 4, 5));
        assert_eq!((request.command.as_str(), request.parent_command.as_str()), ("nft", "sh"));
        assert_eq!(request.arguments, ["nft", "-f", "a b"]);
        assert_eq!(request.kind, RequestKind::Netlink { messages: b"xyz".to_vec(), cut: true });
        let end = ChangeRecord::parse(&record(5, -16, b"", b"", 0)[..96]);
        let outcome = Outcome { number: 9, monotonic_ns: 7, errno: Some(16) };
        assert_eq!(end, Some(ChangeRecord::Outcome(outcome)));
    }

    #[test]
    fn reads_a_sysctls_name_from_its_end() {
        let mut data = vec![0; NAMES * NAME];
        for (at, part) in ["nf_log", "netfilter", "net", "/"].iter().enumerate() {
            data[at * NAME..at * NAME + part.len()].copy_from_slice(part.as_bytes());
        }
        data.extend(b"1\n");
        let bytes = record(4, 0, b"", &data, data.len() as u32);
        let Some(ChangeRecord::Request(request)) = ChangeRecord::parse(&bytes) else { panic!() };
        let name = ["net", "netfilter", "nf_log"].map(str::to_owned).to_vec();
        let value = Some(b"1\n".to_vec());
        assert_eq!(request.kind, RequestKind::Sysctl { name, value, cut: false });
        assert!(request.arguments.is_empty());
    }

    #[test]
    fn short_records_are_nothing() {
        let bytes = record(2, 64, b"x\0", b"filter", 6);
        for length in 0..bytes.len() {
            assert_eq!(ChangeRecord::parse(&bytes[..length]), None);
        }
        assert!(ChangeRecord::parse(&bytes).is_some());
    }
}
