//! The rules' own counters, as `iptables-legacy -nvxL --line-numbers` prints them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::told::Chain;

/// A chain's counters.
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets of each rule, in order.
    pub rules: Vec<u64>,
    /// Packets of a built-in chain's policy.
    pub policy: Option<u64>,
}

/// Reads the lists of all tables; before each a line `@ ip filter` or
/// `@ ip6 filter`.
pub fn read(file: &Path) -> Result<BTreeMap<Chain, Counters>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut all: BTreeMap<Chain, Counters> = BTreeMap::new();
    let mut place = None;
    let mut current = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["@", family, table] => place = Some((family == "ip6", table.to_owned())),
            ["Chain", name, ..] => {
                let (ipv6, table) = place.clone().context("a chain of no table")?;
                let chain = Chain { ipv6, table, name: name.into() };
                // (policy ACCEPT 5 packets, 300 bytes)
                let policy = match words[2..] {
                    ["(policy", _, packets, ..] => Some(packets.parse()?),
                    _ => None,
                };
                all.insert(chain.clone(), Counters { policy, ..Counters::default() });
                current = Some(chain);
            }
            [number, packets, _, ..] if number.parse::<u32>().is_ok() => {
                let counters = current.as_ref().and_then(|chain| all.get_mut(chain));
                counters.context("a rule of no chain")?.rules.push(packets.parse()?);
            }
            _ => {}
        }
    }
    Ok(all)
}
