//! What changed in a ruleset, and in the lines of a table.
//!
//! [`Followers`] listen in network namespaces, each in a thread of its own, for
//! the kernel's announcements of transactions. Their words come from
//! `nft monitor`, which runs beside; both tell a generation's number, and what
//! they say of a generation must fit together. [`difference`] also compares what
//! iptables-legacy prints of a table before and after.

mod blocks;
mod difference;
mod effect;
mod follower;
mod followers;
mod ruleset;
mod subscribed;

pub use difference::{Step, difference};
pub use effect::{Effect, Effects};
pub use followers::{Committed, Followers, News};
