// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A packet's way through the tables of x_tables: ipt_do_table, ip6t_do_table.
 * One object for each of the functions; packets, records and losses are those
 * of trace.bpf.c.
 *
 * Policies and the ends of user chains are entries that match: a place that all
 * matching rules pass tells them, too.
 */
#include "../bpf/kernel.h"
#include <bpf/bpf_tracing.h>

#include "../bpf/bare.h"
#include "select.h"

#include "../legacy/changes.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct legacy_config legacy = {};

#include "../legacy/target.h"

#define AT(point, what) value_at(ctx, legacy.point.what.kind, legacy.point.what.offset)
/* The table's struct xt_table_info there. */
#define INFO(point)                                                     \
	(legacy.point.is_info ? AT(point, table) :                      \
				load_u64(AT(point, table) + legacy.table_private))

/* include/uapi/linux/netfilter/x_tables.h */
#define XT_CONTINUE 0xffffffffU
#define XT_RETURN -5
/* struct ipt_entry, struct ip6t_entry: behind target_offset; their flags */
#define NEXT_OFFSET 2
#define NFPROTO_IPV4 2
#define IPV4_FLAGS 82
#define IPV4_GOTO 2
#define IPV6_FLAGS 131
#define IPV6_GOTO 4

static __always_inline u64 changes_now(void)
{
	struct table_changes *c = table_changes();

	return c && c->begun == c->done ? c->begun : CHANGING;
}

static __always_inline void enter(struct sk_buff *skb, u64 at, u64 table, struct cpu_scratch *c,
				  struct scratch *s)
{
	u64 state[STATE_WORDS] = {}, info;
	struct tracked *t;
	struct entry *e;
	u32 netns;

	t = arrived(skb, 0, at, state, &netns, c, s);
	if (!t)
		return;
	begin(t, at | TABLE_TRAVERSAL, table);
	e = reserve(sizeof(*e) + FRAME_EXTRA + cfg.snap_bytes, t);
	if (!e)
		return;
	info = load_u64(table + legacy.table_private);
	e->nft.family = legacy.family;
	e->nft.rule_handle = NO_ENTRY;
	e->nft.table_handle = changes_now();
	e->nft.chain_handle = (u64)load_u32(info + legacy.info_number) << 32 |
			      load_u32(info + legacy.info_size);
	e->nft.priority = 0;
	e->nft.chain_is_base = 0;
#pragma unroll
	for (int i = 0; i < LEGACY_TABLE_NAME / 8; i++)
		((u64 *)e->nft.table)[i] = load_u64(table + legacy.table_name + i * 8);
	e->nft.table[LEGACY_TABLE_NAME] = 0;
	e->nft.chain[0] = 0;
	entry_part(e, RECORD_TABLE, skb, t, state, netns);
	send(e);
}

static __always_inline void entered(u64 first, u64 second, u64 third)
{
	u64 arg[4] = { first, second, third };
	u64 skb = arg[legacy.skb_arg & 3], state = arg[legacy.state_arg & 3];
	u64 table = arg[legacy.table_arg & 3];
	struct cpu_scratch *c;
	u64 level;

	if (!skb)
		return;
	c = scratch_of_cpu();
	if (!c)
		return;
	level = c->depth++;
	if (level < NEST_DEPTH)
		enter(POINTER(struct sk_buff, KERNEL_SK_BUFF, skb), state, table, c,
		      &c->level[level]);
	else
		__sync_fetch_and_add(&lost.nested, 1);
	c->depth--;
}

