//! Why a packet was dropped.

use serde::{Deserialize, Serialize};

use crate::xtables::{XtPolicy, XtRule};

/// The one cause of a drop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// An nftables rule (iptables-nft rules included) ended the packet.
    NftRule(NftRule),
    /// The policy of an nftables base chain ended the packet.
    NftPolicy(NftPolicy),
    /// A rule of x_tables (iptables-legacy) ended the packet.
    XtRule(XtRule),
    /// The policy of a built-in chain of x_tables ended the packet.
    XtPolicy(XtPolicy),
    /// The kernel gave a drop reason, or only a code location.
    Kernel(KernelDrop),
    /// `kfree_skb` freed the packet on a kernel whose `kfree_skb` has no
    /// reason argument (before 5.17), from a place not known to drop packets.
    Freed(Freed),
}

/// An nftables address family, as nft spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// `NFPROTO_INET` (1)
    Inet,
    /// `NFPROTO_IPV4` (2)
    Ip,
    /// `NFPROTO_ARP` (3)
    Arp,
    /// `NFPROTO_NETDEV` (5)
    Netdev,
    /// `NFPROTO_BRIDGE` (7)
    Bridge,
    /// `NFPROTO_IPV6` (10)
    Ip6,
}

impl Family {
    /// From the kernel's number (`include/uapi/linux/netfilter.h`, `NFPROTO_*`).
    pub fn from_nfproto(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Inet,
            2 => Self::Ip,
            3 => Self::Arp,
            5 => Self::Netdev,
            7 => Self::Bridge,
            10 => Self::Ip6,
            _ => return None,
        })
    }

    /// The kernel's number (`NFPROTO_*`).
    pub fn nfproto(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Arp => 3,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }

    /// The word nft uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Arp => "arp",
            Self::Netdev => "netdev",
            Self::Bridge => "bridge",
            Self::Ip6 => "ip6",
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A chain, and the base chain (with hook and priority) it was reached from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainRef {
    /// Family of the table.
    pub family: Family,
    /// Name of the table.
    pub table: String,
    /// Name of the chain that holds the rule; for a policy, the base chain.
    /// Unknown when the rule was gone before anybody listed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The base chain that the hook called, when it is known and another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_chain: Option<String>,
    /// Hook name as nft spells it: `prerouting`, `input`, `forward`, `output`,
    /// `postrouting`, `ingress`, `egress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// Priority of the base chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

/// How an nftables rule ended a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NftVerdict {
    /// `drop`, or an expression that fails with a drop.
    Drop,
    /// `reject`: dropped, and an error or reset was sent back.
    Reject,
    /// A verdict map element said `drop`.
    VerdictMap,
    /// `queue` with nobody listening.
    Queue,
    /// `synproxy` took the packet over.
    Synproxy,
    /// `fwd`: sent out of another device; only seen when that failed.
    Fwd,
    /// A verdict map, `drop` or `reject`: the rule's text was not to be had.
    Unknown,
}

/// The rule that ended the packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NftRule {
    /// Where the rule stands.
    #[serde(flatten)]
    pub place: ChainRef,
    /// The rule's handle, as `nft -a list ruleset` shows it.
    pub handle: u64,
    /// How the rule ended the packet.
    pub verdict: NftVerdict,
    /// The rule as `nft list ruleset` prints it (without counters' changing
    /// values it would not be the user's text, so they are as last listed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why `rule` is missing, as the end of a sentence: `the rule was gone
    /// before it was listed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
    /// The rule as its owner wrote it for iptables-nft: `-A INPUT …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iptables: Option<String>,
    /// The rule's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// For a verdict map: the element that hit, `10000 : drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// For a reject: what was sent, `icmp port-unreachable`, `tcp reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
}

/// The policy that ended the packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NftPolicy {
    /// The base chain.
    #[serde(flatten)]
    pub place: ChainRef,
    /// Always `drop`.
    pub policy: String,
}

/// A drop that the kernel explains by a reason, a place, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelDrop {
    /// The kernel's own name without `SKB_DROP_REASON_`: `NO_SOCKET`; for a
    /// subsystem's reason the subsystem's name for it; unknown numbers as
    /// `0x20003`. None where the kernel has no reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A plain sentence for the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// What to look at or do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The function that dropped, `tcp_v4_rcv+0x1a2` (module in brackets if
    /// it is not in the kernel image).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Address of the instruction behind the drop, for symbolizing.
    pub location: u64,
    /// For a drop by a netfilter hook that is neither nft nor iptables: the
    /// hook function that said so, `nf_conntrack_in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_function: Option<String>,
}

/// A packet freed where it is not known whether that was a drop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Freed {
    /// The function that freed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Address of the instruction behind the call.
    pub location: u64,
}

/// Which mechanism saw the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// `nft_do_chain`'s stack frame, as the tracepoint finds it.
    Frame,
    /// Probe points inside `nft_do_chain`, or in a table function of x_tables.
    Points,
    /// The function `__nft_trace_packet`, with the trace key on.
    TraceHook,
    /// The kernel's nfnetlink trace messages.
    NetlinkTrace,
    /// The tracepoint `skb:kfree_skb` alone.
    Tracepoint,
}

impl Backend {
    /// The word of `--backend` and of `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Points => "points",
            Self::TraceHook => "trace_hook",
            Self::NetlinkTrace => "netlink_trace",
            Self::Tracepoint => "tracepoint",
        }
    }
}
