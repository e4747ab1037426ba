/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What nftables decided: matching rules, ends of chains, policies.
 */
#ifndef NFSCOPE_DECISIONS_H
#define NFSCOPE_DECISIONS_H

/* include/uapi/linux/netfilter/nf_tables.h, enum nft_verdicts */
#define NFT_CONTINUE -1
#define NFT_JUMP -3
#define NFT_GOTO -4
#define NFT_RETURN -5

/* The selected packet of this traversal, or 0. */
static __always_inline struct tracked *deciding(u64 pkt, u64 *skb)
{
	struct tracked *t;

	if (!lost.active)
		return 0;
	*skb = load_u64(pkt + cfg.nft.pkt_skb);
	t = find(*skb);
	if (!t || t->pkt == pkt)
		return t;
	if (cfg.follow && !t->freed) {
		/* the gap in the numbers tells where */
		t->sequence++;
		__sync_fetch_and_add(&lost.entries, 1);
	}
	return 0;
}

static __always_inline void decide(struct decision *d, u64 skb, struct tracked *t, u32 kind,
				   u64 rule, s32 code)
{
	head(&d->head, RECORD_DECISION, skb, t);
	d->rule = rule;
	d->code = code;
	d->kind = kind;
}

/* `regs`: struct nft_verdict, the first member of struct nft_regs. */
static __always_inline void rule_decided(u64 skb, struct tracked *t, u64 rule, u64 regs,
					 bool returns)
{
	u64 word = rule ? load_u64(rule + cfg.nft.rule_word) : 0, chain;
	u64 handle = word >> cfg.nft.rule_shift & ((1ULL << 42) - 1);
	s32 code = load_u64(regs);
	struct decision *d;
	struct verdict *v;

	if (code == NFT_CONTINUE) {
		/* kernels without the marker say RETURN at a chain's end, with an old rule */
		if (cfg.nft.rule_is_last < 64 && word >> (cfg.nft.rule_is_last & 63) & 1)
			returns = true;
		d = reserve(sizeof(*d), t);
		if (!d)
			return;
		decide(d, skb, t, returns ? DECISION_END : DECISION_RULE, returns ? 0 : handle,
		       code);
		send(d);
		return;
	}
	v = reserve(sizeof(*v), t);
	if (v) {
		decide(&v->decision, skb, t, DECISION_RULE, handle, code);
		v->target[0] = 0;
		if (code == NFT_JUMP || code == NFT_GOTO) {
			chain = load_u64(regs + cfg.nft.verdict_chain);
			load_name(v->target, load_u64(chain + cfg.nft.chain_name));
		}
		bpf_probe_read_kernel(v->data, sizeof(v->data), (void *)regs);
		send(v);
	}
	/* nft's own codes are negative: the chain goes on */
	if (code < 0)
		return;
	/* dropped and stolen packets may be gone, with their connection */
	if ((code & 0xff) == NF_ACCEPT)
		mapping(skb, t);
	leave(skb, t);
}

static __always_inline void policy_decided(u64 skb, struct tracked *t, u64 base)
{
	u64 at = base + cfg.nft.base_policy;
	u8 policy = load_u64(at & ~7ULL) >> (at & 7) * 8;
	struct decision *d = reserve(sizeof(*d), t);

	if (d) {
		decide(d, skb, t, DECISION_POLICY, 0, policy);
		send(d);
	}
	leave(skb, t);
}

/* With the arguments of __nft_trace_packet (trace_packet.h). */
static __always_inline void traced(const u64 *arg)
{
	u64 info = arg[cfg.trace.info & 7], rule = 0, pkt = 0, verdict = 0, base = 0, skb = 0;
	u32 type = arg[cfg.trace.type & 7];
	struct tracked *t;

	if (cfg.trace.pkt >= 0)
		pkt = arg[cfg.trace.pkt & 7];
	else
		pkt = load_u64(info + cfg.nft.trace_pkt);
	t = deciding(pkt, &skb);
	if (!t)
		return;
	if (type == NFT_TRACETYPE_POLICY) {
		base = load_u64(info + cfg.nft.trace_base);
		policy_decided(skb, t, base);
	} else {
		if (cfg.trace.verdict >= 0)
			verdict = arg[cfg.trace.verdict & 7];
		else
			verdict = load_u64(info + cfg.nft.trace_verdict);
		if (cfg.trace.rule >= 0)
			rule = arg[cfg.trace.rule & 7];
		else
			rule = load_u64(info + cfg.nft.trace_rule);
		rule_decided(skb, t, rule, verdict, type != NFT_TRACETYPE_RULE);
	}
}

#include "../bpf/trace_packet.h"

#endif
