//! The namespaces and the packets that go through them.

mod frame;
pub mod send;
mod socket;
pub mod world;
