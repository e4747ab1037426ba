//! What a test found, for people.

use super::{Decision, Difference, Drops, Outcome, PacketKey};
use crate::generate::Plan;
use crate::generate::construct::{Cause, by_rule};
use crate::generate::slot::{Abilities, Column};
use crate::generate::table::Construct;
use crate::oracle::Rules;
use nfscope_event::NftVerdict;
use std::collections::BTreeMap;

/// Fewest drops of each cause in each column.
pub const ENOUGH: usize = 20;

/// How many drops there were.
#[derive(Default)]
pub struct Counts {
    causes: BTreeMap<(Column, Cause), usize>,
    constructs: BTreeMap<Construct, usize>,
    replies: usize,
}

/// Counts drops by column and cause, and by the construct that led to them.
pub fn count(drops: &Drops, rules: &Rules) -> Counts {
    let mut counts = Counts::default();
    for (packet, decisions) in drops {
        for decision in decisions {
            let Some((column, cause)) = classify(packet, decision, rules) else { continue };
            *counts.causes.entry((column, cause)).or_default() += 1;
            counts.replies += usize::from(packet.reply);
            if let Some(construct) = rule(packet, decision, rules).map(|k| k.rule.construct) {
                *counts.constructs.entry(construct).or_default() += 1;
            }
        }
    }
    counts
}

fn rule<'a>(
    packet: &PacketKey,
    decision: &Decision,
    rules: &'a Rules,
) -> Option<&'a crate::oracle::Known> {
    let (family, table, _) = decision.place.as_ref()?;
    match decision.outcome {
        Outcome::Rule(handle, _) => rules.get(packet.node, *family, table, handle),
        _ => None,
    }
}

fn classify(packet: &PacketKey, decision: &Decision, rules: &Rules) -> Option<(Column, Cause)> {
    let (family, table, chain) = decision.place.as_ref()?;
    let column = rules.column(packet.node, *family, table, chain)?;
    let cause = match decision.outcome {
        Outcome::Policy => Cause::Policy,
        Outcome::Rule(_, NftVerdict::VerdictMap) => Cause::VerdictMap,
        Outcome::Rule(_, NftVerdict::Reject) => Cause::Reject,
        Outcome::Rule(_, NftVerdict::Queue) => Cause::Queue,
        Outcome::Rule(..) => Cause::Drop,
        Outcome::Unattributed(_) => return None,
    };
    Some((column, cause))
}

impl Counts {
    /// Prints the counts. Returns a sentence for each that is too low, of
    /// those that the kernel can have at all.
    pub fn print(&self, abilities: &Abilities) -> Vec<String> {
        let mut short = Vec::new();
        let heads: Vec<String> = Cause::ALL.iter().map(|c| format!("{c:>10?}")).collect();
        println!("{:15}{}", "drops by", heads.concat());
        for column in Column::ALL {
            let ability = abilities.get(&column).copied().unwrap_or_default();
            let cells = Cause::ALL.map(|cause| {
                let possible = match cause {
                    Cause::Reject => ability.reject,
                    Cause::Queue => ability.queue,
                    _ => ability.chain,
                };
                let count = self.causes.get(&(column, cause)).copied().unwrap_or_default();
                if possible && count < ENOUGH {
                    let name = column.name();
                    short.push(format!("only {count} drops by {cause:?} in {name}"));
                }
                if possible { format!("{count:>10}") } else { format!("{:>10}", "-") }
            });
            println!("{:15}{}", column.name(), cells.concat());
        }
        let ways = by_rule().map(|construct| {
            let count = self.constructs.get(&construct).copied().unwrap_or_default();
            if count < ENOUGH {
                short.push(format!("only {count} drops by rules of {construct:?}"));
            }
            format!("{construct:?} {count}")
        });
        let ways: Vec<String> = ways.collect();
        println!("by rules of: {}", ways.join(", "));
        println!("{} of all were kernel replies to packets", self.replies);
        short
    }
}

/// Prints a difference with the packet and the texts of the rules.
pub fn print_difference(difference: &Difference, plan: &Plan, rules: &Rules) {
    println!("  {}", difference.packet);
    let sent = plan.packets.iter().find(|p| p.tag == difference.packet.tag);
    if let Some(sent) = sent {
        println!("    sent: {sent:?}");
    }
    let lists = [("expected", &difference.missing), ("nfscope", &difference.extra)];
    for (who, decisions) in lists {
        for decision in decisions {
            let text = rule(&difference.packet, decision, rules).map(|k| k.rule.text.as_str());
            println!("    {who}: {decision}: {}", text.unwrap_or("-"));
        }
        if decisions.is_empty() {
            println!("    {who}: nothing else");
        }
    }
}

/// Compares the rules' own counters with the drops: a second witness. Returns
/// a sentence for each that differs.
pub fn compare_counters(drops: &Drops, rules: &Rules) -> Vec<String> {
    let mut seen: BTreeMap<_, u64> = BTreeMap::new();
    for (packet, decisions) in drops {
        for decision in decisions {
            if let (Some((family, table, _)), Outcome::Rule(handle, _)) =
                (&decision.place, &decision.outcome)
            {
                let key = (packet.node, family.as_str(), table.as_str(), *handle);
                *seen.entry(key).or_default() += 1;
            }
        }
    }
    let differing = rules.iter().filter(|(.., known)| known.rule.counted);
    let sentence = |(node, family, table, handle, known): (
        _,
        nfscope_event::Family,
        _,
        _,
        &crate::oracle::Known,
    )| {
        let key = (node, family.as_str(), table, handle);
        let seen = seen.get(&key).copied().unwrap_or_default();
        let counted = known.packets.unwrap_or_default();
        (seen != counted).then(|| {
            let text = &known.rule.text;
            format!("{key:?} {text:?}: {seen} drops, but its counter says {counted}")
        })
    };
    differing.filter_map(sentence).collect()
}
