//! nf_tables' layout in Linux 5.10, for kernels without type information of modules.
//!
//! From `include/net/netfilter/nf_tables.h` of 5.10 as built for 64 bits:
//! ```text
//! nft_rule        list@0, u64@16: handle 0:42 genmask 42:2 dlen 44:12 udata 56:1, data@24
//! nft_chain       rules_gen_0@0 rules_gen_1@8 rules@16 list@32 rhlhead@48 table@64 handle@72 use@80 flags@84 name@88
//! nft_base_chain  ops@0 (nf_hook_ops: pf@24 hooknum@28 priority@32) hook_list@40 type@56 policy@64 stats@72 chain@80
//! nft_table       … handle@224 use@232, u16@236: family 0:6 flags 6:8 genmask 14:2, name@240
//! nft_pktinfo     skb@0 tprot_set@8 tprot@9 xt@16 (xt_action_param: state@16)
//! nft_traceinfo   pkt@0 basechain@8 chain@16 rule@24 verdict@32 type@40
//! nft_verdict     code@0 chain@8; nft_regs: union of data[] and verdict
//! nft_expr        ops@0; nft_expr_ops: eval@0 size@16 type@104 data@112; nft_expr_type: name@40 family@68
//! ```
//! A layout made from this table is a claim to be tried on known rules, not a fact.

use super::{
    BaseChainLayout, Bits, ChainLayout, ExprLayout, LayoutSource, NftLayout, PktinfoLayout,
    RuleKind, RuleLayout, Scalar, StateLayout, TableLayout, TraceinfoLayout, VerdictLayout,
};

pub(super) fn layout(state: StateLayout) -> NftLayout {
    NftLayout {
        source: LayoutSource::Table510,
        rule: RuleLayout {
            kind: RuleKind::Rule,
            handle: Bits { word_offset: 16, shift: 0, width: 42 },
            is_last: None,
            dlen: Bits { word_offset: 16, shift: 44, width: 12 },
            data: 24,
            last_chain: None,
        },
        chain: ChainLayout { table: 64, handle: 72, name: 88 },
        basechain: BaseChainLayout { chain: 80, policy: 64, priority: 32, hooknum: 28, pf: 24 },
        // Byte 236 is bit 32 of the word at 232.
        table: TableLayout {
            name: 240,
            handle: 224,
            family: Bits { word_offset: 232, shift: 32, width: 6 },
        },
        pktinfo: PktinfoLayout { skb: 0, state: 32 },
        state,
        traceinfo: TraceinfoLayout {
            basechain: Some(8),
            chain: Some(16),
            rule: Some(24),
            verdict: Some(32),
            kind: Some(Scalar { offset: 40, size: 4 }),
        },
        verdict: VerdictLayout { code: 0, chain: 8, regs_verdict: 0, regs_data: 0 },
        expr: ExprLayout {
            ops: 0,
            ops_eval: 0,
            ops_size: 16,
            ops_type: 104,
            ops_data: 112,
            type_name: 40,
            type_family: 68,
        },
    }
}
