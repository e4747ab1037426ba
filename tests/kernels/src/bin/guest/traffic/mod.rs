//! The namespaces and the packets that go through them.

pub mod backlog;
mod frame;
pub mod send;
mod socket;
pub mod world;
