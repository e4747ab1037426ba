//! Records as the programs send them (`struct part_*` of `parts.h`).

use crate::reader::Reader;

/// What stood behind a drop in the note that a probe point left
/// (`enum note_kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Note {
    /// None: a drop that no rule made.
    None = 0,
    /// A rule's final verdict was drop.
    Rule = 1,
    /// A base chain's policy was drop.
    Policy = 2,
    /// The packet was sent to a queue.
    Queue = 3,
    /// `fwd` sent the packet away.
    Fwd = 4,
    /// A rule of x_tables said drop.
    LegacyRule = 5,
    /// The policy of a built-in chain of x_tables was drop.
    LegacyPolicy = 6,
    /// A rule of x_tables sent the packet to a queue.
    LegacyQueue = 7,
}

impl Note {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Rule,
        Self::Policy,
        Self::Queue,
        Self::Fwd,
        Self::LegacyRule,
        Self::LegacyPolicy,
        Self::LegacyQueue,
    ];

    fn from_number(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::None,
            1 => Self::Rule,
            2 => Self::Policy,
            3 => Self::Queue,
            4 => Self::Fwd,
            5 => Self::LegacyRule,
            6 => Self::LegacyPolicy,
            7 => Self::LegacyQueue,
            _ => return None,
        })
    }

    /// Whether x_tables left it.
    pub fn is_legacy(self) -> bool {
        matches!(self, Self::LegacyRule | Self::LegacyPolicy | Self::LegacyQueue)
    }
}

/// The nft part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftPart {
    /// What kind of decision.
    pub note: Note,
    /// Age of the note in nanoseconds where it may have outlived its packet
    /// ([`Note::Queue`], [`Note::Fwd`]); else 0.
    pub age_ns: u64,
    /// `NFPROTO_*` of the table; 0: unknown.
    pub family: u8,
    /// Hook number of the traversal (`NF_INET_*`, `NF_NETDEV_*`), or
    /// [`Self::UNKNOWN_HOOK`].
    pub hook: u8,
    /// Protocol family of the traversal (`NFPROTO_*`).
    pub pf: u8,
    /// The rule's handle; 0 for a policy.
    pub rule: u64,
    /// The table's handle.
    pub table_handle: u64,
    /// Handle of `chain`.
    pub chain_handle: u64,
    /// Priority of the base chain, if `chain_is_base`.
    pub priority: Option<i32>,
    /// Whether `chain` is the base chain that the hook called, or the chain
    /// that holds the rule.
    pub chain_is_base: bool,
    /// Input device of the hook: index and name.
    pub input: Option<(u32, String)>,
    /// Output device of the hook.
    pub output: Option<(u32, String)>,
    /// Name of the table.
    pub table: String,
    /// Name of the base chain (`chain_is_base`) or of the rule's chain.
    pub chain: String,
    /// The names were longer than a record holds.
    pub cut: bool,
    /// nftables' registers, `nft_regs.data`: 20 words.
    pub registers: [u32; 20],
}

impl NftPart {
    /// No hook has this number.
    pub const UNKNOWN_HOOK: u8 = u8::MAX;
}

/// The same part of a record, where a rule of x_tables (iptables-legacy) stood
/// behind the drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyPart {
    /// What kind of decision.
    pub note: Note,
    /// Age of the note in nanoseconds.
    pub age_ns: u64,
    /// `NFPROTO_*` of the table.
    pub family: u8,
    /// Hook number (`NF_INET_*`).
    pub hook: u8,
    /// Name of the table.
    pub table: String,
    /// Where the rule's entry is among the table's entries, in bytes; none:
    /// the table was just being replaced.
    pub entry: Option<u32>,
    /// Bytes of all entries.
    pub size: u32,
    /// How many entries there are; 0: the table is all that is known.
    pub entries: u32,
    /// How many tables had been replaced until then; none: one was just being
    /// replaced.
    pub change: Option<u64>,
    /// Input device of the hook: index and name.
    pub input: Option<(u32, String)>,
    /// Output device of the hook.
    pub output: Option<(u32, String)>,
}

/// The table whose function does not know its name any more where it decides:
/// ARP has no other (`net/ipv4/netfilter/arptable_filter.c`).
const ONLY_TABLE: &str = "filter";
/// `include/uapi/linux/netfilter.h`
const NFPROTO_ARP: u8 = 3;

impl LegacyPart {
    /// Whether nobody can say which of the table's rules or policies it was.
    pub fn is_table_alone(&self) -> bool {
        self.entries == 0
    }

    pub(crate) fn of(part: NftPart) -> Self {
        Self {
            note: part.note,
            age_ns: part.age_ns,
            family: part.family,
            hook: part.hook,
            table: match part.family {
                NFPROTO_ARP if part.table.is_empty() => ONLY_TABLE.into(),
                _ => part.table,
            },
            entry: u32::try_from(part.rule).ok().filter(|at| *at != u32::MAX),
            size: part.chain_handle as u32,
            entries: (part.chain_handle >> 32) as u32,
            change: Some(part.table_handle).filter(|count| *count != u64::MAX),
            input: part.input,
            output: part.output,
        }
    }
}

