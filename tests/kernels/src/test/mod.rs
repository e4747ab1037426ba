//! Scenarios: what they are, running them, judging what came out.

pub mod plan;
pub mod result;
pub mod scenario;
pub mod skips;
pub mod transcript;
