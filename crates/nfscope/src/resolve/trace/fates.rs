//! What became of a packet outside of nftables.

use nfscope_collect::trace::{Fate, FateKind, Head, SocketPart};
use nfscope_event::{
    Cause, Cloned, Delivered, Device, Dropped, Ended, KernelDrop, Sent, Socket, Step,
};

use super::{TraceResolver, Way};
use crate::resolve::drop::process;

/// `include/linux/net.h`
const SOCK_RAW: u16 = 3;
/// Functions that free packets for others: the place is their caller.
const FREEING: [&str; 19] = [
    "skb_release_head_state",
    "skb_release_all",
    "__kfree_skb",
    "kfree_skb",
    "kfree_skb_reason",
    "sk_skb_reason_drop",
    "consume_skb",
    "__consume_stateless_skb",
    "kfree_skb_partial",
    "napi_consume_skb",
    "__napi_kfree_skb",
    "__kfree_skb_defer",
    "skb_free_datagram",
    "__skb_free_datagram_locked",
    "skb_consume_udp",
    "skb_attempt_defer_free",
    "dev_kfree_skb_any_reason",
    "__dev_kfree_skb_any",
    "kfree_skb_list_reason",
];

impl TraceResolver {
    /// The step of a fate.
    pub(super) fn fate(&mut self, way: &mut Way, head: &Head, fate: &Fate) -> Option<Step> {
        let process = process(fate.process.as_ref());
        Some(match &fate.kind {
            FateKind::Dropped { reason } => {
                let cause = self.drops.kernel_cause(fate.location, *reason, None);
                let kernel = match cause {
                    Cause::Kernel(kernel) => kernel,
                    // a kernel without reasons: not every free is a drop
                    Cause::Freed(freed) if !way.dropped => {
                        return Some(Step::Freed(Ended { function: freed.function, process }));
                    }
                    Cause::Freed(freed) => KernelDrop {
                        reason: None,
                        explanation: None,
                        hint: None,
                        function: freed.function,
                        location: freed.location,
                        hook_function: None,
                    },
                    Cause::NftRule(_)
                    | Cause::NftPolicy(_)
                    | Cause::XtRule(_)
                    | Cause::XtPolicy(_) => return None,
                };
                Step::Dropped(Dropped { decided: way.dropped, kernel, process })
            }
            FateKind::Consumed | FateKind::Freed => {
                let callers = if fate.location == 0 {
                    fate.callers.as_slice()
                } else {
                    std::slice::from_ref(&fate.location)
                };
                let function = self.drops.freed_in(callers, &FREEING);
                let ended = Ended { function, process };
                match fate.kind {
                    FateKind::Consumed => Step::Consumed(ended),
                    _ => Step::Freed(ended),
                }
            }
            FateKind::Cloned { skb, start } => {
                let copy = self.new_way(Some(way), head);
                let id = copy.id;
                self.remember((*skb, *start), copy);
                Step::Cloned(Cloned { copy: id })
            }
            FateKind::Sent { device: (index, name), netns } => {
                way.netns = *netns;
                let device = Device { index: *index, name: name.clone() };
                Step::Sent(Sent { device })
            }
            FateKind::Delivered { netns, socket: part } => {
                way.netns = *netns;
                Step::Delivered(Delivered { socket: socket(part) })
            }
        })
    }
}

/// A socket in words.
fn socket(part: &SocketPart) -> Socket {
    let raw = part.kind == SOCK_RAW;
    let inet = part.local.is_some();
    // the "ports" of a raw socket are its protocol
    let port = |port: u16| Some(port).filter(|port| *port != 0 && !raw);
    let remote = part.remote.filter(|(address, _)| !address.is_unspecified());
    Socket {
        family: family(part.family),
        kind: Some(kind(part.kind)),
        protocol: inet.then(|| protocol(part.protocol)),
        local: part.local.map(|(address, _)| address),
        local_port: part.local.and_then(|(_, local)| port(local)),
        remote: remote.map(|(address, _)| address),
        remote_port: remote.and_then(|(_, remote)| port(remote)),
        inode: Some(part.inode).filter(|inode| *inode != 0),
        owners: Vec::new(),
    }
}

/// `AF_*` (`include/linux/socket.h`) by name.
fn family(number: u16) -> String {
    match number {
        2 => "inet".into(),
        10 => "inet6".into(),
        17 => "packet".into(),
        other => other.to_string(),
    }
}

/// `SOCK_*` (`include/linux/net.h`) by name.
fn kind(number: u16) -> String {
    match number {
        1 => "stream".into(),
        2 => "dgram".into(),
        SOCK_RAW => "raw".into(),
        5 => "seqpacket".into(),
        other => other.to_string(),
    }
}

/// `IPPROTO_*` (`include/uapi/linux/in.h`) by name.
fn protocol(number: u16) -> String {
    match number {
        1 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        58 => "icmpv6".into(),
        132 => "sctp".into(),
        136 => "udplite".into(),
        262 => "mptcp".into(),
        other => other.to_string(),
    }
}
