//! The `resets` collector: TCP resets that are sent, that arrive, and that pass.

mod collector;
mod config;
mod functions;
mod netfilter;
mod record;
mod tables;

pub use collector::{ResetCollector, ResetOptions};
pub use netfilter::{EvalValues, LoadedModules, NetfilterPlaces, TARGET};
pub use record::{Context, Kind, ResetRecord, Segment};

/// How many events were lost, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// The ring buffer was full.
    pub ring: u64,
    /// The kernel left a program out, because another one ran on the CPU.
    pub nested: u64,
}

impl Losses {
    fn add(&mut self, more: Self) {
        self.ring += more.ring;
        self.nested += more.nested;
    }
}
