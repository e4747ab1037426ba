//! Starts the collector of `resets`, with what there is of netfilter.

use std::sync::Arc;

use nfscope_collect::CollectError;
use nfscope_collect::nft::{evals, nft_offsets};
use nfscope_collect::resets::{
    EvalValues, LoadedModules, NetfilterPlaces, ResetCollector, ResetOptions,
};
use nfscope_kernel::btf::Btf;

use crate::legacy::LegacyRules;
use crate::machine::Machine;

/// A running collector, and the modules that it knows of.
pub struct StartedResets {
    /// The programs.
    pub collector: ResetCollector,
    /// Sentences for the user: what is not seen.
    pub notices: Vec<String>,
    /// Rules of x_tables.
    pub legacy: LegacyRules,
    loaded: LoadedModules,
}

impl StartedResets {
    /// Attaches to modules that have come, lets go of those that have gone. Sentences
    /// for the user.
    pub fn advance(&mut self) -> anyhow::Result<Vec<String>> {
        let mut notices = self.legacy.advance(&mut self.collector, &());
        let now = NetfilterPlaces::loaded();
        if now != self.loaded {
            self.loaded = now;
            notices.extend(attach(&mut self.collector, &self.loaded, &Machine::read()?));
        }
        Ok(notices)
    }
}

/// Starts it.
pub fn start(options: &ResetOptions, machine: &Machine) -> Result<StartedResets, CollectError> {
    let mut collector = ResetCollector::start(options, &machine.btf)?;
    let mut notices: Vec<String> =
        collector.absent().iter().map(|function| not_probed(function)).collect();
    if !collector.context_known() {
        let text = "this kernel does not tell whether it works for a process: none is named";
        notices.push(text.into());
    }
    let loaded = NetfilterPlaces::loaded();
    notices.extend(attach(&mut collector, &loaded, machine));
    let mut legacy = LegacyRules::default();
    notices.extend(legacy.advance(&mut collector, &()));
    Ok(StartedResets { collector, notices, legacy, loaded })
}

fn not_probed(function: &str) -> String {
    format!("this kernel does not let {function} be probed: what passes there is not seen")
}

/// Attaches to what there is of netfilter; sentences about what does not work.
fn attach(
    collector: &mut ResetCollector,
    loaded: &LoadedModules,
    machine: &Machine,
) -> Vec<String> {
    let kernel = Arc::new(machine.btf.kernel().clone());
    let types = |module: &str| Btf::module(module, Arc::clone(&kernel)).ok();
    let mut places = NetfilterPlaces::new(loaded, types);
    let mut notices: Vec<String> = places.absent().iter().map(|f| not_probed(f)).collect();
    if places.has_expressions() {
        match rules(machine) {
            Ok(eval) => {
                if let Ok(layout) = &machine.layout {
                    places = places.with_rules(nft_offsets(layout, &machine.btf), eval);
                }
            }
            Err(why) => {
                notices.push(format!(
                    "rules that reject are not named, and those of bridges not seen: {why}"
                ));
            }
        }
    }
    if let Err(e) = collector.attach_netfilter(&places, &machine.btf) {
        notices.push(format!("resets by netfilter are not seen: {e}"));
    }
    notices
}

/// Where a rule is when one of its expressions runs.
fn rules(machine: &Machine) -> Result<EvalValues, String> {
    let layout = machine.layout.as_ref().map_err(Clone::clone)?;
    let located = machine.locate(layout)?;
    let (values, _) = evals(&located.points)
        .ok_or("where the rule is was not found in nf_tables' machine code")?;
    Ok(EvalValues { rule: values.rule, chain: values.chain })
}
