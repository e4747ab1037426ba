//! Which programs are loaded, and where they are attached.

use nfscope_event::Backend;

use crate::drop::{NftOffsets, TraceArguments};

/// The function that runs a base chain.
pub(super) const CHAIN: &str = "nft_do_chain";
/// The function of the trace hook.
const TRACE: &str = "__nft_trace_packet";

/// Programs on functions of the kernel's own image, with their function. One
/// that a kernel does not have tells nothing there.
const FATES: [(&str, &str); 9] = [
    ("on_release", "skb_release_head_state"),
    ("on_tcp_v4_do_rcv", "tcp_v4_do_rcv"),
    ("on_tcp_v6_do_rcv", "tcp_v6_do_rcv"),
    ("on___udp_enqueue_schedule_skb", "__udp_enqueue_schedule_skb"),
    ("on___sock_queue_rcv_skb", "__sock_queue_rcv_skb"),
    ("on_skb_clone", "skb_clone"),
    ("on_skb_copy", "skb_copy"),
    ("on_skb_copy_expand", "skb_copy_expand"),
    ("on_pskb_copy", "__pskb_copy_fclone"),
];
/// Programs on tracepoints.
const TRACEPOINTS: [&str; 3] = ["on_drop", "on_consume", "on_transmit"];

/// A way to learn of nft's decisions, with all it needs.
#[derive(Debug, Clone)]
pub struct TraceSetup {
    /// Which backend.
    pub backend: Backend,
    /// Whether the kernel's trace key must be on.
    pub trace_key: bool,
    pub(super) nft: NftOffsets,
    pub(super) trace: TraceArguments,
    fentry: bool,
    fates: Vec<&'static str>,
}

impl TraceSetup {
    /// The trace hook, by fentry or by kprobe. `has_function`: whether the
    /// kernel's own image has a function of this name.
    pub fn trace_hook(
        nft: NftOffsets,
        trace: TraceArguments,
        fentry: bool,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let there = FATES.iter().filter(|(_, function)| has_function(function));
        Self {
            backend: Backend::TraceHook,
            trace_key: true,
            nft,
            trace,
            fentry,
            fates: there.map(|(program, _)| *program).collect(),
        }
    }

    /// Programs of functions in nf_tables to attach with fentry.
    pub(super) fn fentries(&self) -> Vec<(&'static str, &'static str)> {
        if self.fentry {
            vec![("trace_packet_fentry", TRACE), ("chain_fentry", CHAIN)]
        } else {
            Vec::new()
        }
    }

    /// Programs to attach as kprobes: function, offset.
    pub(super) fn kprobes(&self) -> Vec<(&'static str, &'static str, u64)> {
        if self.fentry {
            Vec::new()
        } else {
            vec![("trace_packet_kprobe", TRACE, 0), ("chain_kprobe", CHAIN, 0)]
        }
    }

    /// Programs whose place stands in their name. They come before those that
    /// select packets: a packet must not be selected that nobody sees freed.
    pub(super) fn elsewhere(&self) -> impl Iterator<Item = &'static str> {
        TRACEPOINTS.into_iter().chain(self.fates.iter().copied())
    }

    /// Names of all programs to load.
    pub(super) fn programs(&self) -> Vec<&'static str> {
        let fentries = self.fentries().into_iter().map(|(program, _)| program);
        let kprobes = self.kprobes().into_iter().map(|(program, ..)| program);
        self.elsewhere().chain(fentries).chain(kprobes).collect()
    }
}
