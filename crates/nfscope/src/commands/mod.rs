//! The commands, one file each.

pub mod changes;
pub mod demo;
pub mod doctor;
pub mod drops;
pub mod functions;
pub mod probe;
pub mod resets;
mod selection;
pub mod stacks;
pub mod symbolize;
pub mod trace;

use std::fmt::Display;
use std::io::Write;

/// Tells the user something beside the output. Where nobody reads it any more,
/// nobody misses it.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something that cannot be: exit status 2. The
    /// text may have several lines (a filter and a caret under its error).
    Usage(String),
    /// Anything else: exit status 1.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}
