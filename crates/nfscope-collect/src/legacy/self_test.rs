//! Tries a family's probes on packets whose fate is known.
//!
//! In the scratch namespace one table after another is put in the place of one
//! whose module is loaded: a rule that drops, one that accepts, one that jumps to
//! a dropping chain, a policy that drops. What is told of the four packets must
//! be exactly that, else the probes are not used.

use std::net::UdpSocket;
use std::path::Path;

use nfscope_kernel::locate::ipt::Tables;
use nfscope_ruleset::xtables::Family;
use nfscope_ruleset::xtables::scratch::{Placed, Shape, place};

use super::probes;
use crate::drop::{DropRecord, Note};
use crate::nft::Scratch;
use crate::{CollectError, raw};

/// Tables that have a chain OUTPUT (ARP's: INPUT), by what their modules' names
/// end in.
const TABLES: [&str; 5] = ["filter", "mangle", "raw", "security", "nat"];
/// `NF_INET_LOCAL_OUT`
pub(crate) const LOCAL_OUT: u8 = 3;
/// The packets' ports (ARP's: their operations), and the tables that they meet.
const PACKETS: [(u16, Shape, Note); 4] = [
    (40011, Shape::Rule, Note::LegacyRule),
    (40012, Shape::Accept, Note::None),
    (40013, Shape::Jump, Note::LegacyRule),
    (40014, Shape::Policy, Note::LegacyPolicy),
];

/// Hardware type (none that loopback has), protocol and their addresses' lengths.
const ARP_START: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// An ARP packet from and to loopback's own hardware address, with an operation
/// that means nothing: the kernel drops what no rule does.
fn arp(operation: u16) -> Vec<u8> {
    let ethernet = [[0; 12].as_slice(), &[8, 6]].concat();
    [ethernet.as_slice(), &ARP_START, &operation.to_be_bytes(), &[0; 20]].concat()
}

/// A table whose module is loaded; asking for another would load it.
pub(crate) fn loaded_table(tables: Tables) -> Option<&'static str> {
    let start = match tables {
        Tables::Ipv4 => "iptable_",
        Tables::Ipv6 => "ip6table_",
        Tables::Arp => "arptable_",
    };
    TABLES.into_iter().find(|name| Path::new(&format!("/sys/module/{start}{name}")).exists())
}

/// What the probes tell of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The rule or the policy.
    Rules,
    /// The table that said drop.
    Tables,
}

/// A trial that was sent.
pub(crate) struct SelfTest {
    tables: Tables,
    table: &'static str,
    placed: Vec<Placed>,
}

impl SelfTest {
    /// Sends the packets.
    pub(crate) fn send(tables: Tables, scratch: &Scratch) -> Result<Self, CollectError> {
        let refuse = |reason: String| CollectError::Backend { backend: "legacy", reason };
        let table = loaded_table(tables).ok_or_else(|| {
            refuse("no module of a table is loaded that it could be tried in".into())
        })?;
        let placed = scratch.run(move || in_scratch(tables, table))?;
        let placed = placed.map_err(|e| refuse(format!("the self-test's table: {e}")))?;
        Ok(Self { tables, table, placed })
    }

    /// Which table the packets met; of each its port, what the table did with
    /// such packets, and where.
    pub(crate) fn met(&self) -> (&'static str, impl Iterator<Item = (u16, Shape, &Placed)>) {
        let ports = PACKETS.into_iter().zip(&self.placed);
        (self.table, ports.map(|((port, shape, _), placed)| (port, shape, placed)))
    }

    /// How many packets were sent.
    pub(crate) fn packets(&self) -> usize {
        PACKETS.len()
    }

    /// What is wrong with the records, if anything.
    pub(crate) fn judge(&self, records: &[DropRecord], told: Told) -> Result<(), CollectError> {
        let refuse = |reason: String| CollectError::Backend {
            backend: "legacy",
            reason: format!("the self-test failed: {reason}"),
        };
        for ((port, _, wanted), placed) in PACKETS.into_iter().zip(&self.placed) {
            let all: Vec<_> =
                records.iter().filter(|r| self.port(&r.frame) == Some(port)).collect();
            let [record] = all[..] else {
                let count = all.len();
                return Err(refuse(format!(
                    "the packet to port {port} was reported {count} times, not once"
                )));
            };
            let right = match &record.legacy {
                None => wanted == Note::None,
                Some(part) => {
                    let rule = match told {
                        Told::Rules => {
                            part.note == wanted
                                && part.entry == placed.entry
                                && (part.size, part.entries) == (placed.size, placed.entries)
                        }
                        Told::Tables => wanted != Note::None && part.is_table_alone(),
                    };
                    rule && part.table == self.table
                        && part.family == probes::family(self.tables).nfproto()
                        && part.hook == hook(self.tables)
                        && part.change.is_some()
                }
            };
            if !right {
                return Err(refuse(format!(
                    "the packet to port {port} was put down to {:?}, not to {wanted:?} at {:?}",
                    record.legacy, placed.entry
                )));
            }
        }
        Ok(())
    }

    /// UDP destination port of a frame without options; ARP's operation.
    pub(crate) fn port(&self, frame: &[u8]) -> Option<u16> {
        let ip = frame.get(14..)?;
        let (first, protocol, ports) = match self.tables {
            Tables::Arp => {
                let operation = ip.strip_prefix(&ARP_START)?.get(..2)?;
                return Some(u16::from_be_bytes(operation.try_into().ok()?));
            }
            Tables::Ipv4 => (0x45, ip.get(9)?, 20),
            Tables::Ipv6 => (0x60, ip.get(6)?, 40),
        };
        // in IPv6 the lower half is of the traffic class
        let mask = if self.tables == Tables::Ipv4 { 0xff } else { 0xf0 };
        if ip.first()? & mask != first || *protocol != 17 {
            return None;
        }
        Some(u16::from_be_bytes(ip.get(ports + 2..ports + 4)?.try_into().ok()?))
    }
}

/// `NF_INET_LOCAL_OUT`, `NF_ARP_IN`: packets that leave are ARP's own only where
/// a device has neighbours.
fn hook(tables: Tables) -> u8 {
    if tables == Tables::Arp { 0 } else { 3 }
}

/// Puts the tables in place and sends the packets, in the scratch namespace.
fn in_scratch(tables: Tables, table: &str) -> std::io::Result<Vec<Placed>> {
    let (family, address) = match tables {
        Tables::Ipv4 => (Family::Ipv4, "127.0.0.1"),
        Tables::Ipv6 => (Family::Ipv6, "::1"),
        Tables::Arp => (Family::Arp, "127.0.0.1"),
    };
    if tables == Tables::Ipv6 {
        // the namespace is our own; without the file there is no IPv6, and
        // without IPv6 nothing can be sent, which says so
        let _ = std::fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0");
    }
    let socket = UdpSocket::bind((address, 0))?;
    let mut placed = Vec::new();
    for (port, shape, _) in PACKETS {
        placed.push(place(family, table, shape)?);
        if tables == Tables::Arp {
            raw::send_to_loopback(&arp(port))?;
        } else {
            // a drop in the output hook comes back as EPERM: as wanted
            let _ = socket.send_to(b"nfscope", (address, port));
        }
    }
    // later trials in this namespace are not to meet it
    place(family, table, Shape::Empty)?;
    Ok(placed)
}
