//! The events of `nfscope trace`.

mod fates;
mod tables;

use serde::{Deserialize, Serialize};

pub use fates::{Called, Cloned, Delivered, Dropped, Ended, Missing, Sent, Socket};
pub use tables::{EnterTable, TableEnd, TableNoMatch, TablePolicy, TableRule, TableWhy};

use crate::{
    Backend, ChainRef, Conntrack, Device, Evaluation, Mapping, Netns, Packet, Passed, Process,
    Verdict,
};

/// One step on a packet's way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Time in nanoseconds since the Unix epoch (the kernel's monotonic stamp,
    /// moved by the offset taken at start).
    pub time_ns: u64,
    /// CPU it happened on, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Number of the packet, from 1, in the order in which packets were first
    /// seen.
    pub packet_id: u64,
    /// Number of the step on this packet's way, from 1. A gap means that steps
    /// were lost.
    pub sequence: u32,
    /// The packet that this one is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// The network namespace where it happened.
    pub netns: Netns,
    /// Which mechanism saw it.
    pub backend: Backend,
    /// What happened.
    #[serde(flatten)]
    pub step: Step,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A base chain is entered.
    Enter(Box<Enter>),
    /// A rule matched.
    Rule(Box<TraceRule>),
    /// A rule did not match.
    NoMatch(Box<NoMatch>),
    /// The end of a chain was reached.
    End(Box<ChainEnd>),
    /// The policy of a base chain applied.
    Policy(Box<TracePolicy>),
    /// The rule before it mapped the connection's addresses (NAT).
    Mapped(Box<Mapped>),
    /// A table of iptables-legacy is entered.
    EnterTable(Box<EnterTable>),
    /// A rule of it matched.
    TableRule(Box<TableRule>),
    /// A rule of it did not match.
    TableNoMatch(Box<TableNoMatch>),
    /// The end of one of its user chains was reached.
    TableEnd(Box<TableEnd>),
    /// The policy of a built-in chain applied.
    TablePolicy(Box<TablePolicy>),
    /// A kernel function is called with the packet.
    Function(Box<Called>),
    /// Handed to a device's driver.
    Sent(Sent),
    /// Handed to a socket.
    Delivered(Delivered),
    /// Copied; the copy has a way of its own.
    Cloned(Cloned),
    /// Freed: dropped.
    Dropped(Dropped),
    /// Freed: used.
    Consumed(Ended),
    /// Freed where the kernel does not say whether it was used or dropped.
    Freed(Ended),
    /// Steps were lost before the next one.
    Missing(Missing),
}

impl Step {
    /// The chain of nftables that it is about.
    pub fn place_mut(&mut self) -> Option<&mut ChainRef> {
        match self {
            Self::Enter(enter) => Some(&mut enter.place),
            Self::Rule(rule) => Some(&mut rule.place),
            Self::NoMatch(rule) => Some(&mut rule.place),
            Self::End(end) => Some(&mut end.place),
            Self::Policy(policy) => Some(&mut policy.place),
            _ => None,
        }
    }

    /// Whether the packet is gone.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Dropped(_) | Self::Consumed(_) | Self::Freed(_))
    }
}

/// A base chain is entered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enter {
    /// Number of the packet's passage through a base chain, from 1; its steps
    /// carry the same.
    pub traversal: u32,
    /// The chain.
    #[serde(flatten)]
    pub place: ChainRef,
    /// The packet's connection, where conntrack has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
    /// The hook's input device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_device: Option<Device>,
    /// The hook's output device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_device: Option<Device>,
    /// The packet as it is now.
    pub packet: Packet,
    /// `skb->hash`, if it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<u32>,
    /// Which of the ruleset's two generations is in force: nftables'
    /// `gencursor`, 0 or 1; the bit of the genmask that rules are looked at by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u8>,
    /// The process in whose context it is; none in softirq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// A rule in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// The rule as `nft list ruleset` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why `rule` is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
    /// The rule as its owner wrote it for iptables-nft: `-A INPUT …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iptables: Option<String>,
    /// The rule's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A rule did not match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoMatch {
    /// Which passage.
    pub traversal: u32,
    /// How many jumps deep the rule's chain is.
    pub depth: u32,
    /// Where the rule stands.
    #[serde(flatten)]
    pub place: ChainRef,
    /// The rule's handle.
    pub handle: u64,
    /// What it says.
    #[serde(flatten)]
    pub text: RuleText,
    /// Number of the expression that failed, from 0, as `nft --debug=netlink`
    /// lists them. Unknown where it stands far behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<u32>,
    /// Why, with `--why`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// nftables' registers at that moment (`struct nft_regs`, 80 bytes in
    /// hexadecimal, as they lie in memory).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registers: Option<String>,
    /// With `--expr`.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// Which condition of a rule a packet did not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The kernel's name of the expression's type: `cmp`, `lookup`.
    pub expression: String,
    /// The condition in the rule's words: `tcp dport 10000`.
    pub condition: String,
    /// What is compared, if anything: `tcp dport`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// What was wanted: `10000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What the packet had: `9080`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// That as a sentence: `packet has 9080`.
    pub reason: String,
}

/// A rule matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRule {
    /// Which passage.
    pub traversal: u32,
    /// How many jumps deep the rule's chain is.
    pub depth: u32,
    /// Where the rule stands.
    #[serde(flatten)]
    pub place: ChainRef,
    /// The rule's handle, as `nft -a list ruleset` shows it.
    pub handle: u64,
    /// What it said.
    pub verdict: Verdict,
    /// The chain that a jump or goto leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Number of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u16>,
    /// What it says.
    #[serde(flatten)]
    pub text: RuleText,
    /// For a verdict map: the element that hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// For a reject: what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Time since the base chain was entered, where it is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ns: Option<u64>,
    /// Passages through chains that end here, the innermost first, as far as
    /// the chains' rules are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_matched: Vec<Passed>,
    /// With `--expr`.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// The end of a chain was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// Which passage.
    pub traversal: u32,
    /// How many jumps deep the chain is.
    pub depth: u32,
    /// The chain.
    #[serde(flatten)]
    pub place: ChainRef,
    /// Passages through chains that end here, the innermost first, as far as
    /// the chains' rules are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_matched: Vec<Passed>,
    /// With `--expr`.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// The policy of a base chain applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracePolicy {
    /// Which passage.
    pub traversal: u32,
    /// The base chain.
    #[serde(flatten)]
    pub place: ChainRef,
    /// [`Verdict::Accept`] or [`Verdict::Drop`].
    pub verdict: Verdict,
    /// Time since the base chain was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ns: Option<u64>,
    /// With `--expr`.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// A rule mapped the connection's addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapped {
    /// Which passage.
    pub traversal: u32,
    /// The connection as it is now.
    pub conntrack: Conntrack,
    /// How the source is mapped, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Mapping>,
    /// How the destination is mapped, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Mapping>,
}
