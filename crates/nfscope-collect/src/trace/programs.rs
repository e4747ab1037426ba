//! Which programs are loaded, and where they are attached.

use nfscope_event::Backend;
use nfscope_kernel::locate::nft::{FUNCTION, NftPoints, Point};

use crate::drop::{NftOffsets, TraceArguments};
use crate::nft::{PointValues, ValueAt};

/// The function of the trace hook.
const TRACE: &str = "__nft_trace_packet";

/// A place of the kernel's own image: the function, the program for its entry
/// and the kprobe that can stand in for it. One that a kernel does not have
/// tells nothing there.
const FATES: [(&str, &str, &str); 6] = [
    ("skb_release_head_state", "on_release", "on_release_kprobe"),
    ("napi_skb_free_stolen_head", "on_stolen_head", "on_stolen_head_kprobe"),
    ("tcp_v4_do_rcv", "on_tcp_v4_do_rcv", "on_tcp_v4_do_rcv_kprobe"),
    ("tcp_v6_do_rcv", "on_tcp_v6_do_rcv", "on_tcp_v6_do_rcv_kprobe"),
    (
        "__udp_enqueue_schedule_skb",
        "on___udp_enqueue_schedule_skb",
        "on___udp_enqueue_schedule_skb_kprobe",
    ),
    ("__sock_queue_rcv_skb", "on___sock_queue_rcv_skb", "on___sock_queue_rcv_skb_kprobe"),
];
/// The same for functions that copy packets, at their return; a kprobe there
/// would lack the arguments.
const COPIES: [(&str, &str); 4] = [
    ("skb_clone", "on_skb_clone"),
    ("skb_copy", "on_skb_copy"),
    ("skb_copy_expand", "on_skb_copy_expand"),
    ("__pskb_copy_fclone", "on_pskb_copy"),
];
/// Programs on tracepoints.
const TRACEPOINTS: [&str; 3] = ["on_drop", "on_consume", "on_transmit"];
/// Programs of the trace events behind them.
const TRACE_EVENTS: [&str; 3] = ["on_drop_event", "on_consume_event", "on_transmit_event"];

/// How programs are attached to functions' entries and tracepoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// With fentry, which is the cheapest.
    Fentry,
    /// In nf_tables by kprobe: for kernels without type information of modules.
    ModuleKprobe,
    /// All functions by kprobe, which no other task interrupts.
    Kprobe,
    /// Tracepoints by their trace events, too, since about 7.0.
    KprobeAndEvent,
}

/// A kprobe: program, function, byte offset.
pub(super) type Kprobe = (&'static str, &'static str, u64);

/// Where values are at the points of a kernel.
#[derive(Debug, Clone, Default)]
pub(super) struct Points {
    /// Every verdict passes here.
    pub verdict: PointValues,
    /// Every match without a verdict.
    pub matched: PointValues,
    /// Every rule that does not match.
    pub missed: PointValues,
    /// The expression that failed, there.
    pub missed_expr: ValueAt,
}

/// A way to learn of nft's decisions, with all it needs.
#[derive(Debug, Clone)]
pub struct TraceSetup {
    /// Which backend.
    pub backend: Backend,
    /// Whether the kernel's trace key must be on.
    pub trace_key: bool,
    pub(super) nft: NftOffsets,
    pub(super) trace: TraceArguments,
    pub(super) points: Points,
    pub(super) kprobes: Vec<Kprobe>,
    /// Programs of functions in nf_tables to attach with fentry.
    pub(super) fentries: Vec<(&'static str, &'static str)>,
    /// Whether other tasks can interrupt the programs that tell fates, on
    /// kernels where they can interrupt a tracepoint's.
    pub(super) interruptible: bool,
    /// Programs whose place stands in their name: tracepoints and functions.
    pub(super) traced: Vec<&'static str>,
    /// The same, trace events and kprobes.
    pub(super) probed: Vec<&'static str>,
    pub(super) by: Attachment,
}

