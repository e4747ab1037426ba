//! The three outcomes of a rule.

use super::{Holds, How, Point, Refusal, TraceStyle, View};
use crate::btf::Btf;
use crate::isa::Flow;
use crate::locate::values::Val;

/// `NFT_TRACETYPE_POLICY` and `NFT_TRACETYPE_RULE` (`include/uapi/linux/netfilter/nf_tables.h`).
const TRACE_POLICY: i64 = 1;
const TRACE_RULE: i64 = 3;

/// Instructions followed from a site to the call behind it.
const WALK: usize = 80;

/// A site of the trace key whose out-of-line block calls the tracing code.
pub(super) struct Site {
    /// Index of the site's instruction.
    pub at: usize,
    /// Index of the out-of-line block's first instruction.
    pub behind: usize,
    /// `rule` as given to the tracing code.
    pub rule: Val,
    /// `chain` as given to it, if it is.
    pub chain: Option<Val>,
}

/// All sites, classified.
pub(super) struct Sites {
    pub style: TraceStyle,
    pub matched: Vec<Site>,
    pub verdict: Vec<Site>,
}

/// What the tracing call behind a site is given.
struct Traced {
    style: TraceStyle,
    rule: Val,
    chain: Option<Val>,
}

/// Classifies the jump labels by what their out-of-line blocks call.
pub(super) fn sites(view: &View, btf: Option<&Btf>) -> Result<Sites, Refusal> {
    let mut styles = Vec::new();
    let (mut matched, mut verdict) = (Vec::new(), Vec::new());
    for site in &view.code.text.jump_sites {
        let both = view.code.index(site.offset.into()).zip(view.code.index(site.target));
        let Some((at, behind)) = both else { continue };
        let Some(call) = call_behind(view, behind) else { continue };
        let kind = match view.code.call(call).flatten() {
            Some("nft_trace_init") => {
                check_init(view, call)?;
                continue;
            }
            Some("__nft_trace_packet") => match traced(view, call, false)? {
                (traced, Some(TRACE_RULE)) => (traced, &mut matched),
                (_, Some(TRACE_POLICY)) => continue,
                _ => return Err(Refusal::Missing("constant trace type at its trace calls")),
            },
            Some("__nft_trace_verdict") => (traced(view, call, true)?.0, &mut verdict),
            _ => continue,
        };
        let (traced, list) = kind;
        styles.push(traced.style);
        list.push(Site { at, behind, rule: traced.rule, chain: traced.chain });
    }
    let style =
        *styles.first().ok_or(Refusal::Missing("call of its tracing code behind a jump label"))?;
    if styles.iter().any(|s| *s != style) {
        return Err(Refusal::Disagreement(
            "its trace calls take their arguments in two ways".to_owned(),
        ));
    }
    check_prototypes(style, btf)?;
    Ok(Sites { style, matched, verdict })
}

/// The first call on the straight way from an out-of-line block; conditional branches fall through.
fn call_behind(view: &View, start: usize) -> Option<usize> {
    let mut at = start;
    for _ in 0..WALK {
        if view.code.call(at).is_some() {
            return Some(at);
        }
        if view.code.jump_site(at).is_some() {
            return None;
        }
        match view.code.ins.get(at)?.flow {
            Flow::Next | Flow::Branch { .. } => at += 1,
            _ => return None,
        }
    }
    None
}

/// `nft_trace_init(info, pkt, …, basechain)` must be given this function's own arguments.
fn check_init(view: &View, call: usize) -> Result<(), Refusal> {
    let given = |val| (0..6).any(|n| view.values.arg(call, n) == val);
    if given(view.pkt()) && given(view.basechain()) {
        return Ok(());
    }
    Err(Refusal::Disagreement(
        "nft_trace_init is not given the packet and chain that the function was called with"
            .to_owned(),
    ))
}

/// Reads a trace call's arguments; also gives the trace type of `__nft_trace_packet`.
fn traced(view: &View, call: usize, verdict: bool) -> Result<(Traced, Option<i64>), Refusal> {
    let arg = |n| view.values.arg(call, n);
    let constant = |val| match val {
        Val::Const(value) => Some(value),
        _ => None,
    };
    if arg(0) == view.pkt() {
        // (pkt, verdict, rule, info, type) or (pkt, info, rule, regs).
        let on_stack = |n| matches!(arg(n), Val::Stack(_));
        if !on_stack(1) || !on_stack(3) {
            return Err(Refusal::Missing("trace call with info and registers on the stack"));
        }
        let regs = if verdict { arg(3) } else { arg(1) };
        if regs != Val::Stack(view.regs) && regs != Val::Stack(view.verdict()) {
            return Err(Refusal::Disagreement(
                "its trace calls are given other registers than its expressions".to_owned(),
            ));
        }
        let traced = Traced { style: TraceStyle::Packet, rule: arg(2), chain: None };
        return Ok((traced, constant(arg(4))));
    }
    // (info, chain, type), the rule stored in info->rule.
    let Val::Stack(info) = arg(0) else {
        return Err(Refusal::Missing("trace call of a known form"));
    };
    let member =
        view.layout.traceinfo.rule.ok_or(Refusal::Missing("known place of nft_traceinfo.rule"))?;
    let rule = view
        .values
        .before(call)
        .and_then(|state| state.slot(info + i32::try_from(member).ok()?, 8))
        .ok_or(Refusal::Missing("store of the rule before its trace call"))?;
    let traced = Traced { style: TraceStyle::Info, rule, chain: Some(arg(1)) };
    Ok((traced, constant(arg(2))))
}

