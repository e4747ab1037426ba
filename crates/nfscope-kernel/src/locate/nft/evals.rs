//! The calls of expressions' eval functions: `eval(expr, regs, pkt)`, by name or through
//! `expr->ops->eval`.

use serde::Serialize;

use super::{Refusal, View, preserved};
use crate::isa::{Arch, Reg};
use crate::locate::Loc;
use crate::locate::code::Code;
use crate::locate::flow::Values;
use crate::locate::values::Val;

/// All calls, and what they agree on.
pub(super) struct Evals {
    /// Indexes of the calls.
    pub calls: Vec<usize>,
    /// Frame offset of `struct nft_regs`.
    pub regs: i32,
    /// The register that holds the expression across each call.
    pub expr: Option<Reg>,
    /// What can be in it there.
    pub expr_leaves: Option<Vec<Val>>,
}

/// What a probe at the *entry* of an eval function finds in its caller's registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EvalEntry {
    /// The rule that the expression belongs to: at every call it is in this register, which functions
    /// preserve.
    pub rule: Reg,
    /// The base chain, if at every call the same preserved register or stack slot holds it; as a probe at
    /// the called function's entry finds it.
    pub basechain: Option<Loc>,
}

/// Finds the calls and checks that they agree.
pub(super) fn find(code: &Code, values: &Values) -> Result<Evals, Refusal> {
    let is_eval = |at: &usize| match code.call(*at) {
        Some(Some(name)) => name.starts_with("nft_") && name.ends_with("_eval"),
        Some(None) => true,
        None => false,
    };
    let reached = |at: &usize| values.before(*at).is_some();
    let calls: Vec<usize> = (0..code.ins.len()).filter(is_eval).filter(reached).collect();
    let first = *calls.first().ok_or(Refusal::Missing("call of an expression"))?;
    if !calls.iter().any(|at| code.call(*at) == Some(None)) {
        return Err(Refusal::Missing("call through expr->ops->eval"));
    }
    let pkt = code.text.arch.arg(0).map_or(Val::Unknown, Val::Entry);
    let Val::Stack(regs) = values.arg(first, 1) else {
        return Err(Refusal::Missing("struct nft_regs on its stack"));
    };
    for at in &calls {
        if values.arg(*at, 1) != Val::Stack(regs) || values.arg(*at, 2) != pkt {
            return Err(Refusal::Disagreement(format!(
                "the expression call at +{:#x} is given other registers or another packet than that at +{:#x}",
                code.ins[*at].offset, code.ins[first].offset
            )));
        }
    }
    let holders = |at: &usize| -> Vec<Reg> {
        let state = values.before(*at);
        let place = |reg: &Reg| state.is_some_and(|s| s.reg(*reg) == values.arg(*at, 0));
        code.text.arch.regs().filter(|r| r.callee_saved()).filter(place).collect()
    };
    let candidates = holders(&first);
    let expr = candidates.into_iter().find(|reg| calls.iter().all(|at| holders(at).contains(reg)));
    let all_leaves = || {
        let mut all = Vec::new();
        for at in &calls {
            all.extend(values.leaves(values.arg(*at, 0))?);
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    };
    let expr_leaves = all_leaves();
    Ok(Evals { calls, regs, expr, expr_leaves })
}

/// Where `rule` (the value at CONTINUE) and the base chain are at every call.
pub(super) fn entry(view: &View, evals: &Evals, rule: Option<Val>) -> Option<EvalEntry> {
    // An x86-64 call pushes the return address; arm64 keeps it in a register.
    let pushed = match view.code.text.arch {
        Arch::X86_64 => 8,
        Arch::Aarch64 => 0,
    };
    let held = |val: Val| {
        let at = |call: &usize| match view.loc(*call, val)? {
            Loc::Reg(reg) => preserved(reg).map(Loc::Reg),
            Loc::Stack(offset) => Some(Loc::Stack(offset.checked_add(pushed)?)),
            Loc::StackAddr(_) => None,
        };
        let first = at(evals.calls.first()?)?;
        evals.calls.iter().all(|call| at(call) == Some(first)).then_some(first)
    };
    let Some(Loc::Reg(rule)) = held(rule?) else { return None };
    Some(EvalEntry { rule, basechain: held(view.basechain()) })
}
