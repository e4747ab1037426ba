// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A packet's way through nftables.
 *
 * The entry of nft_do_chain selects, and the doors of functions.h, if functions
 * are asked for: a packet that the user's filter takes gets a line in `packets`
 * under its skb's address and keeps it until it is freed. All other programs
 * only look there, and nowhere while nothing is selected.
 */
#include "../bpf/kernel.h"
#include <bpf/bpf_tracing.h>

#include "../bpf/bare.h"
#include "select.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void enter(struct sk_buff *skb, u64 pkt, u64 chain, struct cpu_scratch *c,
				  struct scratch *s)
{
	u64 state[STATE_WORDS] = {};
	struct tracked *t;
	struct entry *e;
	u32 netns;

	t = arrived(skb, pkt, 0, state, &netns, c, s);
	if (!t)
		return;
	begin(t, pkt, chain);
	e = reserve(sizeof(*e) + FRAME_EXTRA + cfg.snap_bytes, t);
	if (!e)
		return;
	nft_names(&e->nft, 0, chain, true);
	entry_part(e, RECORD_ENTRY, skb, t, state, netns);
	send(e);
}

static __always_inline void entered(u64 pkt, u64 chain)
{
	struct cpu_scratch *c;
	u64 skb = load_u64(pkt + cfg.nft.pkt_skb);
	u64 level;

	if (!skb)
		return;
	c = scratch_of_cpu();
	if (!c)
		return;
	level = c->depth++;
	if (level < NEST_DEPTH)
		enter(POINTER(struct sk_buff, KERNEL_SK_BUFF, skb), pkt, chain, c, &c->level[level]);
	else
		__sync_fetch_and_add(&lost.nested, 1);
	c->depth--;
}

SEC("fentry")
int chain_fentry(u64 *ctx)
{
	entered(ctx[0], ctx[1]);
	return 0;
}

SEC("kprobe")
int chain_kprobe(struct pt_regs *ctx)
{
	entered(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
	return 0;
}

#include "decisions.h"
#include "points.h"
#include "fates.h"
#include "functions.h"
