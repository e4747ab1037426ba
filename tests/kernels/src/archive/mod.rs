//! The Debian archive: which mirror to use, what is in it, and fetching from it.

pub mod download;
pub mod index;
pub mod mirror;
pub mod package;
pub mod release;
pub mod version;
