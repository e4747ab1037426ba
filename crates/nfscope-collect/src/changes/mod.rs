//! The `changes` collector: who asks the kernel to change its firewalls, or reads
//! them. It tells requests and how they ended; what is in force after them,
//! rulesets tell.

mod collector;
mod record;

pub use collector::{ChangeCollector, ChangeLosses};
pub use record::{ChangeRecord, Outcome, Request, RequestKind};
