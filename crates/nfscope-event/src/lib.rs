//! What nfscope says happened: plain values, no I/O.
//!
//! One [`Event`] is one line of `--json` output. Collectors fill in what the
//! kernel told them, `resolve` steps add names and texts, sinks only read.
//! A field that is not known is `None` (absent in JSON), never a default.

mod cause;
mod change;
mod conntrack;
pub mod decode;
mod drop;
mod evaluation;
mod notice;
mod packet;
mod probe;
mod reset;
mod stack;
mod trace;
mod verdict;
mod xtables;

pub use cause::{
    Backend, Cause, ChainRef, Family, Freed, KernelDrop, NftPolicy, NftRule, NftVerdict,
};
pub use change::{
    Change, ChangeAction, ChangeKind, ConntrackChange, FirewallRead, IpsetChange, RulesetChange,
    SysctlChange, TableChange, TableOperation, Transaction,
};
pub use conntrack::{Conntrack, Mapping, Mappings, Tuple};
pub use drop::Drop;
pub use evaluation::{Evaluation, ExpressionOutcome, ExpressionResult, Passed};
pub use notice::{LossPlace, Lost, Notice};
pub use packet::{
    Arp, Device, Icmp, Ip, Link, Netns, Packet, Ports, Process, Tcp, Transport, Vlan,
};

pub use probe::{Probe, ProbeBucket, ProbeCount, ProbeField, ProbeHistogram, ProbeValue};
pub use reset::{RejectRule, Reset, ResetCause, ResetDirection, ResetSegment};
pub use stack::{CallStack, Frame, SourceFrame, StackContext, StackCount, StackState};
pub use xtables::{XtPlace, XtPolicy, XtRule, XtVerdict};

pub use trace::{
    Called, ChainEnd, Cloned, Delivered, Dropped, Ended, Enter, EnterTable, Mapped, Missing,
    NoMatch, RuleText, Sent, Socket, Step, TableEnd, TableNoMatch, TablePolicy, TableRule,
    TableWhy, Trace, TracePolicy, TraceRule, Why,
};
pub use verdict::Verdict;

use serde::{Deserialize, Serialize};

/// One line of the event stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A packet that was dropped.
    Drop(Box<Drop>),
    /// A step on a traced packet's way.
    Trace(Box<Trace>),
    /// A stack, and how often the kernel came to a place with it.
    Stack(Box<StackCount>),
    /// A firewall was changed, or read.
    Change(Box<Change>),
    /// A TCP reset.
    Reset(Box<Reset>),
    /// What was read at a function, an instruction or a tracepoint.
    Probe(Box<Probe>),
    /// How many such events had certain values.
    ProbeCount(ProbeCount),
    /// How a value of such events is distributed.
    ProbeHistogram(ProbeHistogram),
    /// Events that did not reach the reader, counted where they were lost.
    Lost(Lost),
    /// Something the reader should know about the stream itself.
    Notice(Notice),
}
