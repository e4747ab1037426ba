//! Why rules do not match, for rules as nft and the kernel make them, in a
//! namespace of the test's own. Needs root and nft.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conditions;
mod made;
mod reasons;
#[path = "../skip/mod.rs"]
mod skip;
