//! Verdicts of rules and policies.

use serde::{Deserialize, Serialize};

/// What a rule or policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The next rule follows.
    Continue,
    /// The base chain lets the packet pass.
    Accept,
    /// The packet ends.
    Drop,
    /// The packet is the rule's now.
    Stolen,
    /// The packet goes to user space.
    Queue,
    /// Another chain follows, then the next rule.
    Jump,
    /// Another chain follows.
    Goto,
    /// Back to the calling chain.
    Return,
    /// A number that has no name here.
    Unknown,
}

impl Verdict {
    /// The word nft uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Stolen => "stolen",
            Self::Queue => "queue",
            Self::Jump => "jump",
            Self::Goto => "goto",
            Self::Return => "return",
            Self::Unknown => "unknown",
        }
    }

    /// From the kernel's number: `NF_*` (`include/uapi/linux/netfilter.h`), or
    /// `enum nft_verdicts`, which are negative.
    pub fn from_code(code: i32) -> Self {
        match code {
            -1 => Self::Continue,
            -3 => Self::Jump,
            -4 => Self::Goto,
            -5 => Self::Return,
            // a queue's number or an errno in the upper half may make it negative
            _ => match code & 0xff {
                0 => Self::Drop,
                1 => Self::Accept,
                2 => Self::Stolen,
                3 => Self::Queue,
                _ => Self::Unknown,
            },
        }
    }

    /// Whether the base chain is left with it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Accept | Self::Drop | Self::Stolen | Self::Queue)
    }
}
