//! Where `nf_hook_slow` (`net/netfilter/core.c`) drops a packet, and how to name the hook function that
//! said so.
//!
//! ```c
//! for (; s < e->num_hook_entries; s++) {
//!         verdict = nf_hook_entry_hookfn(&e->hooks[s], skb, state);
//!         switch (verdict & NF_VERDICT_MASK) {
//!         case NF_DROP: kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP); …
//! ```
//! `skb`, `state` and `e` are the function's arguments; `s` starts as its fourth and is the variable that
//! the loop carries. In front of the freeing call all of them are still live, and nobody else comes there.

use std::fmt;

use serde::Serialize;

use super::Loc;
use super::code::{Code, CodeError};
use super::flow::Values;
use super::values::{State, Val};
use crate::btf::Btf;
use crate::isa::{Op, Reg};
use crate::text::FunctionText;

/// The function that the point lies in.
pub const FUNCTION: &str = "nf_hook_slow";

/// Functions that free a dropped packet, and which argument the packet is (`net/core/skbuff.c`).
const FREES: [(&str, usize); 3] =
    [("sk_skb_reason_drop", 1), ("kfree_skb_reason", 0), ("kfree_skb", 0)];

/// Why no point was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The code could not be decoded or followed.
    #[error("the code of nf_hook_slow cannot be analysed: {0}")]
    Code(#[from] CodeError),
    /// Something that must be there is not.
    #[error("nf_hook_slow of this kernel has no {0}: it is built in a way nfscope does not know")]
    Missing(&'static str),
    /// There are several of what should be one.
    #[error("nf_hook_slow of this kernel has {count} of what should be one {what}")]
    Several {
        /// What.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// A probe cannot sit there.
    #[error("the drop point of nf_hook_slow at +{offset:#x} cannot be probed: {reason}")]
    NotProbeable {
        /// Byte offset.
        offset: u32,
        /// Why.
        reason: String,
    },
}

/// `struct nf_hook_entries` (`include/linux/netfilter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EntriesLayout {
    /// Where the entries start.
    pub hooks: u32,
    /// Bytes of one `struct nf_hook_entry`.
    pub entry_size: u32,
    /// `nf_hook_entry.hook`: the function.
    pub hook: u32,
    /// `nf_hook_entry.priv`: its first argument.
    pub private: u32,
}

impl EntriesLayout {
    /// The running kernel's, from its type information.
    pub fn from_btf(btf: &Btf) -> Option<Self> {
        Some(Self {
            hooks: btf.offset("nf_hook_entries", "hooks")?,
            entry_size: btf.struct_size("nf_hook_entry")?,
            hook: btf.offset("nf_hook_entry", "hook")?,
            private: btf.offset("nf_hook_entry", "priv")?,
        })
    }
}

/// The place that only a dropped packet reaches. Offsets are bytes from the function's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HookDrop {
    /// The probe.
    pub probe: u32,
    /// What the freeing call returns to: the location that `skb:kfree_skb` reports.
    pub returns: u32,
    /// The packet.
    pub skb: Loc,
    /// `struct nf_hook_state`.
    pub state: Loc,
    /// `struct nf_hook_entries`.
    pub entries: Loc,
    /// The number of the hook that said so; 32 bits. The function's address is the pointer at
    /// `entries + hooks + index * entry_size + hook`.
    pub index: Loc,
    /// The offsets for that.
    pub layout: EntriesLayout,
}

impl fmt::Display for HookDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probe, returns, skb, state, entries, index, .. } = self;
        write!(
            f,
            "hook drop +{probe:<#6x} returns +{returns:#x}  skb={skb} state={state} entries={entries} index={index}"
        )
    }
}

