//! Probe points in `nft_do_chain` (`net/netfilter/nf_tables_core.c`).
//!
//! The compiler splits the end of the rule loop into three paths, each with one static-key site of
//! `nft_trace_enabled`: BREAK (an expression did not match), CONTINUE (all matched, no verdict) and
//! VERDICT. The out-of-line block behind a site calls into the tracing code, and that call's arguments
//! reveal where `rule`, `pkt` and the verdict registers live. Everything else follows by data flow from
//! there, from the function's own arguments (`pkt`, and the base chain as `priv`), and from the calls of
//! the expressions' eval functions.

mod describe;
mod drops;
mod evals;
mod no_match;
mod outcomes;
mod policy;
mod running;
mod view;

use serde::Serialize;

use super::Loc;
use super::code::{Code, CodeError};
use super::flow::Values;
use crate::btf::Btf;
use crate::isa::{Arch, Reg};
use crate::layout::NftLayout;
use crate::text::FunctionText;

pub use drops::{DropCause, DropPoint};
pub use evals::EvalEntry;
pub use policy::PolicyPoint;
pub use running::{CodeOrigin, Located, RunningError};

use view::View;

/// The function that all points lie in.
pub const FUNCTION: &str = "nft_do_chain";

/// Tracing functions that are given the verdict and only read it.
const TRACERS: [&str; 2] = ["__nft_trace_packet", "__nft_trace_verdict"];

/// Why no points were found. The locator refuses rather than guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The code could not be decoded or followed.
    #[error("the code of nft_do_chain cannot be analysed: {0}")]
    Code(#[from] CodeError),
    /// Something that must be there is not.
    #[error("nft_do_chain of this kernel has no {0}: it is built in a way nfscope does not know")]
    Missing(&'static str),
    /// Two sources contradict each other.
    #[error("nft_do_chain of this kernel is ambiguous: {0}")]
    Disagreement(String),
    /// A point was found, but no probe can sit there.
    #[error("the {point} point at +{offset:#x} cannot be probed: {reason}")]
    NotProbeable {
        /// BREAK, CONTINUE or VERDICT.
        point: &'static str,
        /// Byte offset from the function's start.
        offset: u32,
        /// Why.
        reason: String,
    },
}

/// How the tracing code is called, which tells what `rule` and `chain` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceStyle {
    /// `(info, chain, type)`, with the rule stored in `info->rule` (until 6.3).
    Info,
    /// `(pkt, verdict, rule, info, type)` (6.4 and later).
    Packet,
}

/// How probes catch a point exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// One probe, at an earlier instruction of the same straight run.
    Before,
    /// Two probes, at the site's fall-through and at its out-of-line block: exactly one of them fires.
    Split,
}

/// Where the values are at a point's probes; the same at each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// The current rule (`struct nft_rule` or `nft_rule_dp`).
    pub rule: Loc,
    /// `struct nft_pktinfo`.
    pub pkt: Loc,
    /// The address of `struct nft_regs`.
    pub regs: Loc,
    /// The address of the verdict in it.
    pub verdict: Loc,
    /// The current chain (`struct nft_chain`), where the kernel keeps it.
    pub chain: Option<Loc>,
    /// The base chain's `struct nft_chain`, as given to the function.
    pub basechain: Option<Loc>,
    /// The expression that did not match; BREAK only.
    pub expr: Option<Loc>,
}

/// One outcome of a rule, and how to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Byte offset of the static-key site, where the outcome has one.
    pub site: Option<u32>,
    /// How it is caught.
    pub how: How,
    /// Byte offsets of the probes.
    pub probes: Vec<u32>,
    /// Where the values are.
    pub holds: Holds,
}

/// What was found in `nft_do_chain`. All offsets are bytes from the function's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NftPoints {
    /// The instruction set.
    pub arch: Arch,
    /// Size of the function in bytes.
    pub size: u32,
    /// How tracing is called.
    pub style: TraceStyle,
    /// An expression did not match (BREAK); `Err` says why there is no such point.
    #[serde(serialize_with = "or_reason")]
    pub no_match: Result<Point, Refusal>,
    /// All expressions matched and there is no verdict (CONTINUE).
    #[serde(serialize_with = "or_reason", rename = "continue")]
    pub matched: Result<Point, Refusal>,
    /// A verdict; also reached at a chain's end with code -1 (CONTINUE) or -5 (RETURN).
    #[serde(serialize_with = "or_reason")]
    pub verdict: Result<Point, Refusal>,
    /// Places that only a dropped packet reaches. Empty where the function leaves the freeing to its
    /// caller (until about 6.6).
    #[serde(serialize_with = "or_reason")]
    pub drops: Result<Vec<DropPoint>, Refusal>,
    /// Where a base chain's policy is looked up.
    #[serde(serialize_with = "or_reason")]
    pub policy: Result<PolicyPoint, Refusal>,
    /// Where the eval functions' entries find the rule.
    pub eval_entry: Option<EvalEntry>,
    /// Number of calls of eval functions that agreed.
    pub eval_calls: usize,
}

fn or_reason<T: Serialize, S: serde::Serializer>(
    value: &Result<T, Refusal>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Refused {
        refused: String,
    }
    match value {
        Ok(value) => value.serialize(serializer),
        Err(refusal) => Refused { refused: refusal.to_string() }.serialize(serializer),
    }
}

/// Finds the points in a function's text.
///
/// `layout` gives the offsets of members that the code is checked against; `btf`, where there is one,
/// the prototypes of the tracing functions. A point that fails its checks is refused by itself; what
/// concerns all of them (undecodable code, contradicting calls) refuses everything.
pub fn locate(
    text: &FunctionText,
    layout: &NftLayout,
    btf: Option<&Btf>,
) -> Result<NftPoints, Refusal> {
    let code = Code::new(text)?;
    let values = Values::solve(&code, &TRACERS)?;
    let evals = evals::find(&code, &values)?;
    let view = View { code: &code, values: &values, layout, regs: evals.regs };
    let sites = outcomes::sites(&view, btf)?;
    let matched = outcomes::matched(&view, &sites);
    let rule = outcomes::current_rule(&view, &sites);
    let eval_entry = evals::entry(&view, &evals, rule);
    let no_match = no_match::no_match(&view, &sites, &evals, rule);
    Ok(NftPoints {
        arch: text.arch,
        size: text.code.len() as u32,
        style: sites.style,
        no_match,
        matched,
        verdict: outcomes::verdict(&view, &sites),
        drops: drops::find(&view, &sites),
        policy: policy::find(&view),
        eval_entry,
        eval_calls: evals.calls.len(),
    })
}

/// Whether the expression or rule register named here survives calls: what a probe at the entry of a
/// called function needs.
fn preserved(reg: Reg) -> Option<Reg> {
    reg.callee_saved().then_some(reg)
}
