//! How far rules were evaluated, and what follows them.

use serde::{Deserialize, Serialize};

/// What `--expr` adds to a rule, and to where a chain or table is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The resulting code by the kernel's name: `NFT_BREAK`, `NFT_JUMP`,
    /// `NF_ACCEPT`; a number if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The rule's expressions, in order; empty if they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<ExpressionResult>,
    /// How many rules stand behind this one in its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_left: Option<u32>,
    /// The chain that goes on, where this one is left for its caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns_to: Option<String>,
    /// Handle of the rule that follows: in this chain, or in `returns_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// An expression and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpressionResult {
    /// The kernel's name of its type: `cmp`, `payload`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it did.
    pub result: ExpressionOutcome,
}

/// What an expression did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpressionOutcome {
    /// The rule was left before it.
    NotReached,
    /// Several expressions of the rule can have given its verdict.
    Unknown,
    /// It left this code: `NFT_CONTINUE`, `NFT_BREAK`.
    #[serde(untagged)]
    Code(String),
}

/// A passage through a chain that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The chain.
    pub chain: String,
    /// Rules that did not match in this passage.
    pub rules: u32,
}
