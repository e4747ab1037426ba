//! A step that waits for texts.

use std::sync::Arc;

use nfscope_event::Trace;

use super::headers::Headers;
use super::passages::Around;
use super::passed::TableStep;

/// Before that an answer may wait for changes of the ruleset (see
/// `nfscope_ruleset::nft`).
const SETTLED_NS: u64 = 20_000_000;
/// How long one step waits for its rule's text; then it goes without.
const PATIENCE_NS: u64 = 20_000_000_000;

/// A step whose rule's text is still to be found.
#[derive(Debug, Clone)]
pub struct Unresolved {
    /// The step.
    pub trace: Box<Trace>,
    /// Handle of the rule's table; 0: not known.
    pub(super) table_handle: u64,
    /// When the rule acted.
    pub(super) monotonic_ns: u64,
    /// The earliest that it can have been.
    pub(super) earliest_ns: u64,
    /// nftables' registers at the verdict.
    pub(super) registers: Option<[u32; 20]>,
    /// The packet as it entered the chain, for rules that did not match.
    pub(super) packet: Option<Arc<Headers>>,
    /// Where it stands among the chains.
    pub(super) around: Around,
    /// Each expression's result is wanted.
    pub(super) expr: bool,
    /// The rule of a table of x_tables that it is about.
    pub(super) table: Option<TableStep>,
    /// Steps before it that are found with its text.
    pub(super) before: Vec<Trace>,
}

impl Unresolved {
    /// When it happened.
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns
    }

    /// Takes the steps before it, which are known when its text is.
    pub fn take_before(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.before)
    }

    /// Whether its rule is told from one that replaced it.
    pub fn is_settled(&self) -> bool {
        nfscope_ruleset::monotonic_ns().saturating_sub(self.monotonic_ns) > SETTLED_NS
    }

    /// Whether it has waited for a text long enough.
    pub fn is_old(&self) -> bool {
        nfscope_ruleset::monotonic_ns().saturating_sub(self.monotonic_ns) > PATIENCE_NS
    }
}
