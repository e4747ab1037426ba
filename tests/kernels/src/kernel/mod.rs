//! Debian kernels: how they are named, and what the cache holds of them.

pub mod boot;
pub mod debuginfo;
pub mod faddr2line;
pub mod spec;
pub mod store;
