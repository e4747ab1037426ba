//! Steps that add names and texts to an event.

mod drop;
mod drop_functions;
mod hooks;
mod reason_names;
mod reasons;
mod symbols;
mod wall_clock;

pub use drop::DropResolver;
pub use reason_names::ReasonNames;
