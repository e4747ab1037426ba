//! nf_tables' layout from type information.

use super::{
    BaseChainLayout, Bits, ChainLayout, ExprLayout, LayoutError, LayoutSource, NftLayout,
    PktinfoLayout, RuleKind, RuleLayout, Scalar, StateLayout, TableLayout, TraceinfoLayout,
    VerdictLayout,
};
use crate::btf::{Btf, Member};

/// Members by name, with an error that names the missing one.
pub(super) struct Fields<'a>(pub &'a Btf);

impl Fields<'_> {
    fn member(&self, structure: &'static str, member: &'static str) -> Result<Member, LayoutError> {
        self.0.member(structure, member).ok_or(LayoutError::Missing { structure, member })
    }

    pub fn scalar(
        &self,
        structure: &'static str,
        member: &'static str,
    ) -> Result<Scalar, LayoutError> {
        let found = self.member(structure, member)?;
        if found.bit_offset != 0 || found.bit_size % 8 != 0 {
            return Err(LayoutError::Missing { structure, member });
        }
        Ok(Scalar { offset: found.byte_offset, size: found.bit_size / 8 })
    }

    pub fn offset(
        &self,
        structure: &'static str,
        member: &'static str,
    ) -> Result<u32, LayoutError> {
        self.scalar(structure, member).map(|s| s.offset)
    }

    fn bits(&self, structure: &'static str, member: &'static str) -> Result<Bits, LayoutError> {
        let found = self.member(structure, member)?;
        let shift = found.bits() % 64;
        if shift + found.bit_size > 64 {
            return Err(LayoutError::Missing { structure, member });
        }
        Ok(Bits { word_offset: found.bits() / 64 * 8, shift, width: found.bit_size })
    }

    pub fn nft(&self, state: StateLayout) -> Result<NftLayout, LayoutError> {
        Ok(NftLayout {
            source: LayoutSource::Btf,
            rule: self.rule()?,
            chain: ChainLayout {
                table: self.offset("nft_chain", "table")?,
                handle: self.offset("nft_chain", "handle")?,
                name: self.offset("nft_chain", "name")?,
            },
            basechain: BaseChainLayout {
                chain: self.offset("nft_base_chain", "chain")?,
                policy: self.offset("nft_base_chain", "policy")?,
                priority: self.offset("nft_base_chain", "ops.priority")?,
                hooknum: self.offset("nft_base_chain", "ops.hooknum")?,
                pf: self.offset("nft_base_chain", "ops.pf")?,
            },
            table: TableLayout {
                name: self.offset("nft_table", "name")?,
                handle: self.offset("nft_table", "handle")?,
                family: self.bits("nft_table", "family")?,
            },
            pktinfo: self.pktinfo()?,
            state,
            traceinfo: self.traceinfo(),
            verdict: VerdictLayout {
                code: self.offset("nft_verdict", "code")?,
                chain: self.offset("nft_verdict", "chain")?,
                regs_verdict: self.offset("nft_regs", "verdict")?,
                regs_data: self.offset("nft_regs", "data")?,
            },
            expr: ExprLayout {
                ops: self.offset("nft_expr", "ops")?,
                ops_eval: self.offset("nft_expr_ops", "eval")?,
                ops_size: self.offset("nft_expr_ops", "size")?,
                ops_type: self.offset("nft_expr_ops", "type")?,
                ops_data: self.offset("nft_expr_ops", "data")?,
                type_name: self.offset("nft_expr_type", "name")?,
                type_family: self.offset("nft_expr_type", "family")?,
            },
        })
    }

    /// Rule blobs came with 5.17 (netfilter: nf_tables: add rule blob layout).
    fn rule(&self) -> Result<RuleLayout, LayoutError> {
        let (name, kind) = if self.0.has_struct("nft_rule_dp") {
            ("nft_rule_dp", RuleKind::Blob)
        } else {
            ("nft_rule", RuleKind::Rule)
        };
        Ok(RuleLayout {
            kind,
            handle: self.bits(name, "handle")?,
            is_last: self.bits(name, "is_last").ok(),
            dlen: self.bits(name, "dlen")?,
            data: self.offset(name, "data")?,
            last_chain: self.offset("nft_rule_dp_last", "chain").ok(),
        })
    }

    /// Until 5.15 the state hung behind the embedded `struct xt_action_param`.
    fn pktinfo(&self) -> Result<PktinfoLayout, LayoutError> {
        let state = self
            .offset("nft_pktinfo", "state")
            .or_else(|e| self.offset("nft_pktinfo", "xt.state").map_err(|_| e))?;
        Ok(PktinfoLayout { skb: self.offset("nft_pktinfo", "skb")?, state })
    }

    fn traceinfo(&self) -> TraceinfoLayout {
        let of = |member| self.offset("nft_traceinfo", member).ok();
        TraceinfoLayout {
            basechain: of("basechain"),
            chain: of("chain"),
            rule: of("rule"),
            verdict: of("verdict"),
            kind: self.scalar("nft_traceinfo", "type").ok(),
        }
    }
}
