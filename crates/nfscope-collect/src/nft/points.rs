//! From what the locator found to probes and settings.

use std::path::Path;

use nfscope_kernel::locate::nft::{DropCause, FUNCTION, NftPoints};

use super::{PointValues, Points, Probe, Setup, ValueAt};
use crate::drop::NftOffsets;

/// Eval functions whose verdict ends a packet elsewhere than in
/// `nft_do_chain`, with the modules without which none does, and the program to attach.
const EVALS: [(&str, &[&str], &str); 5] = [
    ("nft_queue_eval", &["nft_queue"], "at_queue"),
    ("nft_queue_sreg_eval", &["nft_queue"], "at_queue"),
    ("nft_fwd_netdev_eval", &["nft_fwd_netdev"], "at_fwd"),
    ("nft_fwd_neigh_eval", &["nft_fwd_netdev"], "at_fwd"),
    // all targets that iptables-nft has no words of nft's own for pass here
    ("nft_target_eval_xt", &["nft_compat", "xt_NFQUEUE"], "at_target"),
];

/// The setup for these points; a sentence if they are not enough to see every
/// drop.
pub fn points_setup(nft: NftOffsets, found: &NftPoints) -> Result<Setup, String> {
    let mut points = Points::default();
    let mut probes = Vec::new();
    let drops = found.drops.as_ref().map_err(ToString::to_string)?;
    let freed_after_return = drops.is_empty();
    if freed_after_return {
        every_verdict(found, &mut points, &mut probes)?;
    } else {
        only_drops(found, &mut points, &mut probes)?;
    }
    if let Some((values, at)) = evals(found) {
        points.eval = values;
        probes.extend(at);
    }
    Ok(Setup::points(nft, points, probes, freed_after_return))
}

/// Whether a module is loaded whose expressions need probes of their own.
pub fn evals_loaded() -> bool {
    EVALS.iter().any(|(_, modules, _)| all_loaded(modules))
}

/// Whether all of these modules are there.
pub(crate) fn all_loaded(modules: &[&str]) -> bool {
    modules.iter().all(|name| Path::new("/sys/module").join(name).exists())
}

/// The probes for eval functions, with the values there.
pub fn evals(found: &NftPoints) -> Option<(PointValues, Vec<Probe>)> {
    let entry = found.eval_entry.as_ref()?;
    let values = PointValues {
        rule: entry.rule.into(),
        chain: entry.basechain.map_or(ValueAt::None, Into::into),
        chain_is_base: true,
        ..PointValues::default()
    };
    let probes = EVALS.iter().map(|(function, modules, program)| Probe {
        program,
        function: (*function).into(),
        offset: 0,
        address: None,
        late_modules: modules,
    });
    Some((values, probes.collect()))
}

fn probe(program: &'static str, offset: u32) -> Probe {
    Probe {
        program,
        function: FUNCTION.into(),
        offset: offset.into(),
        address: None,
        late_modules: &[],
    }
}

/// Where the kernel frees inside the function: places that only dropped
/// packets reach.
fn only_drops(
    found: &NftPoints,
    points: &mut Points,
    probes: &mut Vec<Probe>,
) -> Result<(), String> {
    for drop in found.drops.iter().flatten() {
        let values = PointValues {
            rule: drop.rule.map_or(ValueAt::None, Into::into),
            pkt: drop.holds.pkt.into(),
            regs: drop.holds.regs.into(),
            chain: drop.holds.basechain.map_or(ValueAt::None, Into::into),
            chain_is_base: true,
        };
        if values.chain == ValueAt::None {
            return Err(format!("where the base chain is at +{:#x} is not known", drop.probe));
        }
        let (program, slot) = match drop.cause {
            DropCause::Rule => ("at_rule_drop", &mut points.rule_drop),
            DropCause::RuleOrPolicy => ("at_any_drop", &mut points.rule_drop),
            DropCause::Policy => ("at_policy_drop", &mut points.policy_drop),
            DropCause::Other => continue,
        };
        if *slot != PointValues::default() && *slot != values {
            return Err("two places where a drop is made keep its values differently".into());
        }
        *slot = values;
        probes.push(probe(program, drop.probe));
    }
    let either = found.drops.iter().flatten().any(|d| d.cause == DropCause::RuleOrPolicy);
    let complete = points.rule_drop.rule != ValueAt::None
        && (either || points.policy_drop.pkt != ValueAt::None);
    complete.then_some(()).ok_or_else(|| "not every place where a drop is made was found".into())
}

/// Where the caller frees: every verdict and every policy decision.
fn every_verdict(
    found: &NftPoints,
    points: &mut Points,
    probes: &mut Vec<Probe>,
) -> Result<(), String> {
    let verdict = found.verdict.as_ref().map_err(ToString::to_string)?;
    let policy = found.policy.as_ref().map_err(ToString::to_string)?;
    let (chain, chain_is_base) = match (verdict.holds.chain, verdict.holds.basechain) {
        (Some(chain), _) => (chain, false),
        (None, Some(base)) => (base, true),
        (None, None) => return Err("where the chain is at a verdict is not known".into()),
    };
    points.verdict = PointValues {
        rule: verdict.holds.rule.into(),
        pkt: verdict.holds.pkt.into(),
        regs: verdict.holds.regs.into(),
        chain: chain.into(),
        chain_is_base,
    };
    points.policy = PointValues {
        pkt: policy.pkt.into(),
        chain: policy.basechain.into(),
        chain_is_base: true,
        ..PointValues::default()
    };
    probes.extend(verdict.probes.iter().map(|offset| probe("at_verdict", *offset)));
    probes.extend(policy.probes.iter().map(|offset| probe("at_policy", *offset)));
    Ok(())
}
