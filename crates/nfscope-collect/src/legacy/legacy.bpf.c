// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which rule of x_tables is about to end a packet: ipt_do_table, ip6t_do_table,
 * arpt_do_table; of ebt_do_table which table.
 * The note is taken by the tracepoint that sees the packet freed, as those of
 * nftables are (drop/slots.h). One object for each of the functions.
 *
 * Where the points are not to be found, the function's entry and return tell
 * the table and its verdict, and the rule stays unknown.
 *
 * Both points are passed only for rules that match. Nearly all of these let the
 * packet go on: what ends it is told apart first, with three loads.
 */
#include "../bpf/kernel.h"
#include "../bpf/compat.h"
#include "../drop/slots.h"
#include "changes.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct legacy_config legacy = {};

#include "leave.h"
#include "bridge.h"
#include "target.h"

#define AT(point, what) value_at(ctx, legacy.point.what.kind, legacy.point.what.offset)

/* All matches of a rule have said yes. */
SEC("kprobe")
int at_table_match(struct pt_regs *ctx)
{
	u64 entry = AT(matched, entry), target = target_of(entry);
	u32 verdict;

	/* what a function says is seen when it comes back */
	if (is_function(target))
		return 0;
	/* RETURN is -5, jumps are not negative */
	verdict = -load_u32(target + STANDARD_VERDICT) - 1;
	if (verdict != NF_DROP && verdict != NF_QUEUE)
		return 0;
	leave(entry, AT(matched, skb), AT(matched, table), legacy.matched.is_info,
	      load_u64(AT(matched, param) + legacy.param_state), kind_of(verdict));
	return 0;
}

/* A target that is a function has come back. */
SEC("kprobe")
int at_table_verdict(struct pt_regs *ctx)
{
	u32 verdict = value_at(ctx, legacy.result.kind, legacy.result.offset);
	u64 entry;

	/* XT_CONTINUE is all ones */
	if ((verdict & NF_VERDICT_MASK) != NF_DROP && (verdict & NF_VERDICT_MASK) != NF_QUEUE)
		return 0;
	entry = AT(verdict, entry);
	if (!is_function(target_of(entry))) {
		/* not an entry as it was when the function was called */
		__sync_fetch_and_add(&lost.notes, 1);
		return 0;
	}
	leave(entry, AT(verdict, skb), AT(verdict, table), legacy.verdict.is_info,
	      load_u64(AT(verdict, param) + legacy.param_state), kind_of(verdict));
	return 0;
}

/*
 * Traversals under way, by where the function's return address is on the stack:
 * no two that have not returned share it.
 */
struct traversal {
	u64 skb;
	u64 table;
	u64 state;
};

struct {
	/* a return may go unseen; its place on a stack may never be used again */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct traversal);
} traversals SEC(".maps");

SEC("kprobe")
int at_table_entry(struct pt_regs *ctx)
{
	u64 arg[4] = { PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx) };
	u64 stack = PT_REGS_SP(ctx);
	struct traversal t = {
		.skb = arg[legacy.skb_arg & 3],
		.table = arg[legacy.table_arg & 3],
		.state = arg[legacy.state_arg & 3],
	};

	if (bpf_map_update_elem(&traversals, &stack, &t, 0))
		__sync_fetch_and_add(&lost.notes, 1);
	return 0;
}

/* What a call has put on the stack, and a return taken off. */
#if defined(__TARGET_ARCH_arm64)
#define RETURN_ADDRESS 0
#else
#define RETURN_ADDRESS 8
#endif

SEC("kretprobe")
int at_table_return(struct pt_regs *ctx)
{
	u64 stack = PT_REGS_SP(ctx) - RETURN_ADDRESS;
	struct traversal *t = bpf_map_lookup_elem(&traversals, &stack);
	u32 verdict = PT_REGS_RC(ctx);

	bool ends = (verdict & NF_VERDICT_MASK) == NF_DROP ||
		    (verdict & NF_VERDICT_MASK) == NF_QUEUE;

	if (!t) {
		/* its entry was not seen */
		if (ends)
			__sync_fetch_and_add(&lost.notes, 1);
		return 0;
	}
	if (ends && (legacy.family != NFPROTO_BRIDGE || bridge_drops(t->table, t->state)))
		leave(0, t->skb, t->table, 0, t->state, kind_of(verdict));
	bpf_map_delete_elem(&traversals, &stack);
	return 0;
}
