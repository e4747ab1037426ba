/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Notes: which rule is about to end which packet. Left by the programs below,
 * taken by the tracepoint that sees the packet freed, a few instructions later
 * on the same CPU as a rule, after a task switch as an exception.
 */
#ifndef NFSCOPE_NOTES_H
#define NFSCOPE_NOTES_H

#include "../bpf/compat.h"
#include "slots.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile struct config cfg = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

static __always_inline void note_leave(u32 kind, u64 pkt, u64 rule, u64 chain, u32 chain_is_base,
				       u64 regs)
{
	u64 skb = load_u64(pkt + cfg.nft.pkt_skb);
	struct note *n;

	if (!skb)
		return;
	n = note_slot_for(skb);
	if (!n)
		return;
	n->skb = 0;
	n->decision.rule = rule;
	n->decision.chain = chain;
	n->decision.pkt = pkt;
	n->decision.regs = regs;
	n->decision.time = 0;
	n->decision.kind = kind;
	n->decision.chain_is_base = chain_is_base;
	n->copied = cfg.freed_after_return || note_may_live_on(kind);
	if (n->copied) {
		u64 state = load_u64(pkt + cfg.nft.pkt_state);

		n->decision.time = bpf_ktime_get_ns();
		/* for inet ingress the state itself lives in a frame that is gone */
		bpf_probe_read_kernel(n->state, sizeof(n->state), (void *)state);
		if (regs)
			bpf_probe_read_kernel(n->data, sizeof(n->data), (void *)regs);
		else
			__builtin_memset(n->data, 0, sizeof(n->data));
	}
	n->check = note_check((u32)skb, n);
	n->skb = skb;
}

#define AT(point, what) value_at(ctx, cfg.point.what.kind, cfg.point.what.offset)

/* Reached only by packets that a rule drops. */
SEC("kprobe")
int at_rule_drop(struct pt_regs *ctx)
{
	note_leave(NOTE_RULE, AT(rule_drop, pkt), AT(rule_drop, rule), AT(rule_drop, chain),
		   cfg.rule_drop.chain_is_base, AT(rule_drop, regs));
	return 0;
}

/* Reached by both; NF_DROP (0) in the verdict means that the rule said so. */
SEC("kprobe")
int at_any_drop(struct pt_regs *ctx)
{
	u64 regs = AT(rule_drop, regs), rule = 0;

	if (!(load_u32(regs) & 0xff))
		rule = AT(rule_drop, rule);
	note_leave(rule ? NOTE_RULE : NOTE_POLICY, AT(rule_drop, pkt), rule, AT(rule_drop, chain),
		   cfg.rule_drop.chain_is_base, regs);
	return 0;
}

/* Reached only by packets that a policy drops. */
SEC("kprobe")
int at_policy_drop(struct pt_regs *ctx)
{
	note_leave(NOTE_POLICY, AT(policy_drop, pkt), 0, AT(policy_drop, chain),
		   cfg.policy_drop.chain_is_base, 0);
	return 0;
}

/* Reached by every verdict of a rule; only the final drop is of interest. */
SEC("kprobe")
int at_verdict(struct pt_regs *ctx)
{
	u64 regs = AT(verdict, regs);
	u32 code;

	/* NF_DROP is 0, an errno may stand in the upper half; accept is 1,
	 * nft's own codes (jump, goto, return, continue) are negative */
	if (bpf_probe_read_kernel(&code, sizeof(code), (void *)regs) || code & 0xff)
		return 0;
	note_leave(NOTE_RULE, AT(verdict, pkt), AT(verdict, rule), AT(verdict, chain),
		   cfg.verdict.chain_is_base, regs);
	return 0;
}

/* Reached by every decision of a base chain's policy. */
SEC("kprobe")
int at_policy(struct pt_regs *ctx)
{
	u64 chain = AT(policy, chain), base = chain - cfg.nft.base_chain;
	u8 policy = 1;

	if (bpf_probe_read_kernel(&policy, 1, (void *)(base + cfg.nft.base_policy)) || policy)
		return 0;
	note_leave(NOTE_POLICY, AT(policy, pkt), 0, chain, 1, 0);
	return 0;
}

