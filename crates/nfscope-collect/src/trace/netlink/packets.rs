//! Which packet a message is about. The kernel's number for a packet is made of the
//! skb's address, its hash and its device (`net/netfilter/nf_tables_trace.c`): the
//! next packet of a connection often has the same. But each passes the chains of our
//! own table, which mark it, in the order of the hooks.

use std::collections::{HashMap, VecDeque};

use nfscope_event::Family;
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceType};

use super::super::{Decision, DecisionKind, Entry, Head, Record, TraceRecord};
use crate::drop::{DropRecord, NftPart, Note};
use crate::nft::{MARK_CHAIN, MARK_TABLE, Told, place_of_mark};

/// Packets that are remembered.
const MAX_PACKETS: usize = 16_384;
/// Bytes of an Ethernet header, and of one with a VLAN tag.
const LINK_BYTES: usize = 14;
const TAGGED_BYTES: usize = 18;
/// Protocols of VLAN tags.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// `ARPHRD_ETHER`
const ETHERNET: u16 = 1;
const NF_DROP: i32 = 0;
const NF_STOLEN: i32 = 2;
/// nftables' own (`enum nft_verdicts`): the chain, or another one, goes on. All
/// others end it; a queue's number may make them negative.
const NFT_CODES: std::ops::Range<i32> = -5..0;

/// One on its way.
#[derive(Debug, Default)]
struct Packet {
    /// Tells it from others with the same number.
    start: u64,
    sequence: u32,
    traversal: u32,
    /// A base chain was entered and not left.
    open: bool,
    /// It was dropped, or somebody took it.
    over: bool,
    /// Our table has marked it; others may be marked by the user's own rules.
    marked: bool,
    /// The rule that marks has spoken, since the last of our chains ended.
    marking: bool,
    /// It was at the device that is asked for.
    selected: bool,
    /// The last of our own chains that it passed, by family.
    marks: HashMap<Family, u32>,
}

/// All that are on their way in one namespace.
#[derive(Debug)]
pub struct Packets {
    inode: u32,
    device: Option<String>,
    known: HashMap<u32, Packet>,
    order: VecDeque<u32>,
    started: u64,
}

impl Packets {
    /// `device`: only those that were at it.
    pub fn new(inode: u32, device: Option<String>) -> Self {
        Self { inode, device, known: HashMap::new(), order: VecDeque::new(), started: 0 }
    }

    /// Appends what a message says.
    pub fn take(&mut self, told: &Told, to: &mut Vec<TraceRecord>) {
        let message = &told.message;
        let id = message.id;
        if !self.known.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > MAX_PACKETS
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.started += 1;
            let packet = Packet { start: self.started, ..Packet::default() };
            self.known.insert(id, packet);
        }
        let Some(packet) = self.known.get_mut(&id) else { return };
        if message.table == MARK_TABLE {
            packet.marking |= message.chain == MARK_CHAIN && message.rule_handle.is_some();
            let place = (message.kind == TraceType::Policy).then(|| place_of_mark(&message.chain));
            if let Some(place) = place.flatten() {
                let passed = packet.marks.get(&message.family);
                let marking = std::mem::take(&mut packet.marking);
                if packet.over || passed.is_some_and(|passed| *passed >= place) {
                    self.started += 1;
                    *packet = Packet { start: self.started, ..Packet::default() };
                }
                packet.marked |= marking;
                packet.marks.insert(message.family, place);
            }
            return;
        }
        let code = code(message);
        // where a rule's expression took the packet the kernel leaves its headers out
        let begins = !message.network_header.is_empty()
            || (!packet.open && !NFT_CODES.contains(&code) && code & 0xff == NF_STOLEN);
        if begins || !packet.open {
            packet.traversal += 1;
        }
        let at_device = |device: &Option<(u32, String)>| {
            device.as_ref().is_some_and(|(_, name)| Some(name) == self.device.as_ref())
        };
        packet.selected |=
            self.device.is_none() || begins && (at_device(&told.input) || at_device(&told.output));
        packet.open = NFT_CODES.contains(&code);
        packet.over |= !packet.open && matches!(code & 0xff, NF_DROP | NF_STOLEN);
        if !packet.selected || !packet.marked {
            return;
        }
        if begins {
            packet.sequence += 1;
            let entry = Record::Entry(Box::new(entry(told, self.inode)));
            to.push(TraceRecord { head: head(told, packet), what: entry });
        }
        packet.sequence += 1;
        let decision = Record::Decision(decision(message, code));
        to.push(TraceRecord { head: head(told, packet), what: decision });
    }
}

