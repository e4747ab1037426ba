//! From the kernel's type information to the programs' settings.

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::{LayoutSource, LegacyLayout, NftLayout};

use crate::drop::{NftOffsets, TraceArguments};

/// A field that a kernel does not have; the programs never use it there.
const ABSENT: u32 = u32::MAX;

/// `struct nft_layout` of `bpf/nft.h`, in its order.
pub fn nft_offsets(l: &NftLayout, btf: &Btf) -> NftOffsets {
    let or_absent = |v: Option<u32>| v.unwrap_or(ABSENT);
    let trace_pkt = match l.source {
        LayoutSource::Btf => btf.offset("nft_traceinfo", "pkt"),
        // include/net/netfilter/nf_tables.h of 5.10: the first member
        LayoutSource::Table510 => Some(0),
    };
    NftOffsets {
        fields: [
            l.rule.handle.word_offset,
            l.rule.handle.shift,
            l.chain.table,
            l.chain.handle,
            l.chain.name,
            l.basechain.chain,
            l.basechain.priority,
            l.basechain.policy,
            l.table.family.word_offset,
            l.table.family.shift,
            l.table.handle,
            l.table.name,
            l.pktinfo.skb,
            l.pktinfo.state,
            l.state.hook.offset,
            l.state.pf.offset,
            l.state.input,
            l.state.output,
            or_absent(l.traceinfo.basechain),
            or_absent(l.traceinfo.rule),
            or_absent(l.traceinfo.kind.map(|k| k.offset)),
            or_absent(l.traceinfo.verdict),
            or_absent(trace_pkt),
            or_absent(l.rule.is_last.map(|b| b.shift)),
            l.verdict.regs_verdict + l.verdict.chain,
            l.rule.data,
            l.expr.ops,
            l.expr.ops_size,
            l.expr.ops_data,
        ],
    }
}

/// The same where nf_tables is not loaded: what hooks are called with.
pub fn state_offsets(l: &LegacyLayout) -> NftOffsets {
    let mut fields = [ABSENT; 29];
    // state_hook to state_out of `struct nft_layout`
    fields[14..18].copy_from_slice(&[l.state_hook, l.state_pf, l.state_in, l.state_out]);
    NftOffsets { fields }
}

/// Which argument of `__nft_trace_packet` is which, by their types. `None`
/// where the kernel has no such function or one that is not understood.
pub fn trace_arguments(l: &NftLayout, btf: &Btf) -> Option<TraceArguments> {
    if l.source == LayoutSource::Table510 {
        // net/netfilter/nf_tables_core.c of 5.10: (info, chain, type)
        return Some(TraceArguments { info: 0, kind: 2, ..Default::default() });
    }
    let parameters = btf.func_params("__nft_trace_packet")?;
    let mut found = TraceArguments::default();
    for (position, (_, kind)) in (0..).zip(&parameters) {
        for (word, slot) in [
            ("nft_pktinfo", &mut found.pkt),
            ("nft_verdict", &mut found.verdict),
            ("nft_rule", &mut found.rule),
            ("nft_traceinfo", &mut found.info),
            ("nft_trace_types", &mut found.kind),
        ] {
            if kind.contains(word) {
                *slot = position;
            }
        }
    }
    let in_info = |argument: i32, member: &str| {
        argument >= 0 || btf.offset("nft_traceinfo", member).is_some()
    };
    let complete = found.info >= 0
        && found.kind >= 0
        && btf.offset("nft_traceinfo", "basechain").is_some()
        && in_info(found.pkt, "pkt")
        && in_info(found.rule, "rule")
        && in_info(found.verdict, "verdict");
    (complete && parameters.len() <= 5).then_some(found)
}
