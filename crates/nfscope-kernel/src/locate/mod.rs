//! Finds places inside functions where a probe sees what it needs to see, and the registers and stack
//! slots that hold it there, from machine code alone.
//!
//! [`code`], [`values`] and [`flow`] know machine code and nothing of netfilter; the rooms beside them
//! know one kernel function each.

pub mod code;
pub mod ebt;
pub mod flow;
pub mod hook_slow;
pub mod ipt;
mod loc;
mod marks;
pub mod nft;
pub mod values;

pub use loc::Loc;
pub use marks::{Held, Mark};
