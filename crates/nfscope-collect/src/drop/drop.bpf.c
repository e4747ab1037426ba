// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Dropped packets and the rules that dropped them.
 *
 * Every dropped packet passes the tracepoint skb:kfree_skb; that program makes
 * the record. What nftables decided a moment before stands in nft_do_chain's
 * stack frame (frame.h), or was left by a probe point or the trace hook as a
 * note under the skb's address (notes.h).
 */
#include "../bpf/kernel.h"
#include "drop.h"
#include "notes.h"
#include "frame.h"
#include "../bpf/fill.h"
#include "../bpf/netns.h"
#include "../legacy/part.h"
#include <packet_filter.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Work space, four deep for each CPU: before kernel 6.1 a raw tracepoint
 * program may be interrupted by itself.
 */
#define NEST_DEPTH 4
struct cpu_scratch {
	u64 depth;
	struct scratch level[NEST_DEPTH];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_scratch);
} scratches SEC(".maps");

struct running running SEC(".data.running") = {};

#define AF_INET 2
#define AF_INET6 10
#define AF_PACKET 17

/*
 * Netlink and unix sockets free their messages through the same function. A
 * network packet has a device, a socket that speaks a network protocol (what a
 * raw socket sends has no protocol yet), or an Ethernet protocol.
 */
static __always_inline bool is_network_packet(struct sk_buff *skb)
{
	struct sock *sk = READ_POINTER(skb, sk);
	u16 family;

	if (READ_POINTER(skb, dev))
		return true;
	if (!sk)
		return skb->protocol != 0;
	family = sk->__sk_common.skc_family;
	return family == AF_INET || family == AF_INET6 || family == AF_PACKET;
}

/* The self-test's namespace, where there is one: 0 means none, and unknown. */
static __always_inline bool is_scratch(u32 netns)
{
	return cfg.scratch_netns && netns == cfg.scratch_netns;
}

/* What has neither device, socket nor route: the hook knows. */
static __always_inline u32 netns_of_hook(const struct decision *d, const struct note *n)
{
	struct net *net = 0;

	if (n && n->copied) {
		u32 at = bpf_core_field_offset(struct nf_hook_state, net);

		net = (void *)n->state[at / 8 < STATE_WORDS ? at / 8 : 0];
	} else {
		struct nf_hook_state *state = (void *)load_u64(d->pkt + cfg.nft.pkt_state);

		net = BPF_CORE_READ(state, net);
	}
	return BPF_CORE_READ(net, ns.inum);
}

/* The nft part: names and numbers behind a decision. `n`: its note, if it left one. */
static __always_inline void nft_part(struct part_nft *p, const struct decision *d,
				     const struct note *n, const struct part_base *base,
				     struct sk_buff *skb)
{
	p->type = PART_NFT;
	p->kind = d->kind;
	p->age = 0;
	if (d->kind >= NOTE_LEGACY_RULE) {
		if (n)
			legacy_part(p, d, n);
		return;
	}
	nft_names(p, d->rule, d->chain, d->chain_is_base);
	if (n && n->copied) {
		if (d->time)
			p->age = bpf_ktime_get_ns() - d->time;
		nft_hook(p, n->state);
		__builtin_memcpy(p->data, n->data, sizeof(p->data));
	} else {
		nft_hook_at(p, load_u64(d->pkt + cfg.nft.pkt_state), base,
			    READ_POINTER(skb, dev));
		if (!d->regs)
			p->chain_is_base |= NFT_NO_REGISTERS;
		else
			bpf_probe_read_kernel(p->data, sizeof(p->data), (void *)d->regs);
	}
}

/*
 * Whether the user wants this packet. `caplen`: how much of the frame was read
 * as a record has it, else 0.
 */
