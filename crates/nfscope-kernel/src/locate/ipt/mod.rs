//! Where `ipt_do_table` (`net/ipv4/netfilter/ip_tables.c`), `ip6t_do_table` and `arpt_do_table` have a rule
//! that matches, and where a target has said what becomes of the packet.
//!
//! ```c
//! e = get_entry(table_base, private->hook_entry[hook]);
//! do {
//!         if (!ip_packet_match(…)) { no_match: e = ipt_next_entry(e); continue; }
//!         xt_ematch_foreach(ematch, e)
//!                 if (!acpar.match->match(skb, &acpar)) goto no_match;
//!         ADD_COUNTER(…);
//!         t = ipt_get_target_c(e);                           // the match point
//!         if (!t->u.kernel.target->target) { …; continue; }  // standard: ACCEPT, DROP, jumps, RETURN, policy
//!         verdict = t->u.kernel.target->target(skb, &acpar); // the verdict point is behind this call
//!         if (verdict == XT_CONTINUE) e = ipt_next_entry(e); else break;
//! } while (!acpar.hotdrop);
//! ```
//! `ipt_get_target_c` is `(void *)e + e->target_offset`, and `t->u.kernel.target` is the pointer at `t + 8`:
//! three instructions that stand at a few places (the end of the matches' loop, the inlined
//! `trace_packet`), but only at the match point do all ways to the target's call pass them. Both points are
//! passed once for a rule that matches, none for one that does not.

mod running;

use std::fmt;

use serde::Serialize;

use super::Loc;
use super::code::{Code, CodeError};
use super::flow::Values;
use super::values::Val;
use crate::isa::{Flow, Op, Reg};
use crate::text::FunctionText;

pub use running::{LegacyError, LegacyLocated};

/// Instructions among which the three that find the target are looked for.
const NEAR: usize = 8;
/// `struct xt_entry_target`: `u.kernel.target` (`include/uapi/linux/netfilter/x_tables.h`).
const TARGET_POINTER: i64 = 8;

/// A family's table function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tables {
    /// `ip_tables`
    Ipv4,
    /// `ip6_tables`
    Ipv6,
    /// `arp_tables`
    Arp,
}

impl Tables {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::Arp];

    /// The function that a packet goes through a table in.
    pub fn function(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipt_do_table",
            Self::Ipv6 => "ip6t_do_table",
            Self::Arp => "arpt_do_table",
        }
    }

    /// The module that has it.
    pub fn module(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip_tables",
            Self::Ipv6 => "ip6_tables",
            Self::Arp => "arp_tables",
        }
    }

    /// `ipt_entry.target_offset`, `ip6t_entry.target_offset`, `arpt_entry.target_offset`
    /// (`include/uapi/linux/netfilter_ipv4/ip_tables.h`, `…_ipv6/ip6_tables.h`, `…_arp/arp_tables.h`): user
    /// space has the same structs.
    pub fn target_offset(self) -> u32 {
        match self {
            Self::Ipv4 => 88,
            Self::Ipv6 => 140,
            Self::Arp => 164,
        }
    }
}

/// Why no points were found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The code could not be decoded or followed.
    #[error("the code of the table function cannot be analysed: {0}")]
    Code(#[from] CodeError),
    /// Something that must be there is not.
    #[error(
        "the table function of this kernel has no {0}: it is built in a way nfscope does not know"
    )]
    Missing(&'static str),
    /// There are several of what should be one.
    #[error("the table function of this kernel has {count} of what should be one {what}")]
    Several {
        /// What.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// A probe cannot sit there.
    #[error("the point at +{offset:#x} of the table function cannot be probed: {reason}")]
    NotProbeable {
        /// Byte offset.
        offset: u32,
        /// Why.
        reason: String,
    },
}

/// A place in the table function, with what a probe there finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TablePoint {
    /// The probe: bytes from the function's start.
    pub probe: u32,
    /// The rule: `struct ipt_entry`.
    pub entry: Loc,
    /// The packet.
    pub skb: Loc,
    /// `struct xt_table`, or what its `private` points to.
    pub table: TableLoc,
    /// `struct xt_action_param` on the function's stack; its `state` is what the hook was called with.
    pub param: Loc,
}