/// One dropped packet, as recorded in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRecord {
    /// CPU number.
    pub cpu: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// Address of the skb; 0: unknown.
    pub skb: u64,
    /// The tracepoint's location.
    pub location: u64,
    /// `enum skb_drop_reason`; 0 where the kernel has none.
    pub reason: u32,
    /// Namespace inode; 0: unknown.
    pub netns: u32,
    /// `skb->len`; 0: unknown.
    pub length: u32,
    /// `skb->mark`.
    pub mark: u32,
    /// `skb->dev`: index and name.
    pub device: Option<(u32, String)>,
    /// Process id and command, where the process is the context.
    pub process: Option<(u32, String)>,
    /// Another task could interrupt the program that made the record.
    pub preemptible: bool,
    /// Ethernet protocol in host order.
    pub ethertype: u16,
    /// Offloaded VLAN tag: protocol and TCI, both in host order.
    pub tag: Option<(u16, u16)>,
    /// Whether the frame starts with real MAC addresses.
    pub has_link: bool,
    /// Ethernet header (14 bytes; the addresses are zero without `has_link`)
    /// and the packet from its network header on.
    pub frame: Vec<u8>,
    /// What nftables had decided.
    pub nft: Option<NftPart>,
    /// What x_tables had decided.
    pub legacy: Option<LegacyPart>,
    /// Address of the hook function that dropped it, where that is known by
    /// [`crate::hook`].
    pub hook_function: Option<u64>,
    /// Kernel stack, innermost first; empty unless asked for.
    pub stack: Vec<u64>,
}

const PART_BASE: u32 = 1;
const PART_NFT: u32 = 2;
const PART_STACK: u32 = 3;
const STACK_DEPTH: usize = 64;
/// Bytes of a name in a record, the end mark included (`parts.h`).
pub(crate) const NAME_SIZE: usize = 64;

impl DropRecord {
    /// From a ring buffer record; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let mut kind = r.u32()?;
        let mut stack = Vec::new();
        let mut nft = None;
        if kind == PART_STACK {
            stack = stack_part(&mut r)?;
            kind = r.u32()?;
        }
        if kind == PART_NFT {
            // the part is there but empty when only a stack was asked for
            nft = Some(nft_part(&mut r)?).filter(|n| n.note != Note::None);
            kind = r.u32()?;
        }
        if kind != PART_BASE {
            return None;
        }
        let mut record = base_part(&mut r)?;
        match nft {
            Some(part) if part.note.is_legacy() => record.legacy = Some(LegacyPart::of(part)),
            other => record.nft = other,
        }
        record.stack = stack;
        Some(record)
    }
}

fn stack_part(r: &mut Reader<'_>) -> Option<Vec<u64>> {
    let size = r.u32()?.cast_signed();
    let mut all = Reader(r.take(STACK_DEPTH * 8)?);
    let count = usize::try_from(size).unwrap_or(0) / 8;
    (0..count.min(STACK_DEPTH)).map(|_| all.u64()).collect()
}

/// `chain_is_base` of `parts.h`
const CHAIN_IS_BASE: u32 = 1;
const NO_REGISTERS: u32 = 2;

pub(crate) fn nft_part(r: &mut Reader<'_>) -> Option<NftPart> {
    let note = Note::from_number(r.u8()?)?;
    let (family, hook, pf) = (r.u8()?, r.u8()?, r.u8()?);
    let (rule, table_handle, chain_handle) = (r.u64()?, r.u64()?, r.u64()?);
    let age_ns = r.u64()?;
    let priority = r.u32()?.cast_signed();
    let flags = r.u32()?;
    let chain_is_base = flags & CHAIN_IS_BASE != 0;
    let (input_index, output_index) = (r.u32()?, r.u32()?);
    let (input, output) = (r.name(16)?, r.name(16)?);
    let (table, chain) = (r.name(NAME_SIZE)?, r.name(NAME_SIZE)?);
    let mut registers = [0; 20];
    for register in &mut registers {
        *register = r.u32()?;
    }
    if flags & NO_REGISTERS != 0 {
        registers = [0; 20];
    }
    // the part's size is a multiple of its largest member's
    let cut = table.len() >= NAME_SIZE - 1 || chain.len() >= NAME_SIZE - 1;
    Some(NftPart {
        note,
        age_ns,
        family,
        hook,
        pf,
        rule,
        table_handle,
        chain_handle,
        priority: chain_is_base.then_some(priority),
        chain_is_base,
        input: (input_index != 0).then_some((input_index, input)),
        output: (output_index != 0).then_some((output_index, output)),
        table,
        chain,
        cut,
        registers,
    })
}

const HAS_LINK: u16 = 1;
const HAS_TAG: u16 = 2;
const IN_PROCESS: u16 = 8;
const PREEMPTIBLE: u16 = 16;

pub(crate) fn base_part(r: &mut Reader<'_>) -> Option<DropRecord> {
    let cpu = r.u32()?;
    let (monotonic_ns, skb, location) = (r.u64()?, r.u64()?, r.u64()?);
    let (reason, netns, length, mark) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    let (ifindex, pid, frame_bytes) = (r.u32()?, r.u32()?, r.u32()?);
    let flags = r.u16()?;
    let ethertype = r.be16()?;
    let vlan_proto = r.be16()?;
    let vlan_tci = r.u16()?;
    let (device, comm) = (r.name(16)?, r.name(16)?);
    r.take(4)?;
    let mut frame = r.take(usize::try_from(frame_bytes).ok()?)?.to_vec();
    if flags & HAS_LINK == 0 {
        // what an earlier packet left there
        frame.iter_mut().take(12).for_each(|b| *b = 0);
    }
    Some(DropRecord {
        cpu,
        monotonic_ns,
        skb,
        location,
        reason,
        netns,
        length,
        mark,
        device: (ifindex != 0).then_some((ifindex, device)),
        preemptible: flags & PREEMPTIBLE != 0,
        process: (flags & IN_PROCESS != 0).then_some((pid, comm)),
        ethertype,
        tag: (flags & HAS_TAG != 0).then_some((vlan_proto, vlan_tci)),
        has_link: flags & HAS_LINK != 0,
        frame,
        nft: None,
        legacy: None,
        hook_function: None,
        stack: Vec::new(),
    })
}