static __always_inline bool wanted(struct sk_buff *skb, struct scratch *s, bool link, bool tag,
				   u32 *caplen)
{
	u32 length;

	if (cfg.only_device) {
		struct net_device *dev = READ_POINTER(skb, dev);
		u64 name[2] = {};

		if (!dev)
			return false;
		bpf_probe_read_kernel_str(name, sizeof(name), dev->name);
		if (name[0] != cfg.only_device_name[0] || name[1] != cfg.only_device_name[1])
			return false;
	}
	if (!cfg.filter_on)
		return true;
	if (cfg.filter_link) {
		if (!link)
			return false;
		frame_macs(skb, s->frame);
	}
	/* what has no link layer has no tag */
	tag = cfg.filter_tag && tag && link;
	length = frame_fill(skb, s->frame, cfg.filter_bytes, link, tag, FRAME_MAX_BYTES);
#if TYPED_CASTS
	/* older verifiers do not follow the copying loop */
	if (!tag && cfg.filter_bytes >= cfg.snap_bytes)
		*caplen = length;
#endif
	return packet_filter(s->frame, length, frame_length(skb, link)) != 0;
}

/* One packet's free, as the program was told of it. */
struct freed {
	void *ctx;
	enum anchor_kind anchor;
	bool context; /* the preempt count can be had */
	u32 reason;
	u64 location;
	u32 netns;
};

/* Room in a record for the packet's bytes. */
#define RECORD_FRAME ((FRAME_EXTRA + cfg.snap_bytes + 7) & ~7)

/* `bytes` of them: read for the filter already; 0: none. */
static __always_inline u32 record_frame(struct sk_buff *skb, u8 *to, const u8 *read, u32 bytes,
					bool link)
{
#if TYPED_CASTS
	if (bytes) {
		for (u32 at = 0; at < RECORD_FRAME && at < bytes; at += 8)
			*(u64 *)(to + at) = *(u64 *)(read + at);
		if (link)
			frame_macs(skb, to);
		/* the filter may have looked further than a record reaches */
		if (bytes > MAC_BYTES + 2 + cfg.snap_bytes)
			bytes = MAC_BYTES + 2 + cfg.snap_bytes;
		return bytes;
	}
#endif
	if (link)
		frame_macs(skb, to);
	return frame_fill(skb, to, cfg.snap_bytes, link, false, FRAME_MAX_BYTES);
}

static __always_inline void *reserve(u64 size)
{
	void *record = bpf_ringbuf_reserve(&ring, size, 0);

	if (!record)
		__sync_fetch_and_add(&lost.ring, 1);
	return record;
}

