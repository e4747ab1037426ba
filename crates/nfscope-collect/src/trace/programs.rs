//! Which programs are loaded, and where they are attached.

use nfscope_event::Backend;
use nfscope_kernel::locate::nft::{FUNCTION, NftPoints, Point};

use crate::drop::{NftOffsets, TraceArguments};
use crate::nft::{PointValues, ValueAt};

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
    fates: Vec<&'static str>,
}

impl TraceSetup {
    /// The trace hook. `fentry`: whether functions of nf_tables can be attached
    /// to with fentry; else by kprobe. `has_function`: whether the kernel's own
    /// image has a function of this name.
    pub fn trace_hook(
        nft: NftOffsets,
        trace: TraceArguments,
        fentry: bool,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let mut setup = Self::entries(Backend::TraceHook, nft, fentry, has_function);
        setup.trace_key = true;
        setup.trace = trace;
        if fentry {
            setup.fentries.push(("trace_packet_fentry", TRACE));
        } else {
            setup.kprobes.push(("trace_packet_kprobe", TRACE, 0));
        }
        setup
    }

    /// Probe points inside `nft_do_chain`; a sentence if they are not enough.
    pub fn points(
        nft: NftOffsets,
        found: &NftPoints,
        fentry: bool,
        has_function: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut setup = Self::entries(Backend::Points, nft, fentry, has_function);
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

    /// What all backends have in common.
    fn entries(
        backend: Backend,
        nft: NftOffsets,
        fentry: bool,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let there = FATES.iter().filter(|(_, function)| has_function(function));
        let fates = there.map(|(program, _)| *program).collect();
        let (fentries, kprobes) = if fentry {
            (vec![("chain_fentry", FUNCTION)], Vec::new())
        } else {
            (Vec::new(), vec![("chain_kprobe", FUNCTION, 0)])
        };
        Self {
            backend,
            trace_key: false,
            nft,
            trace: TraceArguments::default(),
            points: Points::default(),
            kprobes,
            fentries,
            fates,
        }
    }

    fn probe(&mut self, program: &'static str, point: &Point) {
        let probes = point.probes.iter().map(|offset| (program, FUNCTION, u64::from(*offset)));
        self.kprobes.extend(probes);
    }

    /// Programs whose place stands in their name. They are attached before
    /// those that select packets: a packet must not be selected that nobody
    /// sees freed.
    pub(super) fn elsewhere(&self) -> impl Iterator<Item = &'static str> {
        TRACEPOINTS.into_iter().chain(self.fates.iter().copied())
    }

    /// Names of all programs to load.
    pub(super) fn programs(&self) -> Vec<&'static str> {
        let fentries = self.fentries.iter().map(|(program, _)| *program);
        let kprobes = self.kprobes.iter().map(|(program, ..)| *program);
        self.elsewhere().chain(fentries).chain(kprobes).collect()
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
