//! The event of `nfscope drops`.

use serde::{Deserialize, Serialize};

use crate::{Backend, Cause, Device, Netns, Packet, Process, SourceFrame};

/// One dropped packet with its cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// Time of the drop in nanoseconds since the Unix epoch (the kernel's
    /// monotonic stamp, moved by the offset taken at start).
    pub time_ns: u64,
    /// CPU it happened on.
    pub cpu: u32,
    /// The network namespace.
    pub netns: Netns,
    /// The device of the skb, or of the hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The hook's input device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_device: Option<Device>,
    /// The hook's output device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_device: Option<Device>,
    /// Why.
    pub cause: Cause,
    /// Which mechanism saw it.
    pub backend: Backend,
    /// The packet.
    pub packet: Packet,
    /// The process in whose context it was dropped; none in softirq and
    /// interrupts, where the current process has nothing to do with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Kernel stack, innermost first, `function+0xoff` each (`--stack`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
    /// Source lines of each frame of `stack`, none where they are not known (`--source`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack_source: Vec<Vec<SourceFrame>>,
}
