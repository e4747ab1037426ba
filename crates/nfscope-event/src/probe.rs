//! What was read at a function, an instruction or a tracepoint.

use serde::{Deserialize, Serialize};

use crate::{CallStack, Process, StackContext};

/// A value of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProbeValue {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A number below zero.
    Negative(i64),
    /// A text, an address, or bytes in base 16.
    Text(String),
    /// The elements of an array.
    List(Vec<Self>),
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProbeField {
    /// As it was asked for.
    pub name: String,
    /// Its value; absent: the kernel could not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ProbeValue>,
    /// The value as text prints it, where that is another: a name, base 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The text filled its room: it may go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// An event at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When (with a return: when the function was called), nanoseconds since the
    /// Unix epoch.
    pub time_ns: u64,
    /// The CPU.
    pub cpu: u32,
    /// Where: a function, a place in one, a tracepoint.
    pub place: String,
    /// The function's module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// On whose account the kernel worked.
    pub context: StackContext,
    /// The process, if on one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Its thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u32>,
    /// What was read.
    pub fields: Vec<ProbeField>,
    /// From the function's entry to its return (`--ret`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<u64>,
    /// The kernel's stack (`--stack`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<CallStack>,
}

/// How many events had certain values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeCount {
    /// When it was read, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// How many.
    pub count: u64,
    /// The values.
    pub fields: Vec<ProbeField>,
}

/// A row of a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeBucket {
    /// The least value.
    pub low: ProbeValue,
    /// The greatest.
    pub high: ProbeValue,
    /// How many events had one of these.
    pub count: u64,
}

/// How a field's values are distributed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeHistogram {
    /// When it was read, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The field.
    pub name: String,
    /// Rows, the least values first.
    pub buckets: Vec<ProbeBucket>,
}