/// What a table function still has of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableLoc {
    /// `struct xt_table`.
    Table(Loc),
    /// `struct xt_table_info`: `arpt_do_table` needs no more of its table.
    Info(Loc),
}

/// The points of a table function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TablePoints {
    /// All matches of a rule have said yes.
    pub matched: TablePoint,
    /// A target that is a function has come back.
    pub verdict: TablePoint,
    /// Holds its verdict there.
    pub verdict_register: Reg,
    /// Which argument of the function is the packet: 0 where it is followed by the hook's state and the
    /// table, 1 where it stands between them.
    pub packet_argument: u32,
}

impl fmt::Display for TablePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probe, entry, skb, table, param } = self;
        write!(f, "+{probe:<#6x} entry={entry} skb={skb} {table} param={param}")
    }
}

impl fmt::Display for TableLoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(at) => write!(f, "table={at}"),
            Self::Info(at) => write!(f, "info={at}"),
        }
    }
}

impl fmt::Display for TablePoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matched, verdict, verdict_register, .. } = self;
        writeln!(f, "matched {matched}")?;
        write!(f, "verdict {verdict} verdict={}", verdict_register.name())
    }
}

/// A place where the target of an entry is found.
struct Candidate {
    at: usize,
    entry: Val,
}

/// Finds the points.
pub fn locate(text: &FunctionText, tables: Tables) -> Result<TablePoints, Refusal> {
    let code = Code::new(text)?;
    let values = Values::solve(&code, &[])?;
    let argument = |n| text.arch.arg(n).map_or(Val::Unknown, Val::Entry);

    // the packet is the first argument of matches and targets; until 5.16 it was the table function's
    // first too, since then it is the second ("netfilter: iptables: allow use of ipt_do_table as hookfn")
    let through_pointer = |at: &usize| code.call(*at) == Some(None) && values.before(*at).is_some();
    let calls: Vec<usize> = (0..code.ins.len()).filter(through_pointer).collect();
    let packet = [0usize, 1].into_iter().find(|n| {
        calls
            .iter()
            .any(|call| values.arg(*call, 0) == argument(*n) && argument(*n) != Val::Unknown)
    });
    let packet = packet.ok_or(Refusal::Missing("call that is given the packet"))?;
    let (skb, table) = (argument(packet), argument(if packet == 0 { 2 } else { 0 }));

    let mut found: Vec<(Candidate, usize)> = Vec::new();
    for at in 0..code.ins.len() {
        let Some(entry) = target_found_at(&code, &values, at, tables) else { continue };
        let without = reached_without(&code, at);
        let behind = calls.iter().filter(|call| {
            values.arg(**call, 0) == skb
                && !without.get(**call).copied().unwrap_or(true)
                && values.before(**call).is_some_and(|state| !state.places(entry).is_empty())
        });
        found.extend(behind.map(|call| (Candidate { at, entry }, *call)));
    }
    let (candidate, call) = match found.as_slice() {
        [] => return Err(Refusal::Missing("place that all ways to a target's call pass")),
        [(candidate, call)] => (candidate, *call),
        several => {
            return Err(Refusal::Several { what: "match point", count: several.len() });
        }
    };
    let Val::Stack(_) = values.arg(call, 1) else {
        return Err(Refusal::Missing("struct xt_action_param on its stack"));
    };
    let param = values.arg(call, 1);
    let info = private_of(&code, &values, table);
    let point = |at: usize| -> Result<TablePoint, Refusal> {
        let offset = code.ins.get(at).map_or(0, |ins| ins.offset);
        if let Some(reason) = code.probe_refused(at) {
            return Err(Refusal::NotProbeable { offset, reason });
        }
        let state = values.before(at).ok_or(Refusal::Missing("way to its points"))?;
        let place = |val, what| Loc::of(state, val).ok_or(Refusal::Missing(what));
        let whole = Loc::of(state, table).map(TableLoc::Table);
        let part = || Loc::of(state, info?).map(TableLoc::Info);
        Ok(TablePoint {
            probe: offset,
            entry: place(candidate.entry, "place that holds the rule")?,
            skb: place(skb, "place that holds the packet")?,
            table: whole.or_else(part).ok_or(Refusal::Missing("place that holds the table"))?,
            param: place(param, "place that holds the hook's state")?,
        })
    };
    let back = call + 1;
    if !matches!(code.preds(back), [edge] if edge.from == call) {
        return Err(Refusal::Missing("instruction of its own behind the target's call"));
    }
    let result = text.arch.regs().next().ok_or(Refusal::Missing("result register"))?;
    Ok(TablePoints {
        matched: point(candidate.at)?,
        verdict: point(back)?,
        verdict_register: result,
        packet_argument: u32::from(packet != 0),
    })
}

