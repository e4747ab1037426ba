//! The programs' settings, as `struct config` of `stacks.h` lays them out.

use super::By;

/// `NOWHERE` of `stacks.h`
pub const NOWHERE: u32 = u32::MAX;

/// `struct config`: constant once the programs are loaded.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// End after so many events.
    pub limit: Option<u64>,
    /// Byte offset of the packet in the program's context.
    pub skb_at: Option<u32>,
    /// Of the drop reason.
    pub reason_at: Option<u32>,
    /// What to count apart.
    pub by: By,
    /// Whether process context can be told from softirq.
    pub context_known: bool,
    /// A filter is in the program: bytes it looks at, whether it looks at MAC
    /// addresses, whether at VLAN tags.
    pub filter: Option<(u32, bool, bool)>,
}

impl Config {
    /// The bytes of `struct config`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&self.limit.unwrap_or(0).to_ne_bytes());
        let (filter_bytes, link, tag) = self.filter.unwrap_or_default();
        for word in [
            self.skb_at.unwrap_or(NOWHERE),
            self.reason_at.unwrap_or(NOWHERE),
            u32::from(self.by.reason),
            u32::from(self.by.process),
            u32::from(self.by.cpu),
            u32::from(self.by.netns),
            u32::from(self.by.user),
            u32::from(self.context_known),
            u32::from(self.filter.is_some()),
            filter_bytes,
            u32::from(link),
            u32::from(tag),
        ] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out
    }
}
