//! Facts about the stream itself.

use serde::{Deserialize, Serialize};

/// Where events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossPlace {
    /// The ring buffer was full: whole events are missing.
    Ring,
    /// The kernel skipped the program because it was already running on the
    /// CPU: whole events are missing.
    Nested,
    /// The rule was seen but its note was overwritten before the packet was
    /// freed: the event is there, without its rule.
    Attribution,
    /// More packets were selected at a time than are followed: whole packets
    /// are missing.
    Packets,
    /// A packet's entry into a base chain was not seen, so what was decided
    /// there is missing.
    Entries,
    /// The map of counts was full: whole events are missing.
    Counts,
    /// The map of stacks was full: events are counted without their stack.
    Stacks,
    /// The kernel's netlink socket overran, or its messages came too late: rules
    /// are missing.
    Netlink,
    /// The kernel announced more changes of a ruleset than could be read: whole
    /// transactions are missing.
    Transactions,
    /// A call's return was not seen, or too many calls were under way: whole
    /// events are missing.
    Calls,
    /// A value that decides whether the event is wanted could not be read: whole
    /// events are left out.
    Unread,
}

/// Lost events, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Time when the loss was noticed, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Where.
    pub place: LossPlace,
    /// How many since the last such event.
    pub count: u64,
}

/// A sentence about the stream: a backend that was refused, text that cannot
/// be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Time, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// One sentence for a person.
    pub text: String,
}
