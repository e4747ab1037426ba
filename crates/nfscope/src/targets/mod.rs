//! Places in the kernel by their names on the command line.

mod arguments;
mod kernel;
mod places;
mod similar;
pub mod tracefs;
mod words;

pub use arguments::Wanted;
pub use kernel::{Found, find};
pub use places::{At, Places, places};
pub use similar::Similar;
pub use words::is_pattern;

/// A function that a target names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its module, if it belongs to one.
    pub module: Option<String>,
    /// Its first byte.
    pub address: u64,
}

/// Where in a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At its first byte.
    Entry,
    /// Where it returns.
    Return,
    /// So many bytes behind its first.
    Offset(u64),
}