impl TraceSetup {
    /// The trace hook. `has_function`: whether the kernel's own image has a
    /// function of this name.
    pub fn trace_hook(
        nft: NftOffsets,
        trace: TraceArguments,
        by: Attachment,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let mut setup = Self::chains(Backend::TraceHook, nft, by, has_function);
        setup.trace_key = true;
        setup.trace = trace;
        if by == Attachment::Fentry {
            setup.fentries.push(("trace_packet_fentry", TRACE));
        } else {
            setup.kprobes.push(("trace_packet_kprobe", TRACE, 0));
        }
        setup
    }

    /// Without nftables: tables of x_tables only. `state`: of the layouts only
    /// that of `struct nf_hook_state`.
    pub fn without_nft(
        state: NftOffsets,
        by: Attachment,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        Self::fates(Backend::Points, state, by, has_function)
    }

    /// The same without any programs: only what others share.
    pub(super) fn bare(self) -> Self {
        Self { traced: Vec::new(), probed: Vec::new(), ..self }
    }

    /// Probe points inside `nft_do_chain`; a sentence if they are not enough.
    pub fn points(
        nft: NftOffsets,
        found: &NftPoints,
        by: Attachment,
        has_function: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut setup = Self::chains(Backend::Points, nft, by, has_function);
        let verdict = found.verdict.as_ref().map_err(ToString::to_string)?;
        let matched = found.matched.as_ref().map_err(ToString::to_string)?;
        setup.points.verdict = values(verdict);
        setup.points.matched = values(matched);
        setup.probe("at_verdict", verdict);
        setup.probe("at_matched", matched);
        Ok(setup)
    }

    /// Tells the rules that do not match, too; a sentence if that cannot be.
    pub fn with_misses(mut self, found: &NftPoints) -> Result<Self, String> {
        let missed = found.no_match.as_ref().map_err(ToString::to_string)?;
        let expr = missed.holds.expr.ok_or("where the failing expression is cannot be told")?;
        self.points.missed = values(missed);
        self.points.missed_expr = expr.into();
        self.probe("at_no_match", missed);
        Ok(self)
    }

    /// What nft's backends have in common.
    fn chains(
        backend: Backend,
        nft: NftOffsets,
        by: Attachment,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let mut setup = Self::fates(backend, nft, by, has_function);
        match by {
            Attachment::Fentry => setup.fentries.push(("chain_fentry", FUNCTION)),
            _ => setup.kprobes.push(("chain_kprobe", FUNCTION, 0)),
        }
        setup
    }

    /// What becomes of packets.
    fn fates(
        backend: Backend,
        nft: NftOffsets,
        by: Attachment,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let there = FATES.iter().filter(|(function, ..)| has_function(function));
        let copies = COPIES.iter().filter(|(function, _)| has_function(function));
        let mut traced: Vec<_> = copies.map(|(_, program)| *program).collect();
        let mut probed = Vec::new();
        match by {
            Attachment::KprobeAndEvent => probed.extend(TRACE_EVENTS),
            _ => traced.extend(TRACEPOINTS),
        }
        match by {
            Attachment::Fentry | Attachment::ModuleKprobe => {
                traced.extend(there.map(|(_, entry, _)| *entry));
            }
            _ => probed.extend(there.map(|(_, _, kprobe)| *kprobe)),
        }
        Self {
            backend,
            trace_key: false,
            nft,
            trace: TraceArguments::default(),
            points: Points::default(),
            kprobes: Vec::new(),
            fentries: Vec::new(),
            interruptible: by != Attachment::KprobeAndEvent,
            traced,
            probed,
            by,
        }
    }

    fn probe(&mut self, program: &'static str, point: &Point) {
        let probes = point.probes.iter().map(|offset| (program, FUNCTION, u64::from(*offset)));
        self.kprobes.extend(probes);
    }

    /// Names of all programs to load.
    pub(super) fn programs(&self) -> Vec<&'static str> {
        let fentries = self.fentries.iter().map(|(program, _)| *program);
        let kprobes = self.kprobes.iter().map(|(program, ..)| *program);
        let elsewhere = self.traced.iter().chain(&self.probed).copied();
        elsewhere.chain(fentries).chain(kprobes).collect()
    }
}

fn values(point: &Point) -> PointValues {
    PointValues {
        rule: point.holds.rule.into(),
        pkt: point.holds.pkt.into(),
        regs: point.holds.regs.into(),
        ..PointValues::default()
    }
}
