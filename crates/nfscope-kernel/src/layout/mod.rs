//! Where the fields of nf_tables' and netfilter's structs lie in the running kernel.
//!
//! Every number comes from the kernel's own type information. Where nf_tables has none at all (kernels
//! before 5.11 have no module BTF) the documented table of Linux 5.10 stands in ([`LayoutSource`] says
//! so); whoever uses it must try it on known rules first.

mod fields;
mod legacy;
mod table510;

use std::sync::Arc;

use serde::Serialize;

use crate::btf::{Btf, BtfError};
use fields::Fields;

pub use legacy::LegacyLayout;

/// Where a layout's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutSource {
    /// The running kernel's type information, all of them.
    Btf,
    /// The fixed table of Linux 5.10 for nf_tables' own structs, type information for the rest.
    Table510,
}

/// Why no layout could be made.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The type information itself is missing or unreadable.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// A field that every kernel should have is not there.
    #[error(
        "the kernel's type information has no {structure}.{member}: nf_tables of this kernel is laid out in a way nfscope does not know"
    )]
    Missing {
        /// The struct.
        structure: &'static str,
        /// The member's path.
        member: &'static str,
    },
}

/// A field of whole bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scalar {
    /// Byte offset from the struct's start.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// A bit field inside an aligned little-endian 64-bit word (or inside a smaller, single unit):
/// `(word >> shift) & ((1 << width) - 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bits {
    /// Byte offset of the 64-bit word from the struct's start, a multiple of 8.
    pub word_offset: u32,
    /// Position of the field's lowest bit in the word.
    pub shift: u32,
    /// Width in bits.
    pub width: u32,
}

impl Bits {
    /// The field's value in a word read at `word_offset`.
    pub fn extract(&self, word: u64) -> u64 {
        let mask = 1u64.checked_shl(self.width).map_or(u64::MAX, |bit| bit - 1);
        word.checked_shr(self.shift).unwrap_or(0) & mask
    }
}

/// What a `rule` pointer inside `nft_do_chain` points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// `struct nft_rule`, one allocation a rule (until 5.16).
    Rule,
    /// `struct nft_rule_dp` in a chain's blob (5.17 and later).
    Blob,
}

/// `struct nft_rule` or `struct nft_rule_dp` (`include/net/netfilter/nf_tables.h`).
#[derive(Debug, Clone, Serialize)]
pub struct RuleLayout {
    /// Which of the two.
    pub kind: RuleKind,
    /// The rule's handle, 42 bits.
    pub handle: Bits,
    /// Set on the marker behind a chain's last rule; blobs only.
    pub is_last: Option<Bits>,
    /// Bytes of expressions.
    pub dlen: Bits,
    /// Where the expressions start.
    pub data: u32,
    /// `nft_rule_dp_last.chain`: the marker's pointer to its chain, where it has one (about 6.4).
    pub last_chain: Option<u32>,
}

/// `struct nft_chain`.
#[derive(Debug, Clone, Serialize)]
pub struct ChainLayout {
    /// Pointer to the table.
    pub table: u32,
    /// The chain's handle, `u64`.
    pub handle: u32,
    /// Pointer to the name.
    pub name: u32,
}

/// `struct nft_base_chain`.
#[derive(Debug, Clone, Serialize)]
pub struct BaseChainLayout {
    /// The `struct nft_chain` inside it.
    pub chain: u32,
    /// The policy, `u8`: 0 drop, 1 accept.
    pub policy: u32,
    /// `ops.priority`, `int`.
    pub priority: u32,
    /// `ops.hooknum`, `unsigned int`.
    pub hooknum: u32,
    /// `ops.pf`, `u8`.
    pub pf: u32,
}

/// `struct nft_table`.
#[derive(Debug, Clone, Serialize)]
pub struct TableLayout {
    /// Pointer to the name.
    pub name: u32,
    /// The table's handle, `u64`.
    pub handle: u32,
    /// The family (`NFPROTO_*`), 6 bits.
    pub family: Bits,
}

/// `struct nft_pktinfo`.
#[derive(Debug, Clone, Serialize)]
pub struct PktinfoLayout {
    /// Pointer to the packet (`struct sk_buff`).
    pub skb: u32,
    /// Pointer to `struct nf_hook_state`.
    pub state: u32,
}

