//! The `stacks` collector: with which stacks the kernel comes to a place,
//! counted in the kernel.

mod collector;
mod config;
mod counts;
mod targets;

pub use collector::{Counting, StackOptions};
pub use counts::{Context, Counts, Row, Stack, Totals};
pub use targets::{Argument, Probe, Target};
pub(crate) use targets::{address, refused};

/// What to count apart, beside the kernel's stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct By {
    /// The kernel's drop reason.
    pub reason: bool,
    /// The process that the kernel works for.
    pub process: bool,
    /// The CPU.
    pub cpu: bool,
    /// The packet's network namespace.
    pub netns: bool,
    /// The process's own stack.
    pub user: bool,
}
