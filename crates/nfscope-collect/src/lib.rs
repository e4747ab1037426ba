//! Collectors: BPF programs, what loads them, and the records they send.
//!
//! A collector turns kernel hooks into plain values ([`drop::DropRecord`]). It
//! knows nothing of rule texts, symbols or output.

mod attach;
pub mod attached;
pub mod changes;
mod core_types;
pub mod drop;
mod error;
pub mod hook;
mod kernel_ids;
pub mod legacy;
mod memory;
pub mod nft;
mod object;
pub mod preempt;
pub mod probe;
mod raw;
mod reader;
mod records;
pub mod resets;
pub mod stacks;
pub mod trace;
mod tracepoints;

pub use error::CollectError;
