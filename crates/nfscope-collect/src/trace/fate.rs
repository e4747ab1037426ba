//! What became of packets (`struct fate`, `struct delivery` of `trace.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::reader::Reader;

/// `AF_INET`, `AF_INET6` (`include/linux/socket.h`)
const INET: u16 = 2;
const INET6: u16 = 10;
const CALLERS: usize = 8;

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FateKind {
    /// Dropped; the kernel's reason (`enum skb_drop_reason`, 0 without).
    Dropped {
        /// Number of the reason.
        reason: u32,
    },
    /// Freed, and that was no drop.
    Consumed,
    /// Freed where no tracepoint says why.
    Freed,
    /// Copied.
    Cloned {
        /// Address of the copy's skb.
        skb: u64,
        /// The copy's [`Head::start`].
        start: u64,
    },
    /// Handed to a device's driver.
    Sent {
        /// The device: index and name.
        device: (u32, String),
        /// Inode of its namespace.
        netns: u32,
    },
    /// Handed to a socket.
    Delivered {
        /// Inode of the socket's namespace.
        netns: u32,
        /// The socket.
        socket: SocketPart,
    },
}

/// What became of a packet, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// What.
    pub kind: FateKind,
    /// Code address where it was freed; 0: see `callers`.
    pub location: u64,
    /// The callers of what freed it, innermost first.
    pub callers: Vec<u64>,
    /// Process id and command, where the process is the context.
    pub process: Option<(u32, String)>,
    /// Another task could interrupt the program that made the record.
    pub preemptible: bool,
}

/// A socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketPart {
    /// Address of its `struct sock`.
    pub address: u64,
    /// Inode of the file that programs hold; 0: there is none.
    pub inode: u64,
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`.
    pub kind: u16,
    /// `IPPROTO_*` of an inet socket.
    pub protocol: u16,
    /// Where it is bound, of an inet socket.
    pub local: Option<(IpAddr, u16)>,
    /// Where it is connected to; port 0: it is not.
    pub remote: Option<(IpAddr, u16)>,
}

/// Behind the record's head.
pub(super) fn fate(r: &mut Reader<'_>) -> Option<Fate> {
    let (kind, reason, location) = (r.u32()?, r.u32()?, r.u64()?);
    let (skb, start) = (r.u64()?, r.u64()?);
    let (ifindex, netns, pid, in_process) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    let (device, comm) = (r.name(16)?, r.name(16)?);
    let size = usize::try_from(r.u32()?.cast_signed()).unwrap_or(0);
    r.u32()?;
    let mut all = Reader(r.take(8 * CALLERS)?);
    let callers = (0..CALLERS.min(size / 8)).map(|_| all.u64()).collect::<Option<_>>()?;
    let kind = match kind {
        1 => FateKind::Dropped { reason },
        2 => FateKind::Consumed,
        3 => FateKind::Freed,
        4 => FateKind::Cloned { skb, start },
        5 => FateKind::Sent { device: (ifindex, device), netns },
        6 => FateKind::Delivered { netns, socket: socket(r)? },
        _ => return None,
    };
    let process = (in_process != 0).then_some((pid, comm));
    Some(Fate { kind, location, callers, process, preemptible: in_process == 2 })
}

fn socket(r: &mut Reader<'_>) -> Option<SocketPart> {
    let (address, inode) = (r.u64()?, r.u64()?);
    let (family, kind, protocol) = (r.u16()?, r.u16()?, r.u16()?);
    let (local_port, remote_port) = (r.u16()?, r.u16()?);
    r.u16()?;
    let (local, remote) = (r.array::<16>()?, r.array::<16>()?);
    let ip = |bytes: [u8; 16]| match family {
        INET => Some(IpAddr::from(Ipv4Addr::from([bytes[0], bytes[1], bytes[2], bytes[3]]))),
        INET6 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    };
    Some(SocketPart {
        address,
        inode,
        family,
        kind,
        protocol,
        local: ip(local).map(|ip| (ip, local_port)),
        remote: ip(remote).map(|ip| (ip, remote_port)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_families() {
        let mut bytes = Vec::new();
        bytes.extend([1_u64.to_ne_bytes(), 77_u64.to_ne_bytes()].concat());
        for word in [INET, 2, 17, 53, 0, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend([10, 0, 0, 2]);
        bytes.resize(60, 0);
        let found = socket(&mut Reader(&bytes)).unwrap();
        assert_eq!(found.local, Some(([10, 0, 0, 2].into(), 53)));
        assert_eq!(found.remote, Some(([0, 0, 0, 0].into(), 0)));
        assert_eq!((found.inode, found.protocol), (77, 17));
        bytes[16..18].copy_from_slice(&17_u16.to_ne_bytes());
        assert_eq!(socket(&mut Reader(&bytes)).unwrap().local, None);
        for length in 0..bytes.len() {
            assert_eq!(socket(&mut Reader(&bytes[..length])), None);
        }
    }
}
