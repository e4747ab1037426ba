/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where notes stand: a small table that is indexed by the packet's address.
 */
#ifndef NFSCOPE_SLOTS_H
#define NFSCOPE_SLOTS_H

#include "drop.h"
#include <bpf/bpf_helpers.h>

struct losses lost = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NOTE_SLOTS);
	__type(key, u32);
	__type(value, struct note);
} notes SEC(".maps");

/*
 * An sk_buff is 232 bytes or more, its slab 256: the bits below carry nothing.
 * Only the lower half of the address, because that is all of a typed pointer
 * that the verifier lets a program calculate with.
 */
static __always_inline u32 note_slot(u32 skb, u32 way)
{
	return ((skb >> 8 ^ skb >> 18) + way) & (NOTE_SLOTS - 1);
}

static __always_inline u32 note_check(u32 skb, const struct note *n)
{
	const struct decision *d = &n->decision;
	u64 all = d->rule ^ d->chain ^ d->pkt ^ d->regs ^ d->kind;

	return skb ^ (u32)all ^ (u32)(all >> 32);
}

/* The lower half of a typed pointer, as a plain number. */
static __always_inline u32 lower_half(const void *pointer)
{
	u64 half;

	/* a 32-bit move makes a number of a pointer; written in C it becomes
	 * shifts, which the verifier refuses */
	asm volatile("r1 = %1\n"
		     "w1 = w1\n"
		     "%0 = r1\n"
		     : "=r"(half)
		     : "r"(pointer)
		     : "r1");
	return half;
}

static __always_inline struct note *note_find(struct sk_buff *skb)
{
	u32 half = lower_half(skb), key = note_slot(half, 0);
	struct note *n = bpf_map_lookup_elem(&notes, &key);

	if (n && n->skb == (u64)skb)
		goto check;
	key = note_slot(half, 1);
	n = bpf_map_lookup_elem(&notes, &key);
	if (!n || n->skb != (u64)skb)
		return 0;
check:
	if (n->check != note_check(half, n)) {
		__sync_fetch_and_add(&lost.notes, 1);
		n->skb = 0;
		return 0;
	}
	return n;
}

static __always_inline bool note_may_live_on(u32 kind)
{
	return kind == NOTE_QUEUE || kind == NOTE_FWD || kind == NOTE_LEGACY_QUEUE;
}

/*
 * A packet that was queued or forwarded mostly lives on: nobody takes its note
 * away. One that ends there does so at once.
 */
#define ENDS_WITHIN_NS 1000000000ULL
static __always_inline bool note_is_over(const struct note *n)
{
	return note_may_live_on(n->decision.kind) &&
	       bpf_ktime_get_ns() - n->decision.time > ENDS_WITHIN_NS;
}

/* A slot for this packet: its own, a free one, else the first, at a loss. */
static __always_inline struct note *note_slot_for(u64 skb)
{
	u32 first = note_slot((u32)skb, 0), second = note_slot((u32)skb, 1);
	struct note *a = bpf_map_lookup_elem(&notes, &first);
	struct note *b = bpf_map_lookup_elem(&notes, &second);

	if (!a || !b)
		return 0;
	if (!a->skb || a->skb == skb)
		return a;
	if (!b->skb || b->skb == skb)
		return b;
	if (note_is_over(a))
		return a;
	if (note_is_over(b))
		return b;
	__sync_fetch_and_add(&lost.notes, 1);
	return a;
}

#endif