/// Finds the place.
pub fn locate(text: &FunctionText, layout: EntriesLayout) -> Result<HookDrop, Refusal> {
    let code = Code::new(text)?;
    let values = Values::solve(&code, &[])?;
    let entry = |n| text.arch.arg(n).map_or(Val::Unknown, Val::Entry);
    let (skb, state, entries) = (entry(0), entry(1), entry(2));

    let frees = |at: &usize| {
        let name = code.call(*at).flatten();
        let known = FREES.iter().find(|(free, _)| Some(*free) == name);
        known.is_some_and(|(_, n)| values.arg(*at, *n) == skb)
    };
    let free = only("call that frees the packet", (0..code.ins.len()).filter(frees))?;
    let reached = |at: &usize| code.call(*at) == Some(None) && values.before(*at).is_some();
    let hook = only("call of a hook function", (0..code.ins.len()).filter(reached))?;
    if values.arg(hook, 1) != skb || values.arg(hook, 2) != state {
        return Err(Refusal::Missing("hook call with its own packet and state"));
    }
    check_private(&values, hook, layout)?;

    let mut head = free;
    while let [edge] = code.preds(head) {
        if edge.taken || code.breaks_run(edge.from) {
            break;
        }
        head = edge.from;
    }
    let offset = code.ins[head].offset;
    if let Some(reason) = code.probe_refused(head) {
        return Err(Refusal::NotProbeable { offset, reason });
    }
    let at_head = values.before(head).ok_or(Refusal::Missing("way to its drop"))?;
    let at_hook = values.before(hook).ok_or(Refusal::Missing("way to its hooks"))?;
    let place = |val, what| Loc::of(at_head, val).ok_or(Refusal::Missing(what));
    let index = index_register(&values, at_hook, at_head, entry(3))?;
    Ok(HookDrop {
        probe: offset,
        returns: code.ins[free].end(),
        skb: place(skb, "place that holds the packet where it is dropped")?,
        state: place(state, "place that holds the state where the packet is dropped")?,
        entries: place(entries, "place that holds the hooks where the packet is dropped")?,
        index: Loc::Reg(index),
        layout,
    })
}

fn only(what: &'static str, mut found: impl Iterator<Item = usize>) -> Result<usize, Refusal> {
    let first = found.next().ok_or(Refusal::Missing(what))?;
    match found.count() {
        0 => Ok(first),
        more => Err(Refusal::Several { what, count: more + 1 }),
    }
}

/// The hook's first argument must be loaded from where the layout says `hooks[s].priv` is, the base being
/// `e` plus an index.
fn check_private(values: &Values, hook: usize, layout: EntriesLayout) -> Result<(), Refusal> {
    let wanted = Refusal::Missing("hook call whose first argument is hooks[s].priv");
    let Some((_, Op::Load { mem, .. })) = values.origin(values.arg(hook, 0)) else {
        return Err(wanted);
    };
    let disp = i64::from(layout.hooks) + i64::from(layout.private);
    if mem.bytes == 8 && mem.disp == disp { Ok(()) } else { Err(wanted) }
}

/// The register that holds `s` both at the hook's call and where the packet is dropped: one value, which
/// comes from the fourth argument or from the loop's step.
fn index_register(
    values: &Values,
    at_hook: &State,
    at_head: &State,
    start: Val,
) -> Result<Reg, Refusal> {
    let from_argument = |leaf: &Val| {
        let moved = match values.origin(*leaf) {
            Some((at, Op::Move { src, .. })) => values.before(at).map(|state| state.reg(*src)),
            _ => None,
        };
        *leaf == start || moved == Some(start)
    };
    let is_index = |reg: &Reg| {
        let val = at_hook.reg(*reg);
        let leaves = values.leaves(val).unwrap_or_default();
        matches!(val, Val::Joined(..))
            && at_head.reg(*reg) == val
            && leaves.iter().any(from_argument)
    };
    let found: Vec<Reg> =
        at_hook.arch().regs().filter(|r| r.callee_saved()).filter(is_index).collect();
    match found.as_slice() {
        [] => Err(Refusal::Missing("register that holds the number of the hook")),
        [reg] => Ok(*reg),
        _ => Err(Refusal::Several { what: "number of the hook", count: found.len() }),
    }
}