/*
 * Entries of eval functions whose verdict ends a packet elsewhere than in
 * nft_do_chain: (expr, regs, pkt); the rule is in a register that
 * nft_do_chain keeps over calls.
 */
#define EVAL(name, kind)                                                                \
	SEC("kprobe")                                                                   \
	int name(struct pt_regs *ctx)                                                   \
	{                                                                               \
		note_leave(kind, PT_REGS_PARM3(ctx), AT(eval, rule), AT(eval, chain),   \
			   cfg.eval.chain_is_base, PT_REGS_PARM2(ctx));                 \
		return 0;                                                               \
	}
EVAL(at_queue, NOTE_QUEUE)
EVAL(at_fwd, NOTE_FWD)

/* include/linux/netfilter/x_tables.h: struct xt_target begins with a list_head and its name */
#define XT_TARGET_NAME 16
#define NAME_NFQUEUE 0x004555455551464eULL /* "NFQUEUE" as a number */

/*
 * A target of x_tables in a rule of iptables-nft (net/netfilter/nft_compat.c). NFQUEUE
 * always queues; what the others end is told where nft_do_chain has their verdict.
 */
SEC("kprobe")
int at_target(struct pt_regs *ctx)
{
	u64 ops = load_u64(PT_REGS_PARM1(ctx) + cfg.nft.expr_ops);

	if (load_u64(load_u64(ops + cfg.nft.ops_data) + XT_TARGET_NAME) != NAME_NFQUEUE)
		return 0;
	note_leave(NOTE_QUEUE, PT_REGS_PARM3(ctx), AT(eval, rule), AT(eval, chain),
		   cfg.eval.chain_is_base, PT_REGS_PARM2(ctx));
	return 0;
}

/* With the arguments of __nft_trace_packet (trace_packet.h). */
#define NF_DROP 0
#define NF_QUEUE 3

static __always_inline void traced(const u64 *arg)
{
	u64 info = arg[cfg.trace.info & 7], rule, pkt = 0, verdict = 0, base = 0;
	u32 type = 0, code = 0;
	u8 policy = 1;

	if (cfg.trace.type >= 0)
		type = arg[cfg.trace.type & 7];
	if (cfg.trace.pkt >= 0)
		pkt = arg[cfg.trace.pkt & 7];
	else
		bpf_probe_read_kernel(&pkt, 8, (void *)(info + cfg.nft.trace_pkt));
	bpf_probe_read_kernel(&base, 8, (void *)(info + cfg.nft.trace_base));
	if (type == NFT_TRACETYPE_POLICY) {
		bpf_probe_read_kernel(&policy, 1, (void *)(base + cfg.nft.base_policy));
		if (!policy)
			note_leave(NOTE_POLICY, pkt, 0, base + cfg.nft.base_chain, 1, 0);
		return;
	}
	if (type != NFT_TRACETYPE_RULE)
		return;
	if (cfg.trace.verdict >= 0)
		verdict = arg[cfg.trace.verdict & 7];
	else
		bpf_probe_read_kernel(&verdict, 8, (void *)(info + cfg.nft.trace_verdict));
	if (bpf_probe_read_kernel(&code, sizeof(code), (void *)verdict))
		return;
	/* these two can end a packet; nft's own codes, -1 to -5, have neither's lower byte */
	if ((code & 0xff) != NF_DROP && (code & 0xff) != NF_QUEUE)
		return;
	if (cfg.trace.rule >= 0)
		rule = arg[cfg.trace.rule & 7];
	else if (bpf_probe_read_kernel(&rule, 8, (void *)(info + cfg.nft.trace_rule)))
		return;
	note_leave((code & 0xff) == NF_DROP ? NOTE_RULE : NOTE_QUEUE, pkt, rule,
		   base + cfg.nft.base_chain, 1, verdict);
}

#include "../bpf/trace_packet.h"

#endif
