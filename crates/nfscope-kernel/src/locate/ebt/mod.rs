//! Where `ebt_do_table` (`net/bridge/netfilter/ebtables.c`) has a rule's verdict, and where a chain's policy.
//!
//! ```c
//! while (i < nentries) {
//!         …
//!         t = ebt_get_target_c(point);
//!         if (!t->u.target->target)
//!                 verdict = ((struct ebt_standard_target *)t)->verdict;
//!         else
//!                 verdict = t->u.target->target(skb, &acpar);
//!         if (verdict == EBT_ACCEPT) …               // the verdict point: both ways meet here
//!         if (verdict == EBT_DROP) …
//!         …
//! }
//! if (chaininfo->policy == EBT_RETURN) goto letsreturn;
//! if (chaininfo->policy == EBT_ACCEPT) …             // the policy point
//! ```
//! Which register holds the rule is read backwards from the verdict: at the meeting it is either what a call
//! through a pointer has returned or four bytes that were loaded at `t + 40`; `t` is a sum of which one part
//! was loaded at the other part + 104 (`target_offset`). That other part is the rule.

mod running;

use std::fmt;

use serde::Serialize;

use super::code::Code;
use super::flow::Values;
use super::values::{Flags, Operand, State, Val};
use super::{Loc, ipt};
use crate::isa::{Cond, Flow, Op, Reg};
use crate::text::FunctionText;

pub use ipt::Refusal;
pub use running::BridgeLocated;

/// The function that a frame goes through a table in.
pub const FUNCTION: &str = "ebt_do_table";
/// The module that has it.
pub const MODULE: &str = "ebtables";

/// `struct ebt_entry`: `target_offset` (`include/uapi/linux/netfilter_bridge/ebtables.h`).
pub const TARGET_OFFSET: u32 = 104;
/// `struct ebt_standard_target`: `verdict`; `struct ebt_entries`: `policy` has the same offset.
const VERDICT: i64 = 40;
const POLICY: i64 = 40;
/// Verdicts and policies.
const EBT_DROP: i64 = -2;
const EBT_RETURN: i64 = -4;

/// A place in `ebt_do_table`, with what a probe there finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BridgePoint {
    /// The probe: bytes from the function's start.
    pub probe: u32,
    /// The rule (`struct ebt_entry`), or the chain (`struct ebt_entries`).
    pub entry: Loc,
    /// The packet.
    pub skb: Loc,
    /// A pointer into `struct ebt_table`,
    pub table: Loc,
    /// so many bytes behind its start.
    pub table_beyond: u32,
    /// `struct xt_action_param` on the function's stack.
    pub param: Loc,
    /// The verdict, or the policy.
    pub verdict: Reg,
}

/// The points of `ebt_do_table`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BridgePoints {
    /// A rule that matched has its verdict.
    pub verdict: BridgePoint,
    /// A chain's end was reached, and its policy is not to return.
    pub policy: BridgePoint,
}

impl fmt::Display for BridgePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probe, entry, skb, table, table_beyond, param, verdict } = self;
        write!(
            f,
            "+{probe:<#6x} entry={entry} skb={skb} table={table}-{table_beyond:#x} param={param} verdict={}",
            verdict.name()
        )
    }
}

impl fmt::Display for BridgePoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "verdict {}", self.verdict)?;
        write!(f, "policy  {}", self.policy)
    }
}

/// What is the same at both points.
struct Common {
    skb: Val,
    table: Val,
    param: Val,
}

/// Finds the points.
pub fn locate(text: &FunctionText) -> Result<BridgePoints, Refusal> {
    let code = Code::new(text)?;
    let values = Values::solve(&code, &[])?;
    let result = text.arch.regs().next().ok_or(Refusal::Missing("result register"))?;
    let (call, common) = target_call(&code, &values, result)?;

    let back = call + 1;
    let verdict = values.before(back).map_or(Val::Unknown, |state| state.reg(result));
    let entry = entry_of(&values, call, verdict)
        .ok_or(Refusal::Missing("rule that a standard target's verdict belongs to"))?;
    if !is_compared(&code, &values, verdict, EBT_DROP) {
        return Err(Refusal::Missing("comparison of a verdict with EBT_DROP"));
    }
    let (policy_at, chain, policy) = policy(&code, &values)?;
    let at_policy = values.before(policy_at).ok_or(Refusal::Missing("way to a policy"))?;
    let policy = match Loc::of(at_policy, policy) {
        Some(Loc::Reg(reg)) => reg,
        _ => return Err(Refusal::Missing("register that holds the policy")),
    };
    Ok(BridgePoints {
        verdict: point(&code, &values, back, entry, result, &common)?,
        policy: point(&code, &values, policy_at, chain, policy, &common)?,
    })
}

/// The call of a target: of those through a pointer the one behind which its result and a standard target's
/// verdict meet.
fn target_call(code: &Code, values: &Values, result: Reg) -> Result<(usize, Common), Refusal> {
    let argument = |n| code.text.arch.arg(n).map_or(Val::Unknown, Val::Entry);
    let mut found = Vec::new();
    for call in 0..code.ins.len() {
        if code.call(call) != Some(None) || values.before(call).is_none() {
            continue;
        }
        // until 5.16 the packet was the first argument, since then it is the second
        // ("netfilter: ebtables: allow use of ebt_do_table as hookfn")
        let (skb, param) = (values.arg(call, 0), values.arg(call, 1));
        let table = match [0, 1].into_iter().find(|n| argument(*n) == skb) {
            Some(0) => argument(2),
            Some(_) => argument(0),
            None => continue,
        };
        let verdict = values.before(call + 1).map_or(Val::Unknown, |state| state.reg(result));
        if matches!(param, Val::Stack(_)) && entry_of(values, call, verdict).is_some() {
            found.push((call, Common { skb, table, param }));
        }
    }
    match found.len() {
        1 => found.pop().ok_or(Refusal::Missing("call of a target")),
        0 => Err(Refusal::Missing("call of a target whose result meets a standard verdict")),
        count => Err(Refusal::Several { what: "call of a target", count }),
    }
}

