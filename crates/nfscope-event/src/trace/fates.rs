//! What becomes of a packet outside of nftables.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Device, KernelDrop, Packet, Process};

/// Handed to a device's driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The device.
    pub device: Device,
}

/// A kernel function is called with the packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// Its name; an address where that is not known.
    pub function: String,
    /// Its module; none of the kernel's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Time since the packet was first seen.
    pub offset_ns: u64,
    /// Which passage through a base chain it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traversal: Option<u32>,
    /// The packet as it is now, where it is first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<Packet>,
    /// The process in whose context it was first seen; none in softirq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// Handed to a socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The socket.
    pub socket: Socket,
}

/// A socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Address family: `inet`, `inet6`, `packet`, or a number.
    pub family: String,
    /// `stream`, `dgram`, `raw`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Protocol of an inet socket: `tcp`, `udp`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Address that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<IpAddr>,
    /// Port that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_port: Option<u16>,
    /// Address that it is connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
    /// Port that it is connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_port: Option<u16>,
    /// Its inode, as `ss -e` shows it. One that no program holds has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// The processes that held it open shortly after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Process>,
}

/// Copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cloned {
    /// Number of the copy.
    pub copy: u64,
}

/// Dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// The last decision of nftables was to drop it.
    pub decided: bool,
    /// The kernel's reason and place.
    #[serde(flatten)]
    pub kernel: KernelDrop,
    /// The process in whose context it was dropped; none in softirq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// Freed, otherwise than by a drop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The function that freed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The process in whose context it was freed; none in softirq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// Steps were lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// How many; absent where it is not known whether any are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}
