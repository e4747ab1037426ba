//! Steps through tables of x_tables: iptables-legacy, ip6tables-legacy.

use serde::{Deserialize, Serialize};

use crate::{Conntrack, Device, Packet, Process, Verdict, XtPlace};

/// A table is entered, at one of its built-in chains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnterTable {
    /// Number of the packet's passage through a base chain or table, from 1; its
    /// steps carry the same.
    pub traversal: u32,
    /// The table and the built-in chain.
    #[serde(flatten)]
    pub place: XtPlace,
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
    /// The process in whose context it is; none in softirq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// A rule of a table matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRule {
    /// Which passage.
    pub traversal: u32,
    /// How many jumps deep the rule's chain is.
    pub depth: u32,
    /// Where the rule stands.
    #[serde(flatten)]
    pub place: XtPlace,
    /// Its number in the chain, from 1, as `iptables-legacy -L --line-numbers`
    /// shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// What it said.
    pub verdict: Verdict,
    /// Its target, as it stands behind `-j` or `-g`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Number of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u16>,
    /// The rule as `iptables-legacy -S` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `rule` lacks options of its matches or target: there is no
    /// iptables-legacy-save that would print them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outline: bool,
    /// Why `rule` is missing, as the end of a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
    /// The rule's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// For a REJECT: what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Time since the table was entered, where it is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ns: Option<u64>,
}

/// A rule of a table did not match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableNoMatch {
    /// Which passage.
    pub traversal: u32,
    /// How many jumps deep the rule's chain is.
    pub depth: u32,
    /// Where the rule stands.
    #[serde(flatten)]
    pub place: XtPlace,
    /// Its number in the chain, from 1; none: see `text_unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The rule as `iptables-legacy -S` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `rule` lacks options of its matches or target: there is no
    /// iptables-legacy-save that would print them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outline: bool,
    /// Which rules did not match before the next step is not known: why, as the
    /// end of a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
    /// The rule's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Why it did not match, with `--why`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<TableWhy>,
}

/// Which part of a table's rule a packet did not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableWhy {
    /// `source`, `destination`, `in_interface`, `out_interface`, `protocol`,
    /// `fragment`, or the name of the match; none if it is not known which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Then it was one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// The part in iptables' words: `-s 10.0.0.0/8`, `-m tcp --dport 80`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What was wanted: `10.0.0.0/8`, `80`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What the packet had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// That as a sentence: `packet has 10.1.2.3`.
    pub reason: String,
}

/// The end of a user chain was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEnd {
    /// Which passage.
    pub traversal: u32,
    /// How many jumps deep the chain is.
    pub depth: u32,
    /// The chain.
    #[serde(flatten)]
    pub place: XtPlace,
}

/// The policy of a built-in chain applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TablePolicy {
    /// Which passage.
    pub traversal: u32,
    /// The built-in chain.
    #[serde(flatten)]
    pub place: XtPlace,
    /// [`Verdict::Accept`] or [`Verdict::Drop`].
    pub verdict: Verdict,
    /// Time since the table was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ns: Option<u64>,
}
