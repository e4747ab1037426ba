//! Small tables for trials, in the calling thread's network namespace, which
//! must be one of our own: the table that stands there is replaced.

use std::io;

use super::socket::{Socket, put_name};
use super::uapi::{COUNTERS, EXTENSION, Family, HOOKS, RETURN, TABLE_NAME};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Bytes of the hardware addresses in the trial's ARP packets, and of no other.
const MAC: u8 = 6;
const NO_MAC: u8 = 8;
/// `-NF_ACCEPT - 1`, `-NF_DROP - 1`
const ACCEPT: i32 = -2;
const DROP: i32 = -1;
/// Sizes of `struct xt_standard_target` and `struct xt_error_target`, aligned.
const STANDARD: usize = 40;
const ERROR: usize = 64;

/// What the table does with UDP packets that leave; with ARP packets that arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The second rule drops them.
    Rule,
    /// The first rule accepts them.
    Accept,
    /// The first rule jumps to a chain, whose first rule drops them.
    Jump,
    /// No rule matches, the policy drops them.
    Policy,
    /// Nothing: the table lets everything pass.
    Empty,
}

/// A table that is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Where the entry is that drops the packets; none for those that pass.
    pub entry: Option<u32>,
    /// Bytes of all entries.
    pub size: u32,
    /// How many there are.
    pub entries: u32,
}

/// Which packets an entry matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matches {
    All,
    /// Those of the trial.
    Ours,
    /// Others.
    Others,
}

struct Builder {
    family: Family,
    bytes: Vec<u8>,
    entries: u32,
}

impl Builder {
    /// Adds an entry; gives its offset.
    fn entry(&mut self, matches: Matches, target_size: usize, name: &str, data: &[u8]) -> u32 {
        let layout = self.family.layout();
        let start = self.bytes.len();
        let mut entry = vec![0; layout.size + target_size];
        let mut put = |at: usize, value: &[u8]| {
            if let Some(field) = entry.get_mut(at..at + value.len()) {
                field.copy_from_slice(value);
            }
        };
        match (self.family, matches) {
            (_, Matches::All) => {}
            // arhln and its mask
            (Family::Arp, Matches::Ours) => put(16, &[MAC, u8::MAX]),
            (Family::Arp, Matches::Others) => put(16, &[NO_MAC, u8::MAX]),
            (family, _) => {
                let protocol = if matches == Matches::Ours { UDP } else { TCP };
                put(layout.protocol, &u16::from(protocol).to_ne_bytes());
                if family == Family::Ipv6 {
                    // IP6T_F_PROTO: without it the protocol is not looked at
                    put(layout.flags, &[1]);
                }
            }
        }
        put(layout.target_offset, &(layout.size as u16).to_ne_bytes());
        put(layout.next_offset, &((layout.size + target_size) as u16).to_ne_bytes());
        put(layout.size, &(target_size as u16).to_ne_bytes());
        put(layout.size + 2, name.as_bytes());
        put(layout.size + EXTENSION, data);
        self.bytes.extend(entry);
        self.entries += 1;
        start as u32
    }

    fn standard(&mut self, matches: Matches, verdict: i32) -> u32 {
        self.entry(matches, STANDARD, "", &verdict.to_ne_bytes())
    }
}

/// Replaces a table by one of a shape. The table's module must be loaded.
pub fn place(family: Family, table: &str, shape: Shape) -> io::Result<Placed> {
    let socket = Socket::open(family)?;
    let old = socket.info(table)?;
    // NF_INET_LOCAL_OUT, NF_ARP_IN
    let tried = if family == Family::Arp { 0 } else { 3 };
    if !old.has(tried) {
        return Err(io::Error::other("the table has no chain that the trial's packets pass"));
    }
    let mut b = Builder { family, bytes: Vec::new(), entries: 0 };
    let (mut begin, mut policy) = ([0u32; HOOKS], [0u32; HOOKS]);
    let mut found = None;
    let mut jump = None;
    for hook in (0..HOOKS).filter(|hook| old.has(*hook)) {
        begin[hook] = b.bytes.len() as u32;
        if hook == tried {
            match shape {
                Shape::Rule => {
                    b.standard(Matches::Others, ACCEPT);
                    found = Some(b.standard(Matches::Ours, DROP));
                }
                Shape::Accept => {
                    b.standard(Matches::Ours, ACCEPT);
                }
                Shape::Jump => jump = Some(b.standard(Matches::Ours, 0)),
                Shape::Policy => {
                    b.standard(Matches::Others, ACCEPT);
                }
                Shape::Empty => {}
            }
        }
        let drops = hook == tried && shape == Shape::Policy;
        policy[hook] = b.standard(Matches::All, if drops { DROP } else { ACCEPT });
        if drops {
            found = Some(policy[hook]);
        }
    }
    if let Some(jump) = jump {
        b.entry(Matches::All, ERROR, "ERROR", b"nfscope");
        let first = b.standard(Matches::All, DROP);
        b.standard(Matches::All, RETURN);
        let at = jump as usize + family.layout().size + EXTENSION;
        if let Some(verdict) = b.bytes.get_mut(at..at + 4) {
            verdict.copy_from_slice(&first.to_ne_bytes());
        }
        found = Some(first);
    }
    b.entry(Matches::All, ERROR, "ERROR", b"ERROR");
    let placed = Placed { entry: found, size: b.bytes.len() as u32, entries: b.entries };

    // the old table's counters come back
    let mut counters = vec![0u8; old.entries as usize * COUNTERS];
    let mut request = vec![0; TABLE_NAME];
    put_name(&mut request, table);
    let words = [old.valid_hooks, placed.entries, placed.size];
    let hooks = family.hooks();
    let (begin, policy) = (begin.into_iter().take(hooks), policy.into_iter().take(hooks));
    let words = words.into_iter().chain(begin).chain(policy).chain([old.entries]);
    request.extend(words.flat_map(u32::to_ne_bytes));
    request.extend((counters.as_mut_ptr() as usize).to_ne_bytes());
    request.extend(&b.bytes);
    socket.replace(&request)?;
    Ok(placed)
}
