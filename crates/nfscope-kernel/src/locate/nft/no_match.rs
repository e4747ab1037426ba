//! BREAK: an expression did not match.

use super::evals::Evals;
use super::outcomes::{Sites, holds};
use super::{Holds, How, Point, Refusal, View};
use crate::isa::{Cond, Flow, Op, Source};
use crate::locate::Loc;
use crate::locate::values::Val;

/// `NFT_CONTINUE` and `NFT_BREAK` (`include/uapi/linux/netfilter/nf_tables.h`).
const CONTINUE: i64 = -1;
const BREAK: i64 = -2;

/// BREAK: `regs.verdict.code = NFT_CONTINUE`, reached when the code was `NFT_BREAK`.
pub(super) fn no_match(
    view: &View,
    sites: &Sites,
    evals: &Evals,
    rule: Option<Val>,
) -> Result<Point, Refusal> {
    let found: Vec<usize> =
        (0..view.code.ins.len()).filter(|at| resets_after_break(view, *at)).collect();
    let at = match found.as_slice() {
        [] => {
            return Err(Refusal::Missing("reset of the verdict after an expression did not match"));
        }
        [at] => *at,
        _ => {
            return Err(Refusal::Disagreement(format!(
                "{} places look like the BREAK point",
                found.len()
            )));
        }
    };
    if let Some(reason) = view.code.probe_refused(at) {
        return Err(Refusal::NotProbeable { point: "BREAK", offset: view.offset(at), reason });
    }
    let rule = rule.ok_or(Refusal::Missing("value of the rule at its CONTINUE point"))?;
    let chain = sites.matched.first().and_then(|site| site.chain);
    let state = view.values.before(at);
    // The expression's register must hold what it can hold at the calls: the same variable.
    let expr = evals.expr.filter(|reg| {
        let here = state.map_or(Val::Unknown, |s| s.reg(*reg));
        evals.expr_leaves.is_some() && view.values.leaves(here) == evals.expr_leaves
    });
    let holds = Holds {
        rule: view.loc(at, rule).ok_or(Refusal::Missing("place that holds the rule at BREAK"))?,
        chain: chain.and_then(|chain| view.loc(at, chain)),
        expr: expr.map(Loc::Reg),
        ..holds(view, at)?
    };
    // The trace key's site of this outcome, where there is one, follows on the straight run.
    let site = (at + 1..view.code.ins.len())
        .take_while(|next| matches!(view.code.preds(*next), [edge] if edge.from + 1 == *next && !view.code.breaks_run(edge.from)))
        .find(|next| view.code.jump_site(*next).is_some());
    let site = site.map(|at| view.offset(at));
    Ok(Point { site, how: How::Before, probes: vec![view.offset(at)], holds })
}

/// A store of `NFT_CONTINUE` to the verdict, on the way from a comparison of it with `NFT_BREAK`.
fn resets_after_break(view: &View, at: usize) -> bool {
    let Some(state) = view.values.before(at) else { return false };
    let resets = view.code.ins[at].ops.iter().any(|op| match op {
        Op::Store { mem, src } => {
            let code = match src {
                Source::Const(value) => Some(*value),
                Source::Reg(reg) => match state.reg(*reg) {
                    Val::Const(value) => Some(value),
                    _ => None,
                },
                Source::Unknown => None,
            };
            mem.bytes == 4
                && state.frame_address(mem) == Some(view.verdict())
                && code.map(|value| i64::from(value as i32)) == Some(CONTINUE)
        }
        _ => false,
    });
    resets
        && view.code.preds(at).iter().any(|edge| {
            let equal = view.code.condition(*edge) == Some(Cond::Equal);
            let before = view.values.before(edge.from);
            // A way may lead over a bare jump: look at the branch in front of it.
            let through = || {
                let [earlier] = view.code.preds(edge.from) else { return false };
                let jump = matches!(view.code.ins[edge.from].flow, Flow::Jump { .. });
                let state = view.values.before(earlier.from);
                jump && view.code.condition(*earlier) == Some(Cond::Equal)
                    && state.and_then(|s| view.verdict_compared(s)) == Some(BREAK)
            };
            (equal && before.and_then(|s| view.verdict_compared(s)) == Some(BREAK)) || through()
        })
}