fn head(told: &Told, packet: &Packet) -> Head {
    Head {
        cpu: None,
        monotonic_ns: told.until_ns,
        earliest_ns: told.after_ns,
        skb: told.message.id.into(),
        start: packet.start,
        sequence: packet.sequence,
        traversal: packet.traversal,
    }
}

/// The kernel's number of what was decided.
fn code(message: &TraceMessage) -> i32 {
    let verdict = match message.kind {
        TraceType::Policy => &message.policy,
        _ => &message.verdict,
    };
    // a message without one says that the chain goes on
    verdict.as_ref().map_or(-1, |verdict| verdict.code())
}

fn decision(message: &TraceMessage, code: i32) -> Decision {
    use nfscope_ruleset::netlink::Verdict;
    let kind = match (message.kind, message.rule_handle) {
        (TraceType::Policy, _) => DecisionKind::Policy,
        (_, Some(_)) => DecisionKind::Rule,
        (_, None) => DecisionKind::End,
    };
    let target = match &message.verdict {
        Some(Verdict::Jump(chain) | Verdict::Goto(chain)) => Some(chain.clone()),
        _ => None,
    };
    let rule = message.rule_handle.unwrap_or(0);
    Decision { kind, rule, code, target, registers: None }
}

fn entry(told: &Told, inode: u32) -> Entry {
    let message = &told.message;
    let chain = NftPart {
        note: Note::None,
        age_ns: 0,
        family: message.family.nfproto(),
        hook: NftPart::UNKNOWN_HOOK,
        pf: message.nfproto.and_then(|p| u8::try_from(p).ok()).unwrap_or(0),
        rule: 0,
        table_handle: 0,
        chain_handle: 0,
        priority: None,
        chain_is_base: true,
        input: told.input.clone(),
        output: told.output.clone(),
        table: message.table.clone(),
        chain: message.chain.clone(),
        cut: false,
        registers: [0; 20],
    };
    Entry { connection: None, packet: packet(told, inode), chain, hash: None, generation: None }
}

fn packet(told: &Told, inode: u32) -> DropRecord {
    let message = &told.message;
    let link = &message.link_header;
    let kind = message.iif_type.or(message.oif_type);
    let word = |at: usize| link.get(at..at + 2).map_or(0, |w| u16::from_be_bytes([w[0], w[1]]));
    // more bytes without a tag are not those of the link header alone
    let tagged = link.len() == TAGGED_BYTES && TAGS.contains(&word(LINK_BYTES - 2));
    let has_link = kind == Some(ETHERNET) && (link.len() == LINK_BYTES || tagged);
    let (mut frame, mut ethertype, mut tag) = (vec![0; LINK_BYTES], by_family(message), None);
    if has_link {
        frame.copy_from_slice(&link[..LINK_BYTES]);
        ethertype = word(LINK_BYTES - 2);
        if tagged {
            tag = Some((ethertype, word(LINK_BYTES)));
            ethertype = word(TAGGED_BYTES - 2);
        }
    }
    frame[LINK_BYTES - 2..].copy_from_slice(&ethertype.to_be_bytes());
    frame.extend(headers(&message.network_header, &message.transport_header));
    DropRecord {
        cpu: 0,
        monotonic_ns: told.until_ns,
        skb: 0,
        location: 0,
        reason: 0,
        netns: inode,
        length: 0,
        mark: message.mark.unwrap_or(0),
        device: None,
        process: None,
        preemptible: false,
        ethertype,
        tag,
        has_link,
        frame,
        nft: None,
        legacy: None,
        hook_function: None,
        stack: Vec::new(),
    }
}

/// The packet's protocol, by that of the hook.
fn by_family(message: &TraceMessage) -> u16 {
    match message.nfproto {
        Some(2) => 0x0800,
        Some(3) => 0x0806,
        Some(10) => 0x86dd,
        _ => 0,
    }
}

/// The message has the first bytes from the network header on, which are those of
/// the transport header, too, where that comes early; and the transport header.
fn headers(network: &[u8], transport: &[u8]) -> Vec<u8> {
    let first = network.first().copied().unwrap_or(0);
    let behind = match first >> 4 {
        4 => usize::from(first & 15) * 4,
        6 if matches!(network.get(6), Some(6 | 17 | 58 | 132)) => 40,
        _ => usize::MAX,
    };
    match network.get(..behind) {
        Some(own) if !transport.is_empty() => [own, transport].concat(),
        _ => network.to_vec(),
    }
}

#[cfg(test)]
mod tests;
