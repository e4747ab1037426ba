//! Tables of x_tables (iptables-legacy, ip6tables-legacy, arptables-legacy,
//! ebtables-legacy) as data.
//!
//! The kernel gives a table as one block of entries, in the order and at the
//! offsets that it has itself; an offset names a rule. [`Cache`] answers which
//! rule that is, for the table as it was when a packet met it.

mod arp;
mod bridge;
mod cache;
mod header;
mod lines;
mod listing;
mod print;
mod saved;
pub mod scratch;
mod socket;
mod table;
mod uapi;
mod walk;
mod why;
mod worker;

pub use cache::{Cache, Found, Missed, Query, Subject, Way};
pub use lines::{Reading, TableReader, tables};
pub use listing::{Listed, loaded};
pub use table::{Chain, Malformed, Rule, Table, Target};
pub use uapi::Family;
pub use walk::Position;
pub use why::{Packet, WhyNot, ct_state};
