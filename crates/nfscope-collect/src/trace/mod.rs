//! A packet's way through nftables: the chains it enters, what rules and
//! policies decide, what becomes of it.

mod collector;
mod config;
mod conntrack;
mod programs;
mod record;
mod self_test;

pub use collector::{TraceCollector, TraceLosses, TraceOptions};
pub use conntrack::{Connection, Tuple};
pub use programs::{Attachment, TraceSetup};
pub use record::{Decision, DecisionKind, Entry, Fate, FateKind, Head, Miss, Record, TraceRecord};
