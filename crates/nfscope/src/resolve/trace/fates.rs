//! What became of a packet.

use nfscope_collect::trace::{Fate, FateKind, Head};
use nfscope_event::{Cause, Cloned, Delivered, Device, Dropped, Ended, KernelDrop, Sent, Step};

use super::{TraceResolver, Way};
use crate::resolve::drop::process;

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
                    Cause::NftRule(_) | Cause::NftPolicy(_) => return None,
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
            FateKind::Delivered { netns, family } => {
                way.netns = *netns;
                Step::Delivered(Delivered { socket: socket(*family) })
            }
        })
    }
}

/// `AF_*` (`include/linux/socket.h`) by name.
fn socket(family: u32) -> String {
    match family {
        2 => "inet".into(),
        10 => "inet6".into(),
        17 => "packet".into(),
        other => other.to_string(),
    }
}
