//! What nftables decided, and where: chains by jumps, gotos and returns.

use std::sync::Arc;

use nfscope_collect::trace::{Decision, DecisionKind, Head};
use nfscope_event::{ChainEnd, ChainRef, Missing, RuleText, Step, TracePolicy, TraceRule, Verdict};

use super::Way;
use super::headers::Headers;

/// A passage through a base chain.
#[derive(Debug, Clone)]
pub(super) struct Traversal {
    pub number: u32,
    pub entered_ns: u64,
    pub base: ChainRef,
    pub table_handle: u64,
    pub netns: u32,
    /// Names of the chains, from the base chain to the current one.
    pub chains: Vec<String>,
    /// The packet as it entered.
    pub packet: Arc<Headers>,
}

impl Traversal {
    /// How many jumps deep it is.
    pub fn depth(&self) -> u32 {
        u32::try_from(self.chains.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The current chain.
    pub fn place(&self) -> ChainRef {
        let base = self.base.chain.clone();
        let chain = self.chains.last().cloned();
        let base_chain = base.filter(|base| chain.as_ref() != Some(base));
        ChainRef { chain, base_chain, ..self.base.clone() }
    }
}

/// The step of a decision; it moves the packet to the next chain.
pub(super) fn decide(way: &mut Way, head: &Head, decision: &Decision) -> Option<Step> {
    let Some(traversal) = way.open.last_mut().filter(|t| t.number == head.traversal) else {
        // the chain's beginning was lost: what was decided there is not known
        return Some(Step::Missing(Missing { count: 1 }));
    };
    let verdict = Verdict::from_code(decision.code);
    let (number, depth, place) = (traversal.number, traversal.depth(), traversal.place());
    let left = decision.kind == DecisionKind::Policy || verdict.is_final();
    let elapsed_ns = left.then(|| head.monotonic_ns.saturating_sub(traversal.entered_ns));
    way.netns = traversal.netns;
    let step = match decision.kind {
        DecisionKind::End => {
            traversal.chains.pop();
            Step::End(ChainEnd { traversal: number, depth, place })
        }
        DecisionKind::Policy => Step::Policy(TracePolicy {
            traversal: number,
            place: traversal.base.clone(),
            verdict,
            elapsed_ns,
        }),
        DecisionKind::Rule => {
            let target = decision.target.clone();
            match verdict {
                Verdict::Jump => traversal.chains.push(target.clone().unwrap_or_default()),
                Verdict::Goto => {
                    traversal.chains.pop();
                    traversal.chains.push(target.clone().unwrap_or_default());
                }
                Verdict::Return => {
                    traversal.chains.pop();
                }
                _ => {}
            }
            let queue = (verdict == Verdict::Queue)
                .then(|| u16::try_from(decision.code >> 16 & 0xffff).unwrap_or_default());
            Step::Rule(Box::new(TraceRule {
                traversal: number,
                depth,
                place,
                handle: decision.rule,
                verdict,
                target,
                queue,
                text: RuleText::default(),
                element: None,
                sent: None,
                elapsed_ns,
            }))
        }
    };
    if left {
        way.dropped = verdict == Verdict::Drop;
        way.open.pop();
    }
    Some(step)
}
