//! Passages through chains: which rules matched, and which chain goes on.

/// A passage through one chain, as far as it has come.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub chain: String,
    /// Handles of the rules that matched, in order.
    pub matched: Vec<u64>,
    /// All of them are known.
    pub whole: bool,
}

impl Passage {
    /// One that begins.
    pub fn new(chain: String) -> Self {
        Self { chain, matched: Vec::new(), whole: true }
    }
}

/// Where a step stands among the chains, for what is told by their rules.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// When the base chain was entered: the ruleset of that time is what the
    /// packet passes.
    pub entered_ns: u64,
    /// The earliest that it can have been.
    pub earliest_ns: u64,
    /// `enum nft_verdicts` or `NF_*`.
    pub code: i32,
    /// Passages that end with the step, the innermost first.
    pub left: Vec<Passage>,
    /// The innermost one has come to its chain's end.
    pub to_the_end: bool,
    /// The chain that goes on, and the rule of it that had jumped.
    pub returned: Option<(String, Option<u64>)>,
}
