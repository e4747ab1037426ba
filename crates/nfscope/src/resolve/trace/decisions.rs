//! What nftables decided, and where: chains by jumps, gotos and returns.

use std::sync::Arc;

use nfscope_collect::trace::{Decision, DecisionKind, Head};
use nfscope_event::{
    ChainEnd, ChainRef, Evaluation, Missing, RuleText, Step, TracePolicy, TraceRule, Verdict,
};

use super::Way;
use super::headers::Headers;
use super::passages::{Around, Passage};

/// A passage through a base chain.
#[derive(Debug, Clone)]
pub(super) struct Traversal {
    pub number: u32,
    pub entered_ns: u64,
    /// The earliest that it can have been.
    pub earliest_ns: u64,
    pub base: ChainRef,
    pub table_handle: u64,
    pub netns: u32,
    /// From the base chain to the current one.
    pub chains: Vec<Passage>,
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
        let chain = self.chains.last().map(|passage| passage.chain.clone());
        let base_chain = base.filter(|base| chain.as_ref() != Some(base));
        ChainRef { chain, base_chain, ..self.base.clone() }
    }
}

/// The step of a decision, which moves the packet to the next chain, and where it
/// stands.
pub(super) fn decide(way: &mut Way, head: &Head, decision: &Decision) -> (Step, Around) {
    let Some(traversal) = way.open.last_mut().filter(|t| t.number == head.traversal) else {
        // the chain's beginning was lost: what was decided there is not known
        return (Step::Missing(Missing { count: Some(1) }), Around::default());
    };
    let verdict = Verdict::from_code(decision.code);
    let (number, depth, place) = (traversal.number, traversal.depth(), traversal.place());
    let last = decision.kind == DecisionKind::Policy || verdict.is_final();
    // when a message was read says nothing about the time between two
    let timed = last && head.earliest_ns == head.monotonic_ns;
    let elapsed_ns = timed.then(|| head.monotonic_ns.saturating_sub(traversal.entered_ns));
    way.netns = traversal.netns;
    let around = follow(traversal, decision, verdict);
    let step = match decision.kind {
        DecisionKind::End => Step::End(Box::new(ChainEnd {
            traversal: number,
            depth,
            place,
            not_matched: Vec::new(),
            evaluation: Evaluation::default(),
        })),
        DecisionKind::Policy => Step::Policy(Box::new(TracePolicy {
            traversal: number,
            place: traversal.base.clone(),
            verdict,
            elapsed_ns,
            evaluation: Evaluation::default(),
        })),
        DecisionKind::Rule => {
            let queue = (verdict == Verdict::Queue)
                .then(|| u16::try_from(decision.code >> 16 & 0xffff).unwrap_or_default());
            Step::Rule(Box::new(TraceRule {
                traversal: number,
                depth,
                place,
                handle: decision.rule,
                verdict,
                target: decision.target.clone(),
                queue,
                text: RuleText::default(),
                element: None,
                sent: None,
                elapsed_ns,
                not_matched: Vec::new(),
                evaluation: Evaluation::default(),
            }))
        }
    };
    if last {
        way.dropped = verdict == Verdict::Drop;
        way.open.pop();
    }
    (step, around)
}

/// Follows the packet through the chains.
fn follow(traversal: &mut Traversal, decision: &Decision, verdict: Verdict) -> Around {
    let chains = &mut traversal.chains;
    let mut left = Vec::new();
    if decision.kind == DecisionKind::Rule
        && let Some(passage) = chains.last_mut()
    {
        passage.matched.push(decision.rule);
    }
    let target = || Passage::new(decision.target.clone().unwrap_or_default());
    match (decision.kind, verdict) {
        (DecisionKind::End, _) | (DecisionKind::Rule, Verdict::Return) => left.extend(chains.pop()),
        (DecisionKind::Rule, Verdict::Jump) => chains.push(target()),
        (DecisionKind::Rule, Verdict::Goto) => {
            left.extend(chains.pop());
            chains.push(target());
        }
        (DecisionKind::Rule, verdict) if verdict.is_final() => {
            left.extend(chains.drain(..).rev());
        }
        _ => {}
    }
    let returned = (!left.is_empty() && verdict != Verdict::Goto).then(|| chains.last());
    // behind a loss the rule that had jumped is not known
    let jumped = |p: &Passage| p.matched.last().copied().filter(|_| p.whole);
    let returned = returned.flatten().map(|p| (p.chain.clone(), jumped(p)));
    Around {
        entered_ns: traversal.entered_ns,
        earliest_ns: traversal.earliest_ns,
        code: decision.code,
        left,
        to_the_end: decision.kind == DecisionKind::End,
        returned,
    }
}
