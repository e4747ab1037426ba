//! The packets: mostly aimed at a rule or policy, some at nothing.

use super::construct::Cause;
use super::place::{Network, Path, Transport};
use super::random::Random;
use super::rules::{Aim, COMMON_PORTS};
use super::slot::Column;
use std::collections::BTreeMap;

/// What makes one packet.
#[derive(Debug, Clone)]
pub struct PacketPlan {
    /// Its number, from 1 on; in its source address and port.
    pub tag: u16,
    /// How it is sent.
    pub path: Path,
    /// Network protocol.
    pub network: Network,
    /// Transport protocol; None for ARP.
    pub transport: Option<Transport>,
    /// Number in the destination address.
    pub selector: u16,
    /// Destination port.
    pub port: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Bytes behind the transport header.
    pub payload: usize,
    /// TCP flags byte.
    pub tcp_flags: u8,
    /// Where it is meant to end.
    pub aim: Option<(Column, Cause)>,
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Makes `count` packets: five of six by turns for each goal that some aim
/// has, the rest at random.
pub fn generate(random: &mut Random, aims: &[Aim], count: usize) -> Vec<PacketPlan> {
    let mut goals: BTreeMap<_, Vec<&Aim>> = BTreeMap::new();
    for aim in aims {
        if let Some(goal) = aim.goal {
            goals.entry(goal).or_default().push(aim);
        }
    }
    let goals: Vec<Vec<&Aim>> = goals.into_values().collect();
    let mut turn = 0;
    let mut packets: Vec<PacketPlan> = (0..count)
        .map(|_| {
            if goals.is_empty() || random.chance(16) {
                return stray(random, aims);
            }
            turn += 1;
            let aim = *random.pick(&goals[turn % goals.len()]);
            aimed(random, aim)
        })
        .collect();
    random.shuffle(&mut packets);
    for (packet, tag) in packets.iter_mut().zip(1..) {
        packet.tag = tag;
    }
    packets
}

fn aimed(random: &mut Random, aim: &Aim) -> PacketPlan {
    let selector = *random.pick(&aim.selectors);
    let mut packet = plain(random, aim.path, aim.network);
    if aim.by_address {
        packet.selector = selector;
    }
    if aim.by_port {
        packet.port = selector;
    }
    if aim.transport.is_some() {
        packet.transport = aim.transport;
    }
    packet.aim = aim.goal;
    packet
}

/// A packet for a rule that drops nothing, or for no rule.
fn stray(random: &mut Random, aims: &[Aim]) -> PacketPlan {
    let harmless: Vec<&Aim> = aims.iter().filter(|aim| aim.goal.is_none()).collect();
    if !harmless.is_empty() && random.chance(50) {
        let aim = *random.pick(&harmless);
        return aimed(random, aim);
    }
    let path = *random.pick(&Path::ALL);
    let network = *random.pick(path.networks());
    plain(random, path, network)
}

/// A packet that no rule waits for.
fn plain(random: &mut Random, path: Path, network: Network) -> PacketPlan {
    let transport = match random.below(20) {
        0..7 => Transport::Tcp,
        7..14 => Transport::Udp,
        14..16 => Transport::Sctp,
        _ => Transport::Icmp,
    };
    PacketPlan {
        tag: 0,
        path,
        network,
        transport: (network != Network::Arp).then_some(transport),
        selector: u16::MAX - random.below(200) as u16,
        port: COMMON_PORTS + random.below(30) as u16,
        ttl: 40 + random.below(20) as u8,
        payload: random.below(120),
        tcp_flags: if random.chance(80) { SYN } else { ACK },
        aim: None,
    }
}
