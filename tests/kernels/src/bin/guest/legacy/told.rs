//! What was told of a packet and a rule, by whomever.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nfscope_event::{Event, Family, Packet, Step, Transport, XtPlace};

/// A chain of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chain {
    pub ipv6: bool,
    pub table: String,
    pub name: String,
}

/// What kind of entry it is, as the kernel's log words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rule,
    /// The end of a user chain, or a rule without conditions that returns.
    Return,
    Policy,
}

/// How a packet is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Of TCP and UDP.
    pub ports: Option<(u16, u16)>,
}

/// An entry of a table that matched a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    pub chain: Chain,
    /// From 1; the entry that ends a chain has the number behind the last rule's.
    pub number: u32,
    pub kind: Kind,
    pub packet: Identity,
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, number, kind, packet } = self;
        let Identity { source, destination, ports } = packet;
        write!(
            f,
            "{}:{}:{kind:?}:{number} {source} > {destination} {ports:?}",
            chain.table, chain.name
        )
    }
}

/// What nfscope told, in its order.
#[derive(Debug, Default)]
pub struct Told {
    pub matched: Vec<Matched>,
}

/// Reads nfscope's output. `last`: the number of the entry that ends a chain.
pub fn read(file: &Path, netns: &str, last: impl Fn(&Chain) -> Option<u32>) -> Result<Told> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut told = Told::default();
    let mut packets = std::collections::HashMap::new();
    for line in text.lines() {
        let event: Event = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let trace = match event {
            Event::Trace(trace) => trace,
            Event::Lost(_) => bail!("nfscope lost something: {line}"),
            _ => continue,
        };
        if matches!(trace.step, Step::Missing(_)) {
            bail!("a step is missing: {line}");
        }
        if let Step::EnterTable(enter) = &trace.step {
            packets.insert((trace.packet_id, enter.traversal), identity(&enter.packet));
            continue;
        }
        let (traversal, place, number, kind) = match &trace.step {
            Step::TableRule(rule) => (rule.traversal, &rule.place, rule.number, Kind::Rule),
            Step::TableEnd(end) => (end.traversal, &end.place, None, Kind::Return),
            Step::TablePolicy(policy) => (policy.traversal, &policy.place, None, Kind::Policy),
            _ => continue,
        };
        if trace.netns.name.as_deref() != Some(netns) {
            continue;
        }
        let chain = chain(place).with_context(|| format!("a rule without its chain: {line}"))?;
        let number = match kind {
            Kind::Rule => number,
            _ => last(&chain),
        };
        let number = number.with_context(|| format!("a rule without a number: {line}"))?;
        let packet = packets.get(&(trace.packet_id, traversal)).cloned().flatten();
        let packet = packet.with_context(|| format!("a packet without addresses: {line}"))?;
        told.matched.push(Matched { chain, number, kind, packet });
    }
    Ok(told)
}

fn chain(place: &XtPlace) -> Option<Chain> {
    let ipv6 = place.family == Family::Ip6;
    Some(Chain { ipv6, table: place.table.clone(), name: place.chain.clone()? })
}

fn identity(packet: &Packet) -> Option<Identity> {
    let ip = packet.ip.as_ref()?;
    let ports = match &packet.transport {
        Some(Transport::Tcp(tcp)) => Some((tcp.ports.source, tcp.ports.destination)),
        Some(Transport::Udp(ports)) => Some((ports.source, ports.destination)),
        _ => None,
    };
    Some(Identity { source: ip.source, destination: ip.destination, ports })
}
