//! Steps that add names and texts to an event.

mod changes;
mod drop;
mod drop_functions;
mod hooks;
mod legacy;
mod owners;
mod reason_names;
mod reasons;
mod resets;
mod rules;
mod source;
mod stacks;
mod symbols;
mod trace;
mod user;
mod wall_clock;

pub use changes::Requests as ChangeRequests;
pub use drop::DropResolver;
pub use owners::Owners;
pub use reason_names::ReasonNames;
pub use resets::ResetResolver;
pub use rules::{Answer, Rules};
pub use source::{SourceLines, source_frame};
pub use stacks::StackResolver;
pub use symbols::Symbols;
pub use trace::{ConnectionIds, Shows, TraceResolver, Unresolved};
pub use user::UserMaps;
pub use wall_clock::{now_ns, offset_ns};
