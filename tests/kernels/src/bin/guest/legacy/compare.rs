//! `nfscope-guest legacy compare`

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::told::{Chain, Identity, Kind, Matched};
use super::{counters, kernel, told};

/// Compare what `nfscope trace --json` told with the kernel's log of TRACE, entry by
/// entry in its order, and with the rules' counters.
#[derive(clap::Args)]
pub struct Arguments {
    /// nfscope's output.
    events: PathBuf,
    /// The namespace of the tables.
    #[arg(long)]
    netns: String,
    /// What was read from /dev/kmsg.
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// The counters.
    #[arg(long)]
    counters: PathBuf,
    /// To try this comparison itself: take one number of one rule for another.
    #[arg(long)]
    one_off: bool,
    /// At least so many entries must have matched.
    #[arg(long, default_value_t = 1)]
    least: usize,
}

/// Differences that are shown.
const SHOWN: usize = 5;

pub fn run(arguments: &Arguments) -> Result<()> {
    let counters = counters::read(&arguments.counters)?;
    let last = |chain: &Chain| {
        let rules = counters.get(chain)?.rules.len();
        u32::try_from(rules + 1).ok()
    };
    let mut told = told::read(&arguments.events, &arguments.netns, last)?.matched;
    if arguments.one_off
        && let Some(matched) = told.iter_mut().find(|m| m.kind == Kind::Rule && m.number > 1)
    {
        matched.number -= 1;
    }
    if told.len() < arguments.least {
        bail!("only {} entries were told", told.len());
    }
    if let Some(file) = &arguments.kernel {
        in_order(&told, &kernel::read(file)?)?;
    }
    by_counters(&told, &counters)?;
    let rules: usize = counters.values().map(|c| c.rules.len()).sum();
    let hit = counters.values().flat_map(|c| &c.rules).filter(|n| **n > 0).count();
    println!("{} entries matched, {hit} of {rules} rules", told.len());
    Ok(())
}

/// How often each rule and policy was told, against its counter.
fn by_counters(told: &[Matched], counters: &BTreeMap<Chain, counters::Counters>) -> Result<()> {
    let mut times: BTreeMap<(&Chain, u32), u64> = BTreeMap::new();
    for matched in told {
        *times.entry((&matched.chain, matched.number)).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for (chain, counters) in counters {
        let rules = (1..).zip(counters.rules.iter().chain(&counters.policy));
        for (number, counted) in rules {
            let told = times.remove(&(chain, number)).unwrap_or(0);
            if told != *counted {
                wrong.push(format!("{chain:?} {number}: told {told} times, counted {counted}"));
            }
        }
        // the ends of user chains have no counter that is shown
        if counters.policy.is_none() {
            times.remove(&(chain, u32::try_from(counters.rules.len() + 1)?));
        }
    }
    wrong.extend(times.iter().map(|((chain, n), _)| format!("{chain:?} has no rule {n}")));
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.truncate(SHOWN);
    bail!("not what the counters say:\n{}", wrong.join("\n"))
}

/// The rule that marks packets: the kernel logs it only of those that are marked.
fn marks(matched: &Matched) -> bool {
    matched.chain.table == "raw"
        && matched.number == 1
        && ["PREROUTING", "OUTPUT"].contains(&matched.chain.name.as_str())
}

/// Entries by packet, in their order. A target that sends a packet itself (REJECT)
/// is logged ahead of that one's entries, and told behind them.
fn by_packet(all: &[Matched]) -> BTreeMap<&Identity, Vec<&Matched>> {
    let mut packets: BTreeMap<&Identity, Vec<&Matched>> = BTreeMap::new();
    for matched in all.iter().filter(|m| !marks(m)) {
        packets.entry(&matched.packet).or_default().push(matched);
    }
    packets
}

fn in_order(told: &[Matched], logged: &[Matched]) -> Result<()> {
    let (told, mut logged) = (by_packet(told), by_packet(logged));
    for (packet, told) in told {
        same_entries(&told, &logged.remove(packet).unwrap_or_default())?;
    }
    match logged.first_key_value() {
        None => Ok(()),
        Some((packet, entries)) => bail!("{packet:?} was logged and not told: {entries:?}"),
    }
}

fn same_entries(told: &[&Matched], logged: &[&Matched]) -> Result<()> {
    // of a rule without conditions the log says that it is a policy or an end
    let same = |a: &Matched, b: &Matched| {
        (a.kind == b.kind || a.kind == Kind::Rule) && (&a.chain, a.number) == (&b.chain, b.number)
    };
    let first = told.iter().zip(logged).position(|(a, b)| !same(a, b));
    let at = match first {
        None if told.len() == logged.len() => return Ok(()),
        None => told.len().min(logged.len()),
        Some(at) => at,
    };
    let around = |all: &[&Matched]| {
        let lines = all.iter().skip(at.saturating_sub(2)).take(SHOWN);
        lines.map(|m| format!("  {m}\n")).collect::<String>()
    };
    bail!(
        "entry {at} of a packet differs ({} told, {} logged); told:\n{}logged:\n{}",
        told.len(),
        logged.len(),
        around(told),
        around(logged)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(port: u16, number: u32, kind: Kind) -> Matched {
        let chain = Chain { ipv6: false, table: "filter".into(), name: "INPUT".into() };
        let address = [10, 0, 0, 1].into();
        let packet = Identity { source: address, destination: address, ports: Some((1, port)) };
        Matched { chain, number, kind, packet }
    }

    #[test]
    fn packets_may_interleave_but_entries_of_one_may_not() {
        let told = [(5, 1), (5, 2), (6, 1)].map(|(port, n)| matched(port, n, Kind::Rule));
        let other = [told[0].clone(), told[2].clone(), told[1].clone()];
        assert!(in_order(&told, &other).is_ok());
        let swapped = [told[1].clone(), told[0].clone(), told[2].clone()];
        assert!(in_order(&told, &swapped).is_err());
        assert!(in_order(&told, &told[..2]).is_err());
        assert!(in_order(&told[..2], &told).is_err());
    }

    #[test]
    fn a_policy_is_not_told_of_what_is_logged_as_a_rule() {
        let (rule, policy) = (matched(5, 1, Kind::Rule), matched(5, 1, Kind::Policy));
        assert!(in_order(std::slice::from_ref(&rule), std::slice::from_ref(&policy)).is_ok());
        assert!(in_order(&[policy], &[rule]).is_err());
    }
}
