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

/* The traversal is over; with it the packet, if it is gone already. */
static __always_inline void leave(u64 skb, struct tracked *t)
{
	t->pkt = t->outer;
	t->traversal = t->outer ? t->outer_traversal : t->traversal;
	t->outer = 0;
	if (t->freed && !t->pkt)
		forget(skb);
}

/* The selected packet of this traversal, or 0. */
static __always_inline struct tracked *deciding(u64 pkt, u64 *skb)
{
	struct tracked *t;

	if (!lost.active)
		return 0;
	if (bpf_probe_read_kernel(skb, sizeof(*skb), (void *)(pkt + cfg.nft.pkt_skb)))
		return 0;
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

/* `verdict`: struct nft_verdict, the first member of struct nft_regs. */
static __always_inline void rule_decided(struct decision *d, u64 skb, struct tracked *t, u64 rule,
					 u64 verdict, bool returns)
{
	u64 word = 0, chain = 0, name = 0, size = sizeof(*d);
	bool last = false;
	s32 code = 0;

	if (bpf_probe_read_kernel(&code, sizeof(code), (void *)verdict))
		return;
	if (rule)
		bpf_probe_read_kernel(&word, sizeof(word), (void *)(rule + cfg.nft.rule_word));
	if (cfg.nft.rule_is_last < 64)
		last = word >> (cfg.nft.rule_is_last & 63) & 1;
	head(&d->head, RECORD_DECISION, skb, t);
	d->code = code;
	/* kernels without the marker say RETURN at a chain's end, with an old rule */
	d->kind = code == NFT_CONTINUE && (last || returns) ? DECISION_END : DECISION_RULE;
	d->rule = d->kind == DECISION_END ? 0 : word >> cfg.nft.rule_shift & ((1ULL << 42) - 1);
	if (code == NFT_CONTINUE) {
		size = __builtin_offsetof(struct decision, target);
	} else {
		d->target[0] = 0;
		bpf_probe_read_kernel(d->data, sizeof(d->data), (void *)verdict);
	}
	if (code == NFT_JUMP || code == NFT_GOTO) {
		bpf_probe_read_kernel(&chain, 8, (void *)(verdict + cfg.nft.verdict_chain));
		bpf_probe_read_kernel(&name, 8, (void *)(chain + cfg.nft.chain_name));
		bpf_probe_read_kernel_str(d->target, NAME_SIZE, (void *)name);
	}
	send(d, size);
	/* nft's own codes are negative: the chain goes on */
	if (code >= 0)
		leave(skb, t);
}

static __always_inline void policy_decided(struct decision *d, u64 skb, struct tracked *t, u64 base)
{
	u8 policy = 0;

	bpf_probe_read_kernel(&policy, 1, (void *)(base + cfg.nft.base_policy));
	head(&d->head, RECORD_DECISION, skb, t);
	d->rule = 0;
	d->code = policy;
	d->kind = DECISION_POLICY;
	send(d, __builtin_offsetof(struct decision, target));
	leave(skb, t);
}

/*
 * __nft_trace_packet, called for every matching rule, verdict and policy
 * while the trace key is on. Its arguments changed: (info, chain, type) until
 * 6.3, (pkt, verdict, rule, info, type) since "netfilter: nf_tables: remove
 * unneeded conditional" and its series in 6.4; the loader says which is where.
 */
static __always_inline void traced(const u64 *arg)
{
	u64 info = arg[cfg.trace.info & 7], rule = 0, pkt = 0, verdict = 0, base = 0, skb = 0, level;
	u32 type = arg[cfg.trace.type & 7];
	struct cpu_scratch *c;
	struct tracked *t;

	if (cfg.trace.pkt >= 0)
		pkt = arg[cfg.trace.pkt & 7];
	else
		bpf_probe_read_kernel(&pkt, 8, (void *)(info + cfg.nft.trace_pkt));
	t = deciding(pkt, &skb);
	c = t ? scratch_of_cpu() : 0;
	if (!t || !c)
		return;
	level = c->depth++;
	if (level >= NEST_DEPTH) {
		t->sequence++;
		__sync_fetch_and_add(&lost.nested, 1);
		c->depth--;
		return;
	}
	if (type == NFT_TRACETYPE_POLICY) {
		bpf_probe_read_kernel(&base, 8, (void *)(info + cfg.nft.trace_base));
		policy_decided(&c->level[level].decision, skb, t, base);
	} else {
		if (cfg.trace.verdict >= 0)
			verdict = arg[cfg.trace.verdict & 7];
		else
			bpf_probe_read_kernel(&verdict, 8, (void *)(info + cfg.nft.trace_verdict));
		if (cfg.trace.rule >= 0)
			rule = arg[cfg.trace.rule & 7];
		else
			bpf_probe_read_kernel(&rule, 8, (void *)(info + cfg.nft.trace_rule));
		rule_decided(&c->level[level].decision, skb, t, rule, verdict,
			     type != NFT_TRACETYPE_RULE);
	}
	c->depth--;
}

SEC("kprobe")
int trace_packet_kprobe(struct pt_regs *ctx)
{
	u64 arg[8] = { PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx),
		       PT_REGS_PARM4(ctx), PT_REGS_PARM5(ctx) };

	traced(arg);
	return 0;
}

SEC("fentry")
int trace_packet_fentry(u64 *ctx)
{
	u64 arg[8] = { ctx[0], ctx[1], ctx[2] };

	if (cfg.trace.type == 4 || cfg.trace.info == 3) {
		arg[3] = ctx[3];
		arg[4] = ctx[4];
	}
	traced(arg);
	return 0;
}

#endif
