//! What was found in the kernel's machine code, function by function.

use nfscope_collect::legacy::{bridge_tables_loaded, tables_loaded};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::locate::ebt::{self, BridgeLocated};
use nfscope_kernel::locate::hook_slow;
use nfscope_kernel::locate::ipt::{LegacyLocated, Tables};
use nfscope_kernel::locate::nft::{self, CodeOrigin, Located};

use crate::doctor::{Finding, Level};
use crate::hook_naming;
use crate::legacy;
use crate::machine::Machine;

/// Looks for the places that the commands would look for.
pub fn findings(machine: &Machine) -> Vec<Finding> {
    let mut all = vec![nft_do_chain(machine), nf_hook_slow()];
    all.extend(Tables::ALL.map(|tables| table_function(tables, machine)));
    all.push(bridge_function());
    all
}

/// Where a function's code was read from.
pub fn origin(located: &Located) -> String {
    match &located.origin {
        CodeOrigin::ModuleFile { path, verified: true } => {
            format!("{} (build id checked)", path.display())
        }
        CodeOrigin::ModuleFile { path, verified: false } => {
            format!("{} (the kernel shows no build id to check)", path.display())
        }
        CodeOrigin::LiveText => "the running kernel's memory".into(),
    }
}

fn nft_do_chain(machine: &Machine) -> Finding {
    let topic = nft::FUNCTION;
    if !machine.has_nf_tables {
        let text = "not looked for: nf_tables is not loaded";
        return Finding::new(topic, Level::Ok, text).detail();
    }
    let located = machine.layout.as_ref().map_err(Clone::clone);
    let located = match located.and_then(|layout| machine.locate(layout)) {
        Ok(located) => located,
        Err(why) => return Finding::new(topic, Level::Note, why),
    };
    let points = &located.points;
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for (name, point) in [
        ("rules that do not match", &points.no_match),
        ("rules without a verdict", &points.matched),
        ("verdicts", &points.verdict),
    ] {
        match point {
            Ok(point) => found.push(format!("{name} at {}", offsets(&point.probes))),
            Err(why) => refused.push(format!("{name} not: {why}")),
        }
    }
    match &points.drops {
        Ok(drops) if drops.is_empty() => {
            found.push("what is dropped is freed by its callers".into());
        }
        Ok(drops) => {
            let at: Vec<u32> = drops.iter().map(|drop| drop.probe).collect();
            found.push(format!("drops at {}", offsets(&at)));
        }
        Err(why) => refused.push(format!("drops not: {why}")),
    }
    let level = if refused.is_empty() { Level::Ok } else { Level::Note };
    found.extend(refused);
    Finding::new(topic, level, format!("in {}: {}", origin(&located), found.join(", ")))
}

fn offsets(all: &[u32]) -> String {
    let all: Vec<String> = all.iter().map(|at| format!("+{at:#x}")).collect();
    all.join(" or ")
}

fn nf_hook_slow() -> Finding {
    match hook_naming::locate() {
        Ok(place) => {
            let text = format!("in the running kernel's memory: drops at +{:#x}", place.probe);
            Finding::new(hook_slow::FUNCTION, Level::Ok, text)
        }
        Err(why) => {
            let text = format!("hook functions that drop are not named: {why}");
            Finding::new(hook_slow::FUNCTION, Level::Note, text)
        }
    }
}

fn table_function(tables: Tables, machine: &Machine) -> Finding {
    let topic = tables.function();
    if !tables_loaded(tables) {
        let text = format!("not looked for: no table of {} is loaded", tables.module());
        return Finding::new(topic, Level::Ok, text).detail();
    }
    let kernel = std::sync::Arc::new(machine.btf.kernel().clone());
    let found = legacy::layout(kernel).map_err(|e| e.to_string());
    let found = found.and_then(|(_, btf): (_, Btf)| {
        LegacyLocated::find(tables, Some(&btf)).map_err(|e| e.to_string())
    });
    match found {
        Ok(LegacyLocated { points, .. }) => {
            let text = format!(
                "rules that match at +{:#x}, what their targets say at +{:#x}",
                points.matched.probe, points.verdict.probe
            );
            Finding::new(topic, Level::Ok, text)
        }
        Err(why) => Finding::new(topic, Level::Note, format!("its rules are not named: {why}")),
    }
}

fn bridge_function() -> Finding {
    let topic = ebt::FUNCTION;
    if !bridge_tables_loaded() {
        let text = format!("not looked for: no table of {} is loaded", ebt::MODULE);
        return Finding::new(topic, Level::Ok, text).detail();
    }
    let found = Btf::vmlinux().map_err(|e| e.to_string());
    match found.and_then(|btf| BridgeLocated::find(Some(&btf)).map_err(|e| e.to_string())) {
        Ok(BridgeLocated { points, .. }) => {
            let text = format!(
                "verdicts of rules at +{:#x}, policies at +{:#x}",
                points.verdict.probe, points.policy.probe
            );
            Finding::new(topic, Level::Ok, text)
        }
        Err(why) => Finding::new(topic, Level::Note, format!("its rules are not named: {why}")),
    }
}
