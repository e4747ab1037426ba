//! The nfscope program as a library: what its commands are made of.

pub mod resolve;
pub mod sinks;