/// Where the kernel's type information has the tracing functions, their parameters must be in the order
/// that the code was read by.
fn check_prototypes(style: TraceStyle, btf: Option<&Btf>) -> Result<(), Refusal> {
    let expected: [(&str, &[&str]); 2] = match style {
        TraceStyle::Info => [
            ("__nft_trace_packet", &["info", "chain", "type"]),
            ("__nft_trace_verdict", &["info", "chain"]),
        ],
        TraceStyle::Packet => [
            ("__nft_trace_packet", &["pkt", "verdict", "rule", "info", "type"]),
            ("__nft_trace_verdict", &["pkt", "info", "rule", "regs"]),
        ],
    };
    for (function, names) in expected {
        let Some(params) = btf.and_then(|btf| btf.func_params(function)) else { continue };
        if !params.iter().map(|(name, _)| name.as_str()).take(names.len()).eq(names.iter().copied())
        {
            let found: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Refusal::Disagreement(format!(
                "{function} takes ({}), the code was read as ({})",
                found.join(", "),
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// The value that `rule` has while its expressions run: what CONTINUE's trace call is given.
pub(super) fn current_rule(view: &View, sites: &Sites) -> Option<Val> {
    let first = sites.matched.first()?.rule;
    let same = sites.matched.iter().all(|site| site.rule == first);
    (same && view.values.before(sites.matched.first()?.at).is_some()).then_some(first)
}

/// CONTINUE.
pub(super) fn matched(view: &View, sites: &Sites) -> Result<Point, Refusal> {
    at_sites(view, "CONTINUE", &sites.matched)
}

/// VERDICT.
pub(super) fn verdict(view: &View, sites: &Sites) -> Result<Point, Refusal> {
    at_sites(view, "VERDICT", &sites.verdict)
}

fn at_sites(view: &View, name: &'static str, sites: &[Site]) -> Result<Point, Refusal> {
    let missing = || match name {
        "CONTINUE" => Refusal::Missing("trace call for a matching rule"),
        _ => Refusal::Missing("trace call for a verdict"),
    };
    let site = match sites {
        [] => return Err(missing()),
        [site] => site,
        _ => {
            return Err(Refusal::Disagreement(format!(
                "{} places look like the {name} point",
                sites.len()
            )));
        }
    };
    let (how, probes) = probes(view, name, site)?;
    let holds = common(view, name, &probes, |at| {
        Ok(Holds {
            rule: view.loc(at, site.rule).ok_or(Refusal::Missing("place that holds the rule"))?,
            chain: site.chain.and_then(|chain| view.loc(at, chain)),
            ..holds(view, at)?
        })
    })?;
    let offsets = probes.iter().map(|at| view.offset(*at)).collect();
    Ok(Point { site: Some(view.offset(site.at)), how, probes: offsets, holds })
}

/// What is known everywhere; the rule's place is filled in by the caller.
pub(super) fn holds(view: &View, at: usize) -> Result<Holds, Refusal> {
    let missing = || Refusal::Missing("place that holds the packet");
    let pkt = view.loc(at, view.pkt()).ok_or_else(missing)?;
    let address = |frame| {
        view.loc(at, Val::Stack(frame))
            .ok_or(Refusal::Missing("stack pointer that can be followed"))
    };
    Ok(Holds {
        rule: pkt,
        pkt,
        regs: address(view.regs)?,
        verdict: address(view.verdict())?,
        chain: None,
        basechain: view.loc(at, view.basechain()),
        expr: None,
    })
}

/// Evaluates `of` at each probe; the results must be the same.
fn common(
    view: &View,
    name: &str,
    probes: &[usize],
    of: impl Fn(usize) -> Result<Holds, Refusal>,
) -> Result<Holds, Refusal> {
    let all: Vec<Holds> = probes.iter().map(|at| of(*at)).collect::<Result<_, _>>()?;
    let first = *all.first().ok_or(Refusal::Missing("place for a probe"))?;
    if all.iter().any(|holds| *holds != first) {
        let places: Vec<String> =
            probes.iter().map(|at| format!("+{:#x}", view.offset(*at))).collect();
        return Err(Refusal::Disagreement(format!(
            "the values are in different places at the {name} probes {}",
            places.join(" and ")
        )));
    }
    Ok(first)
}

/// Indexes of instructions where probes catch a site exactly once.
fn probes(view: &View, name: &'static str, site: &Site) -> Result<(How, Vec<usize>), Refusal> {
    // The site itself is a jump label. An earlier instruction of its straight run will do.
    if let [edge] = view.code.preds(site.at) {
        let earlier = !edge.taken && !view.code.breaks_run(edge.from);
        if earlier && view.code.probe_refused(edge.from).is_none() {
            return Ok((How::Before, vec![edge.from]));
        }
    }
    // While tracing is on the out-of-line block comes back behind the fall-through, so both ways need a
    // probe, and each must be reached from the site alone.
    let pair = vec![site.at + 1, site.behind];
    for at in &pair {
        let alone = matches!(view.code.preds(*at), [edge] if edge.from == site.at);
        let reason = if alone {
            view.code.probe_refused(*at)
        } else {
            Some("other code joins there".to_owned())
        };
        if let Some(reason) = reason {
            return Err(Refusal::NotProbeable { point: name, offset: view.offset(*at), reason });
        }
    }
    Ok((How::Split, pair))
}
