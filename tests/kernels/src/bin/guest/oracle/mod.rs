//! The kernel as witness: its own trace messages, and its counters.

mod listen;
mod rules;

pub use listen::{Listeners, trace_tables};
pub use rules::{Known, Rules};

use crate::compare::{Decision, Drops, Outcome, PacketKey};
use crate::generate::place::Node;
use anyhow::{Result, bail};
use nfscope_event::NftVerdict;
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceType};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The drops that the messages of a namespace tell of.
///
/// Headers come only with the first message of a packet in each base chain;
/// the others have the same id.
pub fn decide(
    node: Node,
    messages: &[TraceMessage],
    rules: &Rules,
    drops: &mut Drops,
) -> Result<()> {
    let mut packets: HashMap<u32, PacketKey> = HashMap::new();
    for message in messages {
        if !message.network_header.is_empty() {
            let key = PacketKey::new(node, addresses(&message.network_header));
            packets.insert(message.id, key);
        }
        let Some(outcome) = outcome(node, message, rules)? else { continue };
        let Some(packet) = packets.get(&message.id) else {
            bail!("a trace message without headers before it: {message:?}");
        };
        let place = (message.family, message.table.clone(), message.chain.clone());
        drops.entry(*packet).or_default().push(Decision { place: Some(place), outcome });
    }
    Ok(())
}

/// How a message ends its packet; None: not at all.
///
/// What kernels say differently (the end of a chain and an explicit `return`
/// are of type "return" on 5.10 and 6.1 and of type "rule" later) drops
/// nothing and is the same here.
fn outcome(node: Node, message: &TraceMessage, rules: &Rules) -> Result<Option<Outcome>> {
    let queued = matches!(message.verdict, Some(Verdict::Queue(_)));
    if !message.drops() && !queued {
        return Ok(None);
    }
    if message.kind == TraceType::Policy {
        return Ok(Some(Outcome::Policy));
    }
    let handle = message.rule_handle.unwrap_or_default();
    let known = rules.get(node, message.family, &message.table, handle);
    let Some(known) = known.filter(|k| k.chain == message.chain) else {
        bail!("a trace message of a rule that nft does not list: {message:?}");
    };
    match (&known.rule.verdict, queued) {
        // `queue bypass` with nobody listening goes on.
        (None, true) => Ok(None),
        (Some(verdict), _) if queued == (*verdict == NftVerdict::Queue) => {
            Ok(Some(Outcome::Rule(handle, verdict.clone())))
        }
        _ => bail!("the rule {:?} cannot say this: {message:?}", known.rule.text),
    }
}

/// Source and destination address, or ARP's sender and target.
pub fn addresses(header: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let v4 = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets).into())
    };
    let v6 = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = header.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets).into())
    };
    match header.first()? >> 4 {
        4 => Some((v4(12)?, v4(16)?)),
        6 => Some((v6(8)?, v6(24)?)),
        // ARP starts with the hardware type, 0x0001.
        0 => Some((v4(14)?, v4(24)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_each_protocol() {
        let text = |header: &[u8]| addresses(header).map(|(s, d)| format!("{s} {d}"));
        let v4 = [&[0x45; 12][..], &[10, 0, 0, 1], &[172, 20, 0, 2]].concat();
        assert_eq!(text(&v4).as_deref(), Some("10.0.0.1 172.20.0.2"));
        let arp = [&[0; 14][..], &[10, 0, 0, 1], &[0; 6], &[172, 20, 0, 2]].concat();
        assert_eq!(text(&arp).as_deref(), Some("10.0.0.1 172.20.0.2"));
        assert_eq!(text(&[0x60; 40]).map(|t| t.len()), Some(79));
        assert_eq!(text(&[0x45; 12]), None);
    }
}
