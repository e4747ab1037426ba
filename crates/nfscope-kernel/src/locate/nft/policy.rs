//! Where a base chain's policy is looked up: passed once by every packet that no rule decided.
//!
//! The static-key sites of tracing and of the chain's counters stand before it and rejoin there, so the
//! lookup itself is passed whatever keys are on.

use serde::Serialize;

use super::Refusal;
use super::view::View;
use crate::isa::Op;
use crate::locate::Loc;

/// The lookup of `nft_base_chain.policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyPoint {
    /// Byte offsets of the probes: of copies of the lookup, of which a packet passes one.
    pub probes: Vec<u32>,
    /// `struct nft_pktinfo`.
    pub pkt: Loc,
    /// The base chain's `struct nft_chain`.
    pub basechain: Loc,
}

/// Finds the load of the policy, or copies of it on ways that never meet.
pub(super) fn find(view: &View) -> Result<PolicyPoint, Refusal> {
    let (policy, chain) = (view.layout.basechain.policy, view.layout.basechain.chain);
    let disp = i64::from(policy) - i64::from(chain);
    let loads = |at: &usize| {
        view.code.ins[*at].ops.iter().any(|op| match op {
            Op::Load { mem, .. } => {
                let base = mem.base.and_then(|reg| Some(view.values.before(*at)?.reg(reg)));
                mem.bytes == 1
                    && mem.disp == disp
                    && mem.index.is_none()
                    && base == Some(view.basechain())
            }
            _ => false,
        })
    };
    let found: Vec<usize> = (0..view.code.ins.len()).filter(loads).collect();
    if found.iter().any(|at| reaches_any(view, *at, &found)) {
        return Err(Refusal::Disagreement("the policy is looked up more than once".into()));
    }
    let mut points = found.iter().map(|at| point(view, *at));
    let Some(first) = points.next() else {
        return Err(Refusal::Missing("place where the policy is looked up"));
    };
    let mut all = first?;
    for point in points {
        let PolicyPoint { probes, pkt, basechain } = point?;
        if (pkt, basechain) != (all.pkt, all.basechain) {
            return Err(Refusal::Disagreement(
                "copies of the policy's lookup keep its values differently".into(),
            ));
        }
        all.probes.extend(probes);
    }
    Ok(all)
}

fn point(view: &View, at: usize) -> Result<PolicyPoint, Refusal> {
    if let Some(reason) = view.code.probe_refused(at) {
        return Err(Refusal::NotProbeable { point: "policy", offset: view.offset(at), reason });
    }
    let place = |value, what| view.loc(at, value).ok_or(Refusal::Missing(what));
    Ok(PolicyPoint {
        probes: vec![view.offset(at)],
        pkt: place(view.pkt(), "place that holds the packet where the policy is looked up")?,
        basechain: place(
            view.basechain(),
            "place that holds the base chain where the policy is looked up",
        )?,
    })
}

/// Whether the code goes on from one place to any of these.
fn reaches_any(view: &View, from: usize, targets: &[usize]) -> bool {
    let mut seen = vec![false; view.code.ins.len()];
    let mut open: Vec<usize> = view.code.succs(from).iter().map(|edge| edge.to).collect();
    while let Some(at) = open.pop() {
        if targets.contains(&at) {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(view.code.succs(at).iter().map(|edge| edge.to));
        }
    }
    false
}
