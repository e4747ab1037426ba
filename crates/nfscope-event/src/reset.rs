//! The event of `nfscope resets`.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use crate::{Device, Family, Netns, Process, SourceFrame, StackContext, XtRule};

/// Which way a reset goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetDirection {
    /// This machine sends it.
    Sent,
    /// It has come for this machine.
    Received,
    /// It is on its way through.
    Forwarded,
}

/// Why there is a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// A SYN for a port on which nobody listens.
    NoListener,
    /// A segment that belongs to no connection here.
    NoConnection,
    /// A segment that acknowledges what was not sent, in the handshake.
    OutOfWindow,
    /// A connection that nobody has accepted: the queue is full, or closed.
    ListenQueue,
    /// A SYN within a handshake.
    InvalidSyn,
    /// A segment for a connection that is over but for its TIME_WAIT.
    TimeWait,
    /// Data for a socket that is closed already.
    DataAfterClose,
    /// The socket was closed with data that nobody has read.
    UnreadData,
    /// The socket was closed with a linger time that asks for a reset.
    Linger,
    /// The socket was closed; for which of these reasons is not known.
    Closed,
    /// A program disconnected the socket.
    Disconnected,
    /// A program ended the connection from outside (`ss --kill`).
    Aborted,
    /// The peer was silent for too long.
    Timeout,
    /// Too many sockets without a process, or too little memory.
    OutOfMemory,
    /// A rule of the firewall.
    RejectRule,
    /// A program has made the packet itself.
    Forged,
    /// The other end sent it, or somebody on the way.
    Peer,
    /// The kernel's way to it has no name here.
    Unknown,
}

impl ResetCause {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoListener => "no listener",
            Self::NoConnection => "no connection",
            Self::OutOfWindow => "out of window",
            Self::ListenQueue => "listen queue",
            Self::InvalidSyn => "invalid SYN",
            Self::TimeWait => "TIME_WAIT",
            Self::DataAfterClose => "data after close",
            Self::UnreadData => "unread data",
            Self::Linger => "linger",
            Self::Closed => "closed",
            Self::Disconnected => "disconnected",
            Self::Aborted => "aborted",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out of memory",
            Self::RejectRule => "reject rule",
            Self::Forged => "forged",
            Self::Peer => "peer",
            Self::Unknown => "unknown",
        }
    }
}

/// What of a TCP header matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetSegment {
    /// Flags as tcpdump writes them.
    pub flags: String,
    /// Sequence number; none where it was not chosen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// Acknowledgement number, if the flags give it a meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<u32>,
    /// Bytes of data.
    pub length: u32,
}

impl ResetSegment {
    /// Of a TCP header; `seq`: where it is known.
    pub fn new(flags: u8, seq: Option<u32>, ack: u32, length: u32) -> Self {
        let ack = (flags & ACK != 0).then_some(ack);
        Self { flags: crate::decode::tcp_flags(0, flags), seq, ack, length }
    }
}

/// `TCPHDR_ACK` (`include/net/tcp.h`)
const ACK: u8 = 0x10;

/// The rule that rejects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectRule {
    /// Table's family.
    pub family: Family,
    /// Table.
    pub table: String,
    /// The chain that holds the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// The rule's handle.
    pub handle: u64,
    /// The rule as nft prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The same as its owner wrote it, if iptables-nft made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iptables: Option<String>,
    /// Why there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
}

/// A TCP reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reset {
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// CPU it happened on.
    pub cpu: u32,
    /// Which way it goes.
    pub direction: ResetDirection,
    /// The network namespace.
    pub netns: Netns,
    /// Where it arrived, or what it answers; of a connection that is ended the
    /// device of its route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The reset's own source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Its source port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// Its destination address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpAddr>,
    /// Its destination port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// The reset itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<ResetSegment>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<ResetSegment>,
    /// Why.
    pub cause: ResetCause,
    /// The cause in a sentence.
    pub explanation: String,
    /// What to look at or do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The kernel's own reason, without `SK_RST_REASON_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The socket's state before the reset, as `ss` spells it; none: there is
    /// no socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Received ones: whether a connection here was ended by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// For whom the kernel worked.
    pub context: StackContext,
    /// That process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Who holds the socket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Process>,
    /// conntrack called the answered segment INVALID: its reason, empty if it
    /// gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack_invalid: Option<String>,
    /// The rule that rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RejectRule>,
    /// The rule of iptables-legacy or ip6tables-legacy that rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xt_rule: Option<XtRule>,
    /// Why the rule that rejects is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_unknown: Option<String>,
    /// Kernel stack, innermost first (`--stack`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
    /// Source lines of each frame of `stack`, none where they are not known (`--source`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack_source: Vec<Vec<SourceFrame>>,
}
