//! Collectors: BPF programs, what loads them, and the records they send.
//!
//! A collector turns kernel hooks into plain values ([`drop::DropRecord`]). It
//! knows nothing of rule texts, symbols or output.

pub mod drop;
mod error;
pub mod hook;
pub mod nft;
mod object;
mod raw;
mod reader;
pub mod trace;

pub use error::CollectError;