/// `struct nf_hook_state` (`include/linux/netfilter.h`).
#[derive(Debug, Clone, Serialize)]
pub struct StateLayout {
    /// Hook number; `unsigned int` or `u8`.
    pub hook: Scalar,
    /// Family the hook was called for, `u8`.
    pub pf: Scalar,
    /// Pointer to the input `struct net_device`.
    pub input: u32,
    /// Pointer to the output `struct net_device`.
    pub output: u32,
    /// Pointer to the `struct sock`.
    pub sk: u32,
    /// Pointer to the `struct net`.
    pub net: u32,
}

/// `struct nft_traceinfo`; a member that the kernel keeps elsewhere is `None`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TraceinfoLayout {
    /// Pointer to the base chain.
    pub basechain: Option<u32>,
    /// Pointer to the chain (until about 6.3).
    pub chain: Option<u32>,
    /// Pointer to the rule (until about 6.3).
    pub rule: Option<u32>,
    /// Pointer to the verdict (until about 6.3).
    pub verdict: Option<u32>,
    /// The trace type: `enum` or an 8-bit field.
    pub kind: Option<Scalar>,
}

/// `struct nft_verdict` and `struct nft_regs`.
#[derive(Debug, Clone, Serialize)]
pub struct VerdictLayout {
    /// `nft_verdict.code`, `u32`.
    pub code: u32,
    /// `nft_verdict.chain`: where a jump or goto goes.
    pub chain: u32,
    /// `nft_regs.verdict`.
    pub regs_verdict: u32,
    /// `nft_regs.data`: the array of 32-bit registers.
    pub regs_data: u32,
}

/// `struct nft_expr`, `struct nft_expr_ops`, `struct nft_expr_type`.
#[derive(Debug, Clone, Serialize)]
pub struct ExprLayout {
    /// `nft_expr.ops`: pointer to the operations.
    pub ops: u32,
    /// `nft_expr_ops.eval`: pointer to the function.
    pub ops_eval: u32,
    /// `nft_expr_ops.size`: bytes of the expression, `u32`.
    pub ops_size: u32,
    /// `nft_expr_ops.type`: pointer to the type.
    pub ops_type: u32,
    /// `nft_expr_ops.data`: what the type's module keeps there.
    pub ops_data: u32,
    /// `nft_expr_type.name`: pointer to the name.
    pub type_name: u32,
    /// `nft_expr_type.family`, `u8`.
    pub type_family: u32,
}

/// Everything of nf_tables that is read from kernel memory.
#[derive(Debug, Clone, Serialize)]
pub struct NftLayout {
    /// Where the numbers come from.
    pub source: LayoutSource,
    /// Rules.
    pub rule: RuleLayout,
    /// Chains.
    pub chain: ChainLayout,
    /// Base chains.
    pub basechain: BaseChainLayout,
    /// Tables.
    pub table: TableLayout,
    /// The packet as nf_tables sees it.
    pub pktinfo: PktinfoLayout,
    /// What the hook was called with.
    pub state: StateLayout,
    /// A trace in the making.
    pub traceinfo: TraceinfoLayout,
    /// Verdict and registers.
    pub verdict: VerdictLayout,
    /// Expressions.
    pub expr: ExprLayout,
}

impl NftLayout {
    /// The running kernel's layout.
    pub fn load() -> Result<Self, LayoutError> {
        let vmlinux = Arc::new(Btf::vmlinux()?);
        Self::from_btf(&Btf::module("nf_tables", vmlinux)?)
    }

    /// The layout that `btf` (of the module, or of a kernel with nf_tables built in) describes.
    pub fn from_btf(btf: &Btf) -> Result<Self, LayoutError> {
        let kernel = Fields(btf);
        let state = StateLayout {
            hook: kernel.scalar("nf_hook_state", "hook")?,
            pf: kernel.scalar("nf_hook_state", "pf")?,
            input: kernel.offset("nf_hook_state", "in")?,
            output: kernel.offset("nf_hook_state", "out")?,
            sk: kernel.offset("nf_hook_state", "sk")?,
            net: kernel.offset("nf_hook_state", "net")?,
        };
        if !btf.has_struct("nft_pktinfo") {
            return Ok(Self::table_5_10(state));
        }
        kernel.nft(state)
    }

    /// The layout of Linux 5.10, whatever the running kernel; `state` comes from its type information.
    pub fn table_5_10(state: StateLayout) -> Self {
        table510::layout(state)
    }
}
