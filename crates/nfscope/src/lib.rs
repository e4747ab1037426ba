//! The nfscope program as a library: what its commands are made of.

pub mod active;
pub mod backend;
pub mod catalogue;
pub mod cli;
pub mod commands;
pub mod doctor;
pub mod functions;
pub mod hook_naming;
pub mod legacy;
pub mod lockdown;
pub mod machine;
pub mod probing;
pub mod reset_backend;
pub mod resolve;
pub mod signals;
pub mod sinks;
pub mod targets;
pub mod trace_backend;
