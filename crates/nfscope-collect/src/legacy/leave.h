/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Leaves a note. The program brings `legacy`, its settings.
 */
#ifndef NFSCOPE_LEGACY_LEAVE_H
#define NFSCOPE_LEGACY_LEAVE_H

#include "../drop/slots.h"
#include "table_note.h"

/* include/uapi/linux/netfilter.h */
#define NF_DROP 0
#define NF_QUEUE 3
#define NF_VERDICT_MASK 0xff

static __always_inline u32 kind_of(u32 verdict)
{
	return (verdict & NF_VERDICT_MASK) == NF_QUEUE ? NOTE_LEGACY_QUEUE : NOTE_LEGACY_RULE;
}

/* `entry`: 0 if it is not known; `info`: the table's private. */
static __always_inline void leave_of(u64 info, u64 entry, u64 skb, u64 table, u32 is_info,
				     u64 state, u32 kind)
{
	u64 at;
	struct legacy_note *l;
	struct note *n;

	if (!skb)
		return;
	n = note_slot_for(skb);
	if (!n)
		return;
	n->skb = 0;
	bpf_probe_read_kernel(n->state, sizeof(n->state), (void *)state);
	l = (struct legacy_note *)n->data;
	at = note_table(l, entry, is_info ? 0 : table, info, state);
	/* ebtables' policies are no entries of their own */
	if (kind == NOTE_LEGACY_RULE && entry && legacy.family != NFPROTO_BRIDGE &&
	    load_u32(info + legacy.info_underflow + 4 * (l->hook & 7)) == at)
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

static __always_inline void leave(u64 entry, u64 skb, u64 table, u32 is_info, u64 state,
				  u32 kind)
{
	u64 info = is_info ? table : load_u64(table + legacy.table_private);

	leave_of(info, entry, skb, table, is_info, state, kind);
}

#endif
