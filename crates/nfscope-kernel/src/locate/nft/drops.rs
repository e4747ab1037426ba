//! Places that only a dropped packet reaches.
//!
//! Since "netfilter: nf_tables: mask out non-verdict bits" and `NF_DROP_REASON` (about 6.7) the function
//! frees the packet itself when a rule or a policy drops it. The calls that free are told apart by the
//! conditions under which they are reached: behind `verdict & 0xff == NF_DROP` it was a rule, behind the
//! base chain's policy byte the policy, anything else (a jump stack that ran over) neither.

use serde::Serialize;

use super::outcomes::{Sites, holds};
use super::{Holds, Refusal, View};
use crate::isa::{Cond, Flow};
use crate::locate::code::Edge;
use crate::locate::values::{Flags, Operand, State, Val};

/// Functions that free a dropped packet (`net/core/skbuff.c`), and which argument the packet is.
const FREES: [(&str, usize); 4] = [
    ("sk_skb_reason_drop", 1),
    ("kfree_skb_reason", 0),
    ("__kfree_skb_reason", 0),
    ("kfree_skb", 0),
];

/// `NF_VERDICT_MASK` (`include/uapi/linux/netfilter.h`).
const VERDICT_MASK: u64 = 0xff;

/// Jumps followed backwards to a condition.
const DEPTH: u32 = 16;

/// Who dropped the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropCause {
    /// A rule.
    Rule,
    /// The base chain's policy.
    Policy,
    /// Either; the verdict in the registers tells: its low byte is 0 (`NF_DROP`) for a rule and not for
    /// the policy.
    RuleOrPolicy,
    /// Neither: no rule and no policy said so (the jump stack ran over).
    Other,
}

/// A place that only a dropped packet reaches, before it is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DropPoint {
    /// Who drops there.
    pub cause: DropCause,
    /// Byte offset of the probe.
    pub probe: u32,
    /// Byte offset that the freeing call returns to: the location that `skb:kfree_skb` reports.
    pub returns: u32,
    /// Where the values are at the probe. `rule` is the dropping rule where a rule dropped; for a policy
    /// it is the last rule or marker and says nothing; `None` where it is not known.
    pub rule: Option<crate::locate::Loc>,
    /// Everything but the rule.
    #[serde(flatten)]
    pub holds: DropHolds,
}

/// Where values are at a drop point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DropHolds {
    /// `struct nft_pktinfo`.
    pub pkt: crate::locate::Loc,
    /// The address of `struct nft_regs`.
    pub regs: crate::locate::Loc,
    /// The base chain's `struct nft_chain`.
    pub basechain: Option<crate::locate::Loc>,
}

impl From<Holds> for DropHolds {
    fn from(holds: Holds) -> Self {
        Self { pkt: holds.pkt, regs: holds.regs, basechain: holds.basechain }
    }
}

/// Finds and classifies the calls that free the packet.
pub(super) fn find(view: &View, sites: &Sites) -> Result<Vec<DropPoint>, Refusal> {
    let mut out = Vec::new();
    for call in 0..view.code.ins.len() {
        let Some(Some(name)) = view.code.call(call) else { continue };
        let Some((_, skb)) = FREES.iter().find(|(free, _)| *free == name) else { continue };
        if view.values.before(call).is_none() {
            continue;
        }
        let member = i64::from(view.layout.pktinfo.skb);
        if !view.is_member(view.values.arg(call, *skb), view.pkt(), member, 8) {
            return Err(Refusal::Disagreement(format!(
                "the call of {name} at +{:#x} does not free the function's packet",
                view.offset(call)
            )));
        }
        out.push(point(view, sites, call)?);
    }
    let wanted = out.iter().filter(|p| p.cause != DropCause::Other).map(|p| p.cause);
    check(wanted.collect())?;
    Ok(out)
}

/// Either nothing is freed here, or both a rule's and a policy's drops are seen, each at one place.
fn check(mut causes: Vec<DropCause>) -> Result<(), Refusal> {
    causes.sort_unstable();
    match causes.as_slice() {
        [] | [DropCause::Rule, DropCause::Policy] | [DropCause::RuleOrPolicy] => Ok(()),
        _ => Err(Refusal::Disagreement(format!(
            "the places that free a dropped packet are {causes:?}, not one for rules and one for policies"
        ))),
    }
}

