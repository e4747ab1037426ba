/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets that are followed, and the records about them. The programs of
 * tables.bpf.c share the maps of those of trace.bpf.c, `lost` too.
 */
#ifndef NFSCOPE_PACKETS_H
#define NFSCOPE_PACKETS_H

#include "trace.h"

const volatile struct config cfg = {};
struct losses lost = {};

#include "../bpf/compat.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct tracked);
} packets SEC(".maps");

/* Packets that enter a chain while another does on the same CPU. */
#define NEST_DEPTH 4
struct cpu_scratch {
	struct tracked blank; /* never written */
	u64 depth;
	struct scratch level[NEST_DEPTH];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_scratch);
} scratches SEC(".maps");

static __always_inline struct cpu_scratch *scratch_of_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

static __always_inline struct tracked *find(u64 skb)
{
	return lost.active ? bpf_map_lookup_elem(&packets, &skb) : 0;
}

static __always_inline void forget(u64 skb)
{
	if (!bpf_map_delete_elem(&packets, &skb))
		__sync_fetch_and_add(&lost.active, -1);
}

/* `blank`: an empty line; it is too large for the stack. */
static __always_inline struct tracked *select(u64 skb, struct tracked *blank)
{
	struct tracked *t;

	if (bpf_map_update_elem(&packets, &skb, blank, 0)) {
		__sync_fetch_and_add(&lost.packets, 1);
		return 0;
	}
	__sync_fetch_and_add(&lost.active, 1);
	t = bpf_map_lookup_elem(&packets, &skb);
	if (t)
		t->start = bpf_ktime_get_ns();
	return t;
}

/* include/uapi/linux/bpf.h */
#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0

/* User space looks by itself several times a second; waking it for each record
 * would cost more than the record. */
static __always_inline u64 wake(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > cfg.wake_bytes ? BPF_RB_FORCE_WAKEUP :
									      BPF_RB_NO_WAKEUP;
}

/*
 * Bytes of so many rules that did not match. Older verifiers know no bounds
 * of a product but that with a constant; the empty statement keeps the compiler
 * from choosing the factor first.
 */
static __always_inline u64 misses_size(u64 count)
{
	if (cfg.registers) {
		count *= sizeof(struct miss);
		asm volatile("" : "+r"(count));
		return count;
	}
	return count * MISS_SHORT;
}

/* Sends the rules that did not match, before anything else is said of the packet. */
static __always_inline void flush(struct tracked *t)
{
	u64 last;

	if (!cfg.no_match || !t->batch.count)
		return;
	/* the mask is for the verifier: there are 1 to BATCH */
	last = (t->batch.count - 1) & (BATCH - 1);
	if (bpf_ringbuf_output(&ring, &t->batch,
			       __builtin_offsetof(struct batch, rules) + misses_size(last + 1),
			       wake()))
		__sync_fetch_and_add(&lost.ring, 1);
	t->batch.count = 0;
}

/* A record in the ring, to be filled and sent; its number is used up either way. */
static __always_inline void *reserve(u64 size, struct tracked *t)
{
	void *record;

	flush(t);
	t->sequence++;
	record = bpf_ringbuf_reserve(&ring, size, 0);
	if (!record)
		__sync_fetch_and_add(&lost.ring, 1);
	return record;
}

static __always_inline void send(void *record)
{
	bpf_ringbuf_submit(record, wake());
}

static __always_inline void head(struct record_head *h, u32 type, u64 skb, struct tracked *t)
{
	h->type = type;
	h->cpu = bpf_get_smp_processor_id();
	h->time = bpf_ktime_get_ns();
	h->skb = skb;
	h->start = t->start;
	h->sequence = t->sequence;
	h->traversal = t->pkt ? t->traversal : 0;
}

/* The traversal is over; with it the packet, if it is gone already. */
static __always_inline void leave(u64 skb, struct tracked *t)
{
	t->pkt = t->outer;
	t->traversal = t->outer ? t->outer_traversal : t->traversal;
	t->depth = t->outer_depth;
	t->chain = t->outer_chain;
	t->outer = 0;
	if (t->freed && !t->pkt)
		forget(skb);
}

/*
 * A table of x_tables that ended without a rule's verdict: a match, or the
 * packet's malformed header, ended it. Nothing is told at that place; it is
 * noticed by what comes next.
 */
static __always_inline void leave_table(u64 skb, struct tracked *t)
{
	if (t->pkt & TABLE_TRAVERSAL && t->target != t->traversal)
		leave(skb, t);
}

/* A rule that sends the packet itself starts a traversal inside of its own. */
static __always_inline void begin(struct tracked *t, u64 pkt, u64 chain)
{
	t->outer = t->pkt;
	t->outer_traversal = t->traversal;
	t->outer_depth = t->depth;
	t->outer_chain = t->chain;
	t->pkt = pkt;
	t->chain = chain;
	t->depth = 0;
	t->traversal++;
}

#endif
