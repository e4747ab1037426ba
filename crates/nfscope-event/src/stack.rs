//! Stacks and how often the kernel came to a place with them.

use serde::{Deserialize, Serialize};

use crate::{Netns, Process};

/// One frame of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function that holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Bytes from the function's start; without a function from the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The kernel module, or the program's or library's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The address, if nothing else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
    /// Its source lines (`--source`): the innermost function first, each further one is where the
    /// one before was inlined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<SourceFrame>,
}

/// A function and its line at a place in code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceFrame {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source file; relative to the folder that the compiler ran in, if it is below that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether its code was merged into the next one's.
    pub inlined: bool,
}

/// Whether a stack is all there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackState {
    /// It is.
    #[default]
    Whole,
    /// It may go on: the kernel walks no deeper.
    Cut,
    /// The kernel had none to give.
    Missing,
    /// There was no room for it.
    Unkept,
}

/// A stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallStack {
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// Whether that is all.
    pub state: StackState,
}

/// On whose account the kernel worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackContext {
    /// A process's.
    Process,
    /// An interrupt's or softirq's, whatever process it met.
    Interrupt,
    /// The kernel does not tell.
    Unknown,
}

/// How often the kernel came to the targets with a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackCount {
    /// When it was read, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// How many events.
    pub count: u64,
    /// The kernel's stack.
    pub stack: CallStack,
    /// The process's own stack (`--user`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_stack: Option<CallStack>,
    /// The drop reason (`--by reason`), if the target has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether `process` is there, and why not (`--by process`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<StackContext>,
    /// The process (`--by process`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The CPU (`--by cpu`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// The packet's namespace (`--by netns`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Netns>,
}
