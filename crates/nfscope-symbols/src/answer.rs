//! What is known of a place in code.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::Frame;

/// What the number is that lines are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lookup {
    /// The address of an instruction.
    #[default]
    Exact,
    /// The address that a call returns to: the line is the call's, which is the instruction before.
    Return,
}

impl Lookup {
    /// The address to look up for a number that lies `offset` bytes behind its symbol's start. What is at
    /// the very start was never returned to.
    pub(crate) fn address(self, address: u64, offset: u64) -> u64 {
        match self {
            Self::Return if offset > 0 => address.wrapping_sub(1),
            _ => address,
        }
    }
}

/// A symbol and an offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SymbolOffset {
    /// The symbol.
    pub name: String,
    /// Bytes from its start.
    pub offset: u64,
    /// Bytes from its start to the next symbol; none for a module's last symbol, behind which nothing
    /// shows where the module's code ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// One place in code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Answer {
    /// Its address: in the running kernel's memory, or in the file.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hexadecimal")]
    pub address: Option<u64>,
    /// The symbol that it lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<SymbolOffset>,
    /// Its module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The section of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Bytes from the section's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_offset: Option<u64>,
    /// The functions at it, the innermost first; none without debug information.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// The file that the lines come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_file: Option<PathBuf>,
    /// What is missing, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

fn hexadecimal<S: Serializer>(address: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(&format_args!("{address:#x}")),
        None => serializer.serialize_none(),
    }
}
