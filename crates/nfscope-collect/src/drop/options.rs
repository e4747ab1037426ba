//! What is asked of the collector, and what it could not tell.

use super::Note;

/// What the user wants to see.
#[derive(Debug, Clone)]
pub struct DropOptions {
    /// pcap filter expression, compiled.
    pub filter: Option<nfscope_filter::Compiled>,
    /// Only this namespace (inode).
    pub netns: Option<u32>,
    /// Only skbs of this device.
    pub device: Option<String>,
    /// Only these causes.
    pub causes: Vec<Note>,
    /// Only this drop reason (`enum skb_drop_reason`).
    pub reason: Option<u32>,
    /// Whether the tracepoint has a reason argument.
    pub has_reason: bool,
    /// Bytes of each packet to record, from the network header on.
    pub snap_bytes: u32,
    /// Record the kernel stack.
    pub stack: bool,
    /// Size of the ring buffer in bytes, a power of two and of pages.
    pub ring_bytes: u32,
    /// It is known that other tasks can interrupt the tracepoint's program.
    pub interruptible: bool,
}

impl DropOptions {
    /// Everything, with small records.
    pub fn everything(has_reason: bool) -> Self {
        Self {
            filter: None,
            netns: None,
            device: None,
            causes: Note::ALL.to_vec(),
            reason: None,
            has_reason,
            snap_bytes: 128,
            stack: false,
            ring_bytes: 1 << 20,
            interruptible: false,
        }
    }
}

/// How many events were lost, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// The ring buffer was full.
    pub ring: u64,
    /// Too deeply nested on one CPU, or skipped by the kernel because the
    /// program was already running there.
    pub nested: u64,
    /// Rules that are not known: their note was overwritten, or
    /// `nft_do_chain`'s frame was not where it should be.
    pub attribution: u64,
    /// How many of them the frame did not tell.
    pub frame: u64,
    /// Overruns of the netlink trace's socket.
    pub netlink: u64,
}
