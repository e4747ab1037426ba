//! The programs' settings, as `struct config` of `probe.h` lays them out.

/// `NOWHERE` of `probe.h`
const NOWHERE: u32 = u32::MAX;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Each is told.
    #[default]
    Events,
    /// Counted by its fields.
    Counts,
    /// Counted by the size of its first field.
    Histogram,
}

/// `struct config`: constant once the programs are loaded.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What becomes of an event.
    pub mode: Mode,
    /// Bytes of the fields.
    pub data_bytes: u32,
    /// Which copy this is.
    pub group: u32,
    /// Tell the kernel's stack.
    pub stack: bool,
    /// An event is told when the function returns.
    pub returns: bool,
    /// Whether process context can be told from softirq.
    pub context_known: bool,
    /// The histogram's field may be negative.
    pub signed: bool,
    /// Byte offset of the packet in the program's context.
    pub skb_at: Option<u32>,
    /// A filter is in the program: bytes it looks at, whether it looks at MAC
    /// addresses, whether at VLAN tags.
    pub filter: Option<(u32, bool, bool)>,
}

impl Config {
    /// The bytes of `struct config`.
    pub fn bytes(&self) -> Vec<u8> {
        let (filter_bytes, link, tag) = self.filter.unwrap_or_default();
        let words = [
            self.mode as u32,
            self.data_bytes,
            self.group,
            u32::from(self.stack),
            u32::from(self.returns),
            u32::from(self.context_known),
            u32::from(self.signed),
            self.skb_at.unwrap_or(NOWHERE),
            u32::from(self.filter.is_some()),
            filter_bytes,
            u32::from(link),
            u32::from(tag),
        ];
        words.into_iter().flat_map(u32::to_ne_bytes).collect()
    }
}
