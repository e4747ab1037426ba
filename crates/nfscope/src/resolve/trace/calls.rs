//! Kernel functions that a packet passes.

use nfscope_collect::trace::{Call, Head};
use nfscope_event::{Called, Packet, Step};

use super::{TraceResolver, Way};
use crate::resolve::drop::{packet, process};

impl TraceResolver {
    /// The step of a function's call.
    pub(super) fn called(&self, way: &mut Way, head: &Head, call: &Call) -> Step {
        let found = self.functions.get(call.address);
        let first = call.packet.as_deref();
        if let Some(first) = first {
            way.netns = first.netns;
        }
        Step::Function(Box::new(Called {
            function: match found {
                Some((name, _)) => name.to_owned(),
                None => format!("{:#x}", call.address),
            },
            module: found.and_then(|(_, module)| module).map(str::to_owned),
            offset_ns: head.monotonic_ns.saturating_sub(head.start),
            traversal: Some(head.traversal).filter(|traversal| *traversal != 0),
            packet: first.map(packet).map(with_length),
            process: first.and_then(|first| process(first.process.as_ref())),
        }))
    }
}

/// A packet on its way out has no length in its header yet: the kernel fills it
/// in a function later (`__ip_local_out`, `__ip6_local_out`), from the skb's.
fn with_length(mut packet: Packet) -> Packet {
    const IPV6_HEADER: u32 = 40;
    if let (Some(ip), Some(length)) = (&mut packet.ip, packet.length) {
        let none = if ip.source.is_ipv4() { 0 } else { IPV6_HEADER };
        if ip.length == none {
            ip.length = length;
        }
    }
    packet
}
