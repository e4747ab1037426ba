//! Rules of x_tables: iptables-legacy, ip6tables-legacy, arptables-legacy.

use serde::{Deserialize, Serialize};

use crate::cause::Family;

/// A chain of a legacy table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XtPlace {
    /// `ip`, `ip6` or `arp`.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// The chain that holds the rule. Unknown when the table was replaced
    /// before anybody read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The hook that called the table, as nft spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}

/// How a legacy rule ended a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum XtVerdict {
    /// DROP
    Drop,
    /// REJECT: dropped, and an error or reset was sent back.
    Reject,
    /// QUEUE, NFQUEUE with nobody listening.
    Queue,
    /// Another target said drop.
    Target,
    /// The rule is not known.
    Unknown,
}

/// The legacy rule that ended the packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XtRule {
    /// Where it stands.
    #[serde(flatten)]
    pub place: XtPlace,
    /// Its number in the chain, from 1, as `iptables-legacy -L --line-numbers`
    /// shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// How it ended the packet.
    pub verdict: XtVerdict,
    /// Its target, as it stands behind `-j`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The rule as `iptables-legacy -S` prints it; of arptables as
    /// `arptables-legacy -L -n` does, behind `-A CHAIN`.
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
    /// For a REJECT: what was sent, `icmp port-unreachable`, `tcp reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
}

/// The policy of a built-in chain ended the packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XtPolicy {
    /// The chain.
    #[serde(flatten)]
    pub place: XtPlace,
    /// Always `drop`.
    pub policy: String,
}