/// If the target of an entry is found from this instruction on (`entry + entry->target_offset`, and the
/// pointer 8 bytes behind is loaded): the entry.
fn target_found_at(code: &Code, values: &Values, at: usize, tables: Tables) -> Option<Val> {
    let loads = |op: &Op| match *op {
        Op::Load { dst, mem }
            if mem.bytes == 2
                && mem.index.is_none()
                && mem.disp == i64::from(tables.target_offset()) =>
        {
            Some((dst, mem.base?))
        }
        _ => None,
    };
    let (offset, base) = code.ins.get(at)?.ops.iter().find_map(loads)?;
    let entry = values.before(at)?.reg(base);
    let mut target: Option<Val> = None;
    for near in at + 1..(at + 1 + NEAR).min(code.ins.len()) {
        let (before, ins) = (values.before(near)?, code.ins.get(near)?);
        for op in &ins.ops {
            match *op {
                Op::Add { dst, base: one, disp: 0, index: Some(other) }
                    if [one, other].contains(&offset)
                        && [one, other].iter().any(|reg| before.reg(*reg) == entry) =>
                {
                    target = values.after(near).map(|state| state.reg(dst));
                }
                Op::Load { mem, .. }
                    if mem.bytes == 8 && mem.disp == TARGET_POINTER && mem.index.is_none() =>
                {
                    let base = mem.base.map(|base| before.reg(base));
                    if target.is_some() && base == target && base != Some(Val::Unknown) {
                        return Some(entry).filter(|entry| *entry != Val::Unknown);
                    }
                }
                _ => {}
            }
        }
        if !matches!(ins.flow, Flow::Next) {
            return None;
        }
    }
    None
}

/// The one pointer that the function takes out of its table: `xt_table.private`.
fn private_of(code: &Code, values: &Values, table: Val) -> Option<Val> {
    let mut found = None;
    for (at, ins) in code.ins.iter().enumerate() {
        let Some(before) = values.before(at) else { continue };
        for op in &ins.ops {
            let Op::Load { dst, mem } = *op else { continue };
            let base = mem.base.map(|base| before.reg(base));
            if mem.bytes != 8 || mem.index.is_some() || base != Some(table) {
                continue;
            }
            let loaded = values.after(at)?.reg(dst);
            if found.replace(loaded).is_some() {
                return None;
            }
        }
    }
    found
}

/// Which instructions can be reached from the function's start without passing `barred`.
fn reached_without(code: &Code, barred: usize) -> Vec<bool> {
    let mut reached = vec![false; code.ins.len()];
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        if at == barred || std::mem::replace(&mut reached[at], true) {
            continue;
        }
        open.extend(code.succs(at).iter().map(|edge| edge.to));
    }
    reached
}
