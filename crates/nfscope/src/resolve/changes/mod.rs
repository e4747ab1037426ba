//! From requests and announcements to changes: what was asked for, by whom, and
//! what that changed.

mod conntrack;
mod ipset;
mod options;
mod readings;
mod reads;
mod requests;
mod sysctl;
mod tables;
mod transactions;

pub use requests::Requests;