static __always_inline int emit(struct freed *f, struct sk_buff *skb, struct decision *d,
				const struct note *n, struct scratch *s)
{
	bool link = skb_has_link(skb), tag = skb_has_tag(skb);
	struct part_stack *stack = 0;
	struct part_base *base;
	struct part_nft *nft = 0;
	u32 bytes = 0;
	void *record;

	/* of the trial's packets it is asked, too, so that it leaves the same behind */
	if (!wanted(skb, s, link, tag, &bytes) && !is_scratch(f->netns))
		return 0;
#if TYPED_CASTS
	/* nft_do_chain's frame is looked at only when the packet is wanted */
	if (d && !n && !frame_decision(frame_anchor(f->ctx, f->anchor), skb, f->location, d)) {
		if (!is_scratch(f->netns))
			__sync_fetch_and_add(&lost.frame, 1);
		d = 0;
	}
#endif
	if (d && !f->netns)
		f->netns = netns_of_hook(d, n);
	if (cfg.only_netns && f->netns != cfg.only_netns && !is_scratch(f->netns))
		return 0;
	if (cfg.stack_on) {
		record = reserve(sizeof(*stack) + sizeof(*nft) + sizeof(*base) + RECORD_FRAME);
		if (!record)
			return 0;
		stack = record;
		nft = record + sizeof(*stack);
		base = record + sizeof(*stack) + sizeof(*nft);
	} else if (d) {
		record = reserve(sizeof(*nft) + sizeof(*base) + RECORD_FRAME);
		if (!record)
			return 0;
		nft = record;
		base = record + sizeof(*nft);
	} else {
		record = reserve(sizeof(*base) + RECORD_FRAME);
		if (!record)
			return 0;
		base = record;
	}
	if (stack) {
		stack->type = PART_STACK;
		stack->size = bpf_get_stack(f->ctx, stack->ips, sizeof(stack->ips), 0);
	}
	base_part(base, skb, f->location, f->reason, f->netns, f->context);
	if (nft) {
		nft->type = PART_NFT;
		nft->kind = NOTE_NONE;
		if (d)
			nft_part(nft, d, n, base, skb);
	}
	if (link)
		base->flags |= BASE_HAS_LINK;
	if (tag) {
		base->vlan_proto = skb->vlan_proto;
		base->vlan_tci = skb->vlan_tci;
		base->flags |= BASE_HAS_TAG;
	}
	base->frame_bytes = record_frame(skb, base->frame, s->frame, bytes, link);
	base->ethertype = *(u16 *)(base->frame + MAC_BYTES);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

static __always_inline int drop(struct freed *f, struct sk_buff *skb, struct decision *d,
				const struct note *n)
{
	u32 zero = 0, kind = d ? d->kind : NOTE_NONE;
	struct cpu_scratch *c;
	u64 level;

	/* what nftables saw is a packet, whatever else is known of it */
	if (!d && !is_network_packet(skb))
		return 0;
	f->netns = netns_of_packet(skb);
	if (is_scratch(f->netns))
		goto take; /* the self-test's own packets: no filter applies */
	if (cfg.choosy) {
		if (!(cfg.cause_mask & 1u << (kind & 31)))
			return 0;
		if (cfg.reason_given && f->reason != cfg.reason_wanted)
			return 0;
		/* without any: see emit() */
		if (cfg.only_netns && f->netns != cfg.only_netns && (f->netns || !d))
			return 0;
	}
take:
	c = bpf_map_lookup_elem(&scratches, &zero);
	if (!c)
		return 0;
	level = c->depth++;
	if (level < NEST_DEPTH)
		emit(f, skb, d, n, &c->level[level]);
	else
		__sync_fetch_and_add(&lost.nested, 1);
	c->depth--;
	return 0;
}

static __always_inline int freed(void *ctx, struct sk_buff *skb, void *location, u32 reason,
				 bool context, enum anchor_kind anchor)
{
	struct freed f = { ctx, anchor, context, reason, (u64)location };
	struct note *n;

#if TYPED_CASTS
	if (cfg.frame_on) {
		struct decision d = {};

		if (frame.show && is_scratch(netns_of_packet(skb)))
			show_stack(frame_anchor(ctx, anchor), number_of(skb), f.location);
		d.kind = frame_kind(frame_anchor(ctx, anchor), f.location);
		if (d.kind)
			return drop(&f, skb, &d, 0);
	}
#endif
	n = cfg.notes_on || running.legacy_on ? note_find(skb) : 0;
	drop(&f, skb, n ? &n->decision : 0, n);
	if (n)
		n->skb = 0;
	return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location)
{
	return freed(ctx, skb, location, cfg.has_reason ? ctx[2] : 0, true, ANCHOR_ARGUMENTS);
}

/*
 * For kernels that do not list variables among their symbols (KALLSYMS_ALL is
 * not set): there is no way to tell process context from softirq, so no
 * process is named.
 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb_blind, struct sk_buff *skb, void *location)
{
	return freed(ctx, skb, location, cfg.has_reason ? ctx[2] : 0, false,
		     ANCHOR_ARGUMENTS);
}

/*
 * For kernels that let another task interrupt a tracepoint's programs (since
 * about 7.0): they skip a program that is already running on the CPU, so that
 * all drops of the other task would be lost. The programs of the trace event
 * behind the tracepoint still run without preemption, at a higher price.
 */
#if TYPED_CASTS
SEC("tracepoint/skb/kfree_skb")
int on_kfree_skb_event(struct trace_event_raw_kfree_skb *event)
{
	struct trace_event_raw_kfree_skb___reason *with = (void *)event;
	struct sk_buff *skb;

	skb = kernel_rdonly_cast(event->skbaddr, kernel_id(KERNEL_SK_BUFF));
	return freed(event, skb, event->location, cfg.has_reason ? with->reason : 0, true,
		     ANCHOR_EVENT);
}
#endif