fn point(view: &View, sites: &Sites, call: usize) -> Result<DropPoint, Refusal> {
    let head = head_of_run(view, call);
    let cause = classify(view, head)?;
    if let Some(reason) = view.code.probe_refused(head) {
        return Err(Refusal::NotProbeable { point: "drop", offset: view.offset(head), reason });
    }
    let rule = match sites.verdict.as_slice() {
        [site] => view.loc(head, site.rule),
        _ => None,
    };
    if rule.is_none() && matches!(cause, DropCause::Rule | DropCause::RuleOrPolicy) {
        return Err(Refusal::Missing("place that holds the rule where it drops the packet"));
    }
    Ok(DropPoint {
        cause,
        probe: view.offset(head),
        returns: view.code.ins[call].end(),
        rule,
        holds: holds(view, head)?.into(),
    })
}

/// First instruction of the straight run that ends in `at`.
fn head_of_run(view: &View, mut at: usize) -> usize {
    while let [edge] = view.code.preds(at) {
        if edge.taken || view.code.breaks_run(edge.from) {
            break;
        }
        at = edge.from;
    }
    at
}

/// The one cause of all ways that lead to a run.
fn classify(view: &View, head: usize) -> Result<DropCause, Refusal> {
    let mut causes = Vec::new();
    collect(view, head, DEPTH, &mut causes);
    causes.sort_unstable();
    causes.dedup();
    match causes.as_slice() {
        [cause] => Ok(*cause),
        [DropCause::Rule, DropCause::Policy] => Ok(DropCause::RuleOrPolicy),
        _ => Err(Refusal::Disagreement(format!(
            "the packet is freed at +{:#x} for several reasons that cannot be told apart",
            view.offset(head)
        ))),
    }
}

fn collect(view: &View, head: usize, depth: u32, causes: &mut Vec<DropCause>) {
    for edge in view.code.preds(head) {
        let jumped = matches!(view.code.ins[edge.from].flow, Flow::Jump { .. });
        match cause_of(view, *edge) {
            Some(cause) => causes.push(cause),
            // A bare jump or a fall-through: its own run's conditions count.
            None if depth > 0 && (jumped || !view.code.breaks_run(edge.from)) => {
                collect(view, head_of_run(view, edge.from), depth - 1, causes);
            }
            None => causes.push(DropCause::Other),
        }
    }
}

/// The cause that an edge's own condition stands for.
fn cause_of(view: &View, edge: Edge) -> Option<DropCause> {
    let cond = view.code.condition(edge)?;
    let state = view.values.before(edge.from)?;
    let (value, mask) = zero(cond, state)?;
    if verdict_is_drop(view, value, mask) {
        return Some(DropCause::Rule);
    }
    let (policy, chain) = (view.layout.basechain.policy, view.layout.basechain.chain);
    let disp = i64::from(policy) - i64::from(chain);
    let policy =
        mask & VERDICT_MASK == VERDICT_MASK && view.is_member(value, view.basechain(), disp, 1);
    policy.then_some(DropCause::Policy)
}

/// The value, and the bits of it, that are zero under a condition.
fn zero(cond: Cond, state: &State) -> Option<(Val, u64)> {
    match cond {
        Cond::Zero { reg, bits } => {
            Some((state.reg(reg), 1u64.checked_shl(bits.into()).map_or(u64::MAX, |b| b - 1)))
        }
        Cond::Equal => match state.flags {
            Flags::Tested { value, mask } => Some((value, mask)),
            Flags::Compared { left: Operand::Value(value), with: 0, .. } => Some((value, u64::MAX)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether "these bits of the value are zero" says that the verdict's low byte is `NF_DROP`.
fn verdict_is_drop(view: &View, value: Val, mask: u64) -> bool {
    use crate::isa::Op;
    if view.is_verdict(value) {
        return mask == VERDICT_MASK;
    }
    let leaves = view.values.leaves(value).unwrap_or_default();
    !leaves.is_empty()
        && leaves.iter().all(|leaf| match view.values.origin(*leaf) {
            // verdict & 0xff, compared as a whole.
            Some((at, Op::And { src, mask: low, .. })) => {
                let src = view.values.before(at).map_or(Val::Unknown, |s| s.reg(*src));
                *low & mask == VERDICT_MASK && view.is_verdict(src)
            }
            // The low byte alone.
            Some((at, Op::Load { mem, .. })) => {
                let address = view.values.before(at).and_then(|s| s.frame_address(mem));
                mem.bytes == 1
                    && address == Some(view.verdict())
                    && mask & VERDICT_MASK == VERDICT_MASK
            }
            _ => false,
        })
}
