// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which rule of x_tables is about to end a packet: ipt_do_table, ip6t_do_table.
 * The note is taken by the tracepoint that sees the packet freed, as those of
 * nftables are (drop/slots.h). One object for each of the functions.
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

#include "target.h"

#define AT(point, what) value_at(ctx, legacy.point.what.kind, legacy.point.what.offset)

/* include/uapi/linux/netfilter.h */
#define NF_DROP 0
#define NF_QUEUE 3
#define NF_VERDICT_MASK 0xff

static __always_inline void leave(u64 entry, u64 skb, u64 table, u64 param, u32 verdict)
{
	u64 info = load_u64(table + legacy.table_private), at;
	u64 state = load_u64(param + legacy.param_state);
	struct table_changes *c = table_changes();
	struct legacy_note *l;
	struct note *n;
	u32 kind, hook;

	if (!skb)
		return;
	n = note_slot_for(skb);
	if (!n)
		return;
	n->skb = 0;
	bpf_probe_read_kernel(n->state, sizeof(n->state), (void *)state);
	l = (struct legacy_note *)n->data;
	bpf_probe_read_kernel(l->table, sizeof(l->table), (void *)(table + legacy.table_name));
	l->size = load_u32(info + legacy.info_size);
	l->number = load_u32(info + legacy.info_number);
	l->change = c && c->begun == c->done ? c->begun : CHANGING;
	l->in = load_u64(state + legacy.state_in);
	l->out = load_u64(state + legacy.state_out);
	hook = load_u32(state + legacy.state_hook) & 0xff;
	l->family = legacy.family;
	l->hook = hook;
	at = entry - (info + legacy.info_entries);
	if (at >= l->size)
		at = NO_ENTRY;
	kind = NOTE_LEGACY_RULE;
	if ((verdict & NF_VERDICT_MASK) == NF_QUEUE)
		kind = NOTE_LEGACY_QUEUE;
	else if (load_u32(info + legacy.info_underflow + 4 * (hook & 7)) == at)
		kind = NOTE_LEGACY_POLICY;
	n->decision.rule = at;
	n->decision.chain = table;
	n->decision.pkt = info;
	n->decision.regs = 0;
	n->decision.time = bpf_ktime_get_ns();
	n->decision.kind = kind;
	n->decision.chain_is_base = 0;
	n->copied = 1;
	n->check = note_check((u32)skb, n);
	n->skb = skb;
}

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
	leave(entry, AT(matched, skb), AT(matched, table), AT(matched, param), verdict);
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
	leave(entry, AT(verdict, skb), AT(verdict, table), AT(verdict, param), verdict);
	return 0;
}
