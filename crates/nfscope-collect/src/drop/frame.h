/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nft_do_chain's stack frame, seen from the tracepoint.
 *
 * Where nft_do_chain frees what it drops, it has called down to the program:
 * its own frame, and its registers, which the functions between and the
 * program itself have saved, lie on the same stack. The trial shows at which
 * distances (drop/frame/). The tracepoint tells the place that freed the
 * packet, which is the return address at the frame's end, so that each drop
 * shows by itself whether the distances are still right.
 */
#ifndef NFSCOPE_FRAME_H
#define NFSCOPE_FRAME_H

#include "notes.h"
#include <bpf/bpf_helpers.h>

/* How the calls between the two may go: straight, or through the kernel's loop
 * over several programs on one tracepoint. */
#define FRAME_WAYS 2

/* Distances in bytes. */
struct frame_layout {
	u64 show; /* the trial runs: show_stack() for its packets */
	u64 rule_site; /* where packets that a rule drops are freed; 0: not known */
	u64 policy_site; /* where packets that a policy drops are; may be the same */
	struct frame_way {
		s64 end; /* from the anchor to the return address into nft_do_chain */
		/* from the anchor to where an address is saved: */
		s64 rule;
		s64 pkt; /* struct nft_pktinfo */
		s64 chain; /* the base chain */
		s64 expr; /* the expression that gave the verdict; 0: not known */
	} ways[FRAME_WAYS];
	s64 regs; /* from the return address to struct nft_regs itself */
	u64 immediate; /* nft_expr.ops of a verdict that needs no register */
};

/* Which address on the stack a program is given: see frame_anchor(). */
enum anchor_kind { ANCHOR_ARGUMENTS, ANCHOR_EVENT };

#if TYPED_CASTS
struct frame_layout frame SEC(".data.frame") = {};

/* Some CPUs sign return addresses in the bits above these. */
#define SAME_ADDRESS(a, b) (!(((a) ^ (b)) << 16))

/* An address as a number: the verifier lets pointers be subtracted. */
static __always_inline u64 number_of(const void *pointer)
{
	void *zero = kernel_rdonly_cast(0, kernel_id(KERNEL_CPUMASK));
	u64 number;

	asm volatile("%0 = %1\n"
		     "%0 -= %2\n"
		     : "=&r"(number)
		     : "r"(pointer), "r"(zero));
	return number;
}

/*
 * An address on the stack at a fixed distance from the frames of the
 * program's callers. The arguments of a typed tracepoint lie on the stack
 * (__bpf_trace_run in kernel/trace/bpf_trace.c); a trace event begins with the
 * address of its caller's registers (perf_trace_run_bpf_submit).
 */
static __always_inline u64 frame_anchor(const void *ctx, enum anchor_kind kind)
{
	if (kind == ANCHOR_EVENT)
		return load_u64(load_u64(number_of(ctx)) + STACK_POINTER_OFFSET);
	return number_of(ctx);
}

/* The stack as it is for one of the trial's packets (drop/frame/seen.rs). */
#define SEEN_WORDS 160
#define SEEN_BELOW 96 /* so many of them below the anchor */
#define SEEN_BEHIND 96 /* bytes where each word points to */

struct seen {
	u32 type; /* PART_SEEN */
	u32 unused;
	u64 skb;
	u64 location;
	char name[64]; /* the location's, as the kernel prints it */
	u64 words[SEEN_WORDS];
	u8 behind[SEEN_WORDS][SEEN_BEHIND];
};

/* By which of its two ways the program was called; 0: by none that is known. */
static __always_inline struct frame_way *frame_way(u64 anchor, u64 location)
{
	if (SAME_ADDRESS(load_u64(anchor + frame.ways[0].end), location))
		return &frame.ways[0];
	if (SAME_ADDRESS(load_u64(anchor + frame.ways[1].end), location))
		return &frame.ways[1];
	return 0;
}

/* Whether a rule or a policy dropped the packet; NOTE_NONE: it was not
 * nft_do_chain. */
static __always_inline u32 frame_kind(u64 anchor, u64 location)
{
	struct frame_way *way;

	if (location != frame.rule_site)
		return location == frame.policy_site ? NOTE_POLICY : NOTE_NONE;
	if (frame.rule_site != frame.policy_site)
		return NOTE_RULE;
	/* a rule has left NF_DROP (0), a chain's end one of nft's own codes */
	way = frame_way(anchor, location);
	return way && load_u32(anchor + way->end + frame.regs) & 0xff ? NOTE_POLICY : NOTE_RULE;
}

/*
 * What nft_do_chain's frame says of the packet that it frees; the kind is known
 * before. The frame is believed if it ends where it should and
 * has the packet.
 */
static __always_inline bool frame_decision(u64 anchor, struct sk_buff *skb, u64 location,
					   struct decision *d)
{
	struct frame_way *way = frame_way(anchor, location);

	if (!way)
		return false;
	d->pkt = load_u64(anchor + way->pkt);
	d->chain = load_u64(anchor + way->chain);
	d->rule = d->kind == NOTE_RULE ? load_u64(anchor + way->rule) : 0;
	d->chain_is_base = 1;
	d->regs = anchor + way->end + frame.regs;
	if (way->expr && d->rule &&
	    load_u64(load_u64(anchor + way->expr) + cfg.nft.expr_ops) == frame.immediate)
		d->regs = 0;
	return load_u64(d->pkt + cfg.nft.pkt_skb) == (u64)skb;
}

/*
 * The stack of one of the trial's packets, for drop/frame/ to find the frame
 * in. A function of its own: the verifier looks at it once.
 */
__noinline int show_stack(u64 anchor, u64 skb, u64 location)
{
	struct seen *seen = bpf_ringbuf_reserve(&ring, sizeof(*seen), 0);

	if (!seen)
		return 0;
	seen->type = PART_SEEN;
	seen->skb = skb;
	seen->location = location;
	bpf_snprintf(seen->name, sizeof(seen->name), (const char *)cfg.symbol_format, &location,
		     sizeof(location));
	for (int i = 0; i < SEEN_WORDS; i++) {
		u64 word = load_u64(anchor + (i - SEEN_BELOW) * 8);

		seen->words[i] = word;
		bpf_probe_read_kernel(seen->behind[i], SEEN_BEHIND, (void *)word);
	}
	bpf_ringbuf_submit(seen, 0);
	return 0;
}

#endif
#endif
