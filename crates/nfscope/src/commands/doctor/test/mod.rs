//! `nfscope doctor --test`: what doctor says, tried with packets in private namespaces.

mod conntrack;
mod kernel_log;
mod logs;
mod place;
mod proof;
mod settings;
mod tools;
mod watchers;

use crate::cli::TestChoice;
use crate::doctor::modprobe::Modprobe;
use crate::machine::Machine;

pub use proof::{Outcome, Proof};

/// Tries what is chosen, as far as it can be tried. Nothing outside of private namespaces is
/// changed, and no module is loaded.
pub fn proofs(choices: &[TestChoice], machine: Option<&Machine>) -> Vec<Proof> {
    let wanted = |group| choices.contains(&TestChoice::All) || choices.contains(&group);
    let modprobe = Modprobe::read();
    let mut all = Vec::new();
    if wanted(TestChoice::Logging) {
        all.extend(logs::proofs(&modprobe));
        let claimed = "the console shows what is more urgent than its level";
        all.push(Proof::untested("kernel log", claimed, "nobody can read the console"));
    }
    if let Some(machine) = machine.filter(|_| wanted(TestChoice::Commands)) {
        all.extend(watchers::proofs(machine, &modprobe));
    }
    if wanted(TestChoice::Settings) {
        all.extend(settings::proofs(&modprobe));
        all.extend(conntrack::proofs(&modprobe));
        all.extend(tools::proofs(&modprobe));
    }
    all
}