SEC("fentry")
int table_fentry(u64 *ctx)
{
	entered(ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("kprobe")
int table_kprobe(struct pt_regs *ctx)
{
	entered(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
	return 0;
}

/* The selected packet of this traversal, or 0. */
static __always_inline struct tracked *deciding_table(u64 skb, u64 param)
{
	struct tracked *t = find(skb);

	if (!t || t->pkt == (load_u64(param + legacy.param_state) | TABLE_TRAVERSAL))
		return t;
	if (cfg.follow && !t->freed) {
		/* the gap in the numbers tells where */
		t->sequence++;
		__sync_fetch_and_add(&lost.entries, 1);
	}
	return 0;
}

static __always_inline void tell_rule(u64 skb, struct tracked *t, u64 entry, u64 info, u32 kind,
				      s32 code)
{
	u64 state = t->pkt & ~TABLE_TRAVERSAL;
	u32 hook = load_u32(state + legacy.state_hook) & 7;
	u64 at = entry - (info + legacy.info_entries);
	struct table_rule *r = reserve(sizeof(*r), t);

	if (!r)
		return;
	head(&r->head, RECORD_TABLE_RULE, skb, t);
	r->change = changes_now();
	r->size = load_u32(info + legacy.info_size);
	r->number = load_u32(info + legacy.info_number);
	r->entry = at < r->size ? at : NO_ENTRY;
	r->policy = load_u32(info + legacy.info_underflow + 4 * hook) == r->entry;
	r->kind = kind;
	r->code = code;
	send(r);
}

/* What a standard target says; `verdict`: as it stands in the entry. */
static __always_inline u32 standard(u64 entry, u64 info, s32 verdict)
{
	u64 entries = info + legacy.info_entries;
	u32 next = load_u32(entry + legacy.target_offset + NEXT_OFFSET) & 0xffff;
	bool four = legacy.family == NFPROTO_IPV4;
	u32 flags = load_u32(entry + (four ? IPV4_FLAGS : IPV6_FLAGS));

	if (verdict == XT_RETURN)
		return TABLE_RETURN;
	if (verdict < 0)
		return TABLE_VERDICT;
	/* no target is a jump to the next rule */
	if (entries + verdict == entry + next)
		return TABLE_CONTINUE;
	return flags & (four ? IPV4_GOTO : IPV6_GOTO) ? TABLE_GOTO : TABLE_JUMP;
}

/* All matches of a rule have said yes. */
SEC("kprobe")
int table_match(struct pt_regs *ctx)
{
	u64 skb, entry, info, target;
	struct tracked *t;
	s32 verdict;
	u32 kind;

	if (!lost.active)
		return 0;
	skb = AT(matched, skb);
	t = deciding_table(skb, AT(matched, param));
	if (!t)
		return 0;
	entry = AT(matched, entry);
	info = INFO(matched);
	target = target_of(entry);
	if (is_function(target)) {
		/* what it says is seen when it comes back */
		t->target = t->traversal;
		return 0;
	}
	verdict = load_u32(target + STANDARD_VERDICT);
	kind = standard(entry, info, verdict);
	tell_rule(skb, t, entry, info, kind, kind == TABLE_VERDICT ? -verdict - 1 : 0);
	if (kind == TABLE_VERDICT)
		leave(skb, t);
	return 0;
}

/* A target that is a function has come back. */
SEC("kprobe")
int table_target(struct pt_regs *ctx)
{
	u64 skb, entry, info;
	struct tracked *t;
	u32 verdict;

	if (!lost.active)
		return 0;
	skb = AT(verdict, skb);
	t = deciding_table(skb, AT(verdict, param));
	if (!t)
		return 0;
	entry = AT(verdict, entry);
	info = INFO(verdict);
	verdict = value_at(ctx, legacy.result.kind, legacy.result.offset);
	t->target = 0;
	if (verdict == XT_CONTINUE) {
		tell_rule(skb, t, entry, info, TABLE_CONTINUE, 0);
		return 0;
	}
	tell_rule(skb, t, entry, info, TABLE_VERDICT, verdict);
	/* dropped and stolen packets may be gone, with their connection */
	if ((verdict & 0xff) == NF_ACCEPT)
		mapping(skb, t);
	leave(skb, t);
	return 0;
}
