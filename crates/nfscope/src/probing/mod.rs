//! `nfscope probe`: from words to programs, from records to events.

mod events;
mod groups;
mod mistakes;
mod types;

pub use events::Events;
pub use groups::{Asked, Plan};
