/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where nf_tables keeps what: offsets into its structs, values at probe points,
 * arguments of its trace function. Constant when a program is loaded
 * (nft/offsets.rs, nft/values.rs).
 */
#ifndef NFSCOPE_NFT_H
#define NFSCOPE_NFT_H

#include "registers.h"

#define STATE_WORDS 5 /* hook, pf, in, out, sk and net stand in the first 40 bytes */
#define REGS_WORDS 20 /* struct nft_regs: 20 u32 */

/* Which part of a layout; offsets from the struct's start, -1: not there. */
struct nft_layout {
	u32 rule_word; /* nft_rule / nft_rule_dp: offset of the u64 with the handle */
	u32 rule_shift; /* the handle's first bit in it; it has 42 */
	u32 chain_table; /* nft_chain.table */
	u32 chain_handle;
	u32 chain_name; /* char * */
	u32 base_chain; /* nft_base_chain.chain */
	u32 base_priority; /* nft_base_chain.ops.priority */
	u32 base_policy;
	u32 table_family; /* nft_table: offset of the u64 with the family's 6 bits */
	u32 table_family_shift;
	u32 table_handle;
	u32 table_name; /* char * */
	u32 pkt_skb; /* nft_pktinfo.skb */
	u32 pkt_state; /* nft_pktinfo.state (5.10: .xt.state) */
	u32 state_hook;
	u32 state_pf;
	u32 state_in;
	u32 state_out;
	u32 trace_base; /* nft_traceinfo.basechain */
	u32 trace_rule; /* nft_traceinfo.rule, where it has one */
	u32 trace_type; /* nft_traceinfo.type, where it has one */
	u32 trace_verdict; /* nft_traceinfo.verdict, where it has one */
	u32 trace_pkt; /* nft_traceinfo.pkt, where it has one */
	u32 rule_is_last; /* bit of the word at rule_word: the marker behind a chain's rules */
	u32 verdict_chain; /* nft_verdict.chain: where a jump or goto leads */
	u32 rule_data; /* where a rule's expressions begin */
	u32 expr_ops; /* nft_expr.ops */
	u32 ops_size; /* nft_expr_ops.size: bytes of the expression */
	u32 ops_data; /* nft_expr_ops.data: struct xt_target * of nft_compat's */
};

/* Where the values are at one kind of probe point. */
struct point_values {
	struct value_at rule;
	struct value_at pkt;
	struct value_at regs; /* struct nft_regs; its verdict comes first */
	struct value_at chain; /* struct nft_chain */
	u32 chain_is_base; /* it is the base chain, not the rule's own */
};

/* Positions of __nft_trace_packet's arguments, -1: it has no such argument. */
struct trace_arguments {
	s32 pkt, verdict, rule, info, type;
};

#define NFT_TRACETYPE_POLICY 1
#define NFT_TRACETYPE_RULE 3

#endif