/// The rule whose verdict this is, behind the call.
fn entry_of(values: &Values, call: usize, verdict: Val) -> Option<Val> {
    let result = Val::Def(u16::try_from(call).ok()?, u8::MAX);
    let leaves = values.leaves(verdict)?;
    if !leaves.contains(&result) {
        return None;
    }
    let mut entries = leaves.iter().filter(|leaf| **leaf != result).map(|leaf| {
        let target = loaded_from(values, *leaf, VERDICT)?;
        let (at, Op::Add { base, disp: 0, index: Some(index), .. }) = values.origin(target)? else {
            return None;
        };
        let state = values.before(at)?;
        let (one, other) = (state.reg(*base), state.reg(*index));
        [(one, other), (other, one)].into_iter().find_map(|(entry, offset)| {
            let offsets = values.leaves(offset)?;
            let own = |leaf: &Val| loaded_from(values, *leaf, TARGET_OFFSET.into()) == Some(entry);
            (entry != Val::Unknown && !offsets.is_empty() && offsets.iter().all(own))
                .then_some(entry)
        })
    });
    let entry = entries.next()??;
    entries.all(|other| other == Some(entry)).then_some(entry)
}

/// If a value is four bytes that were loaded so far behind a pointer: the pointer.
fn loaded_from(values: &Values, val: Val, disp: i64) -> Option<Val> {
    let (at, Op::Load { mem, .. }) = values.origin(val)? else { return None };
    let plain = mem.bytes == 4 && mem.index.is_none() && mem.disp == disp;
    let pointer = values.before(at)?.reg(mem.base.filter(|_| plain)?);
    (pointer != Val::Unknown).then_some(pointer)
}

/// Whether a branch hangs on a value's comparison with a constant.
fn is_compared(code: &Code, values: &Values, val: Val, with: i64) -> bool {
    (0..code.ins.len()).any(|at| compares(code, values, at, val, with))
}

fn compares(code: &Code, values: &Values, at: usize, val: Val, wanted: i64) -> bool {
    let branches = matches!(code.ins[at].flow, Flow::Branch { .. });
    let flags = values.before(at).map(|state| state.flags);
    branches
        && matches!(flags, Some(Flags::Compared { left: Operand::Value(left), with, bits: 32 })
            if left == val && with as i32 == wanted as i32)
}

/// Where a chain's policy is known not to be EBT_RETURN, with the chain and the policy.
fn policy(code: &Code, values: &Values) -> Result<(usize, Val, Val), Refusal> {
    let mut found = Vec::new();
    for branch in 0..code.ins.len() {
        let Some(Flags::Compared { left: Operand::Value(policy), .. }) =
            values.before(branch).map(|state| state.flags)
        else {
            continue;
        };
        let Some(chain) = loaded_from(values, policy, POLICY) else { continue };
        if !compares(code, values, branch, policy, EBT_RETURN) {
            continue;
        }
        let other = |edge: &&super::code::Edge| code.condition(**edge) == Some(Cond::NotEqual);
        let Some(edge) = code.succs(branch).iter().find(other) else { continue };
        if code.preds(edge.to).len() == 1 {
            found.push((edge.to, chain, policy));
        }
    }
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(Refusal::Missing("place that all policies pass")),
        several => Err(Refusal::Several { what: "policy", count: several.len() }),
    }
}

fn point(
    code: &Code,
    values: &Values,
    at: usize,
    entry: Val,
    verdict: Reg,
    common: &Common,
) -> Result<BridgePoint, Refusal> {
    let offset = code.ins.get(at).map_or(0, |ins| ins.offset);
    if let Some(reason) = code.probe_refused(at) {
        return Err(Refusal::NotProbeable { offset, reason });
    }
    let state = values.before(at).ok_or(Refusal::Missing("way to its points"))?;
    let place = |val, what| Loc::of(state, val).ok_or(Refusal::Missing(what));
    let (table, table_beyond) = table_at(code, values, state, common.table)
        .ok_or(Refusal::Missing("place that holds the table"))?;
    Ok(BridgePoint {
        probe: offset,
        entry: place(entry, "place that holds the rule or the chain")?,
        skb: place(common.skb, "place that holds the packet")?,
        table,
        table_beyond,
        param: place(common.param, "place that holds the hook's state")?,
        verdict,
    })
}

/// The table, or a pointer to one of its members (its lock's, which is needed last), and how far behind the
/// table's start that is.
fn table_at(code: &Code, values: &Values, state: &State, table: Val) -> Option<(Loc, u32)> {
    if let Some(at) = Loc::of(state, table) {
        return Some((at, 0));
    }
    code.ins.iter().enumerate().find_map(|(at, ins)| {
        let before = values.before(at)?;
        ins.ops.iter().zip(0u8..).find_map(|(op, part)| match *op {
            Op::Add { base, disp, index: None, .. } if before.reg(base) == table => {
                let member = Val::Def(u16::try_from(at).ok()?, part);
                Some((Loc::of(state, member)?, u32::try_from(disp).ok()?))
            }
            _ => None,
        })
    })
}
