/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probe points inside nft_do_chain: the three outcomes of a rule.
 */
#ifndef NFSCOPE_POINTS_H
#define NFSCOPE_POINTS_H

#define AT(point, what) value_at(ctx, cfg.point.what.kind, cfg.point.what.offset)

/*
 * A verdict, or the end of a chain. No probe is spent on the policy: it follows
 * when the base chain ends or returns.
 */
static __always_inline void decided(u64 pkt, u64 rule, u64 regs, bool verdict)
{
	struct tracked *t;
	u64 skb = 0;
	s32 code;

	t = deciding(pkt, &skb);
	if (!t)
		return;
	code = load_u64(regs);
	rule_decided(skb, t, rule, regs, verdict);
	if (code == NFT_JUMP) {
		t->depth++;
	} else if (verdict && (code == NFT_CONTINUE || code == NFT_RETURN)) {
		if (t->depth)
			t->depth--;
		else
			policy_decided(skb, t, t->chain - cfg.nft.base_chain);
	}
}

SEC("kprobe")
int at_verdict(struct pt_regs *ctx)
{
	if (lost.active)
		decided(AT(verdict, pkt), AT(verdict, rule), AT(verdict, regs), true);
	return 0;
}

/* All expressions matched, and the next rule follows. */
SEC("kprobe")
int at_matched(struct pt_regs *ctx)
{
	if (lost.active)
		decided(AT(matched, pkt), AT(matched, rule), AT(matched, regs), false);
	return 0;
}

/* Expressions looked at for the number of the one that failed. */
#define MOST_EXPRS 24

/* The number of the expression at `offset`, by the sizes of those before it. */
static __always_inline u32 expr_index(u64 first, u32 offset)
{
	u32 at = 0;

	for (u32 index = 0; index < MOST_EXPRS; index++) {
		if (at >= offset)
			return at == offset ? index : EXPR_UNKNOWN;
		at += (u32)load_u64(load_u64(first + at + cfg.nft.expr_ops) + cfg.nft.ops_size);
	}
	return EXPR_UNKNOWN;
}

/* An expression did not match: the next rule follows. */
SEC("kprobe")
int at_no_match(struct pt_regs *ctx)
{
	u64 pkt, rule, regs, expr, skb = 0;
	struct tracked *t;
	struct miss *m;
	u32 count;

	if (!lost.active || !cfg.no_match)
		return 0;
	pkt = AT(missed, pkt);
	t = deciding(pkt, &skb);
	if (!t)
		return 0;
	rule = AT(missed, rule);
	expr = value_at(ctx, cfg.missed_expr.kind, cfg.missed_expr.offset);
	count = t->batch.count;
	if (count >= BATCH) {
		flush(t);
		count = 0;
	}
	if (!count) {
		t->batch.head.type = RECORD_MISSES;
		t->batch.head.cpu = bpf_get_smp_processor_id();
		t->batch.head.time = bpf_ktime_get_ns();
		t->batch.head.skb = skb;
		t->batch.head.start = t->start;
		t->batch.head.sequence = t->sequence + 1;
		t->batch.head.traversal = t->traversal;
	}
	m = (void *)(t->batch.rules + misses_size(count & (BATCH - 1)));
	m->rule = load_u64(rule + cfg.nft.rule_word) >> cfg.nft.rule_shift & ((1ULL << 42) - 1);
	m->expr_offset = expr - (rule + cfg.nft.rule_data);
	m->expr_index = expr_index(rule + cfg.nft.rule_data, m->expr_offset);
	if (cfg.registers) {
		regs = AT(missed, regs);
		bpf_probe_read_kernel(m->data, sizeof(m->data), (void *)regs);
	}
	t->sequence++;
	t->batch.count = count + 1;
	return 0;
}

#endif
