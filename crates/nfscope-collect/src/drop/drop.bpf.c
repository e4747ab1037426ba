// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Dropped packets and the rules that dropped them.
 *
 * Every dropped packet passes the tracepoint skb:kfree_skb; that program makes
 * the record. What nftables decided a moment before is left by a probe point
 * or the trace hook as a note under the skb's address (notes.h).
 */
#include "../bpf/kernel.h"
#include "drop.h"
#include "notes.h"
#include "../bpf/fill.h"
#include <packet_filter.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

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

/* include/linux/skbuff.h: the route, whose lowest bit says who holds it */
#define SKB_DST_NOREF 1UL

static __always_inline u32 netns_of(struct sk_buff *skb)
{
	struct net_device *dev = READ_POINTER(skb, dev);
	struct sock *sk = READ_POINTER(skb, sk);
	struct dst_entry *dst;

	if (dev)
		return dev->nd_net.net->ns.inum;
	if (sk)
		return sk->__sk_common.skc_net.net->ns.inum;
	/* a TCP reset over IPv6 has neither, but a route */
	dst = (void *)(skb->_skb_refdst & ~SKB_DST_NOREF);
	if (!dst)
		return 0;
	return BPF_CORE_READ(dst, dev, nd_net.net, ns.inum);
}

/* The self-test's namespace, where there is one: 0 means none, and unknown. */
static __always_inline bool is_scratch(u32 netns)
{
	return cfg.scratch_netns && netns == cfg.scratch_netns;
}

/* What has neither device, socket nor route: the hook knows. */
static __always_inline u32 netns_of_note(const struct note *n)
{
	struct net *net = 0;

	if (n->copied) {
		u32 at = bpf_core_field_offset(struct nf_hook_state, net);

		net = (void *)n->state[at / 8 < STATE_WORDS ? at / 8 : 0];
	} else {
		struct nf_hook_state *state = (void *)load_u64(n->pkt + cfg.nft.pkt_state);

		net = BPF_CORE_READ(state, net);
	}
	return BPF_CORE_READ(net, ns.inum);
}

/* The nft part: names and numbers behind a note. */
static __always_inline void nft_part(struct part_nft *p, const struct note *n)
{
	u64 state[STATE_WORDS] = {};

	p->type = PART_NFT;
	p->kind = n->kind;
	p->age = n->time ? bpf_ktime_get_ns() - n->time : 0;
	nft_names(p, n->rule, n->chain, n->chain_is_base);
	if (n->copied) {
		__builtin_memcpy(state, n->state, sizeof(state));
		__builtin_memcpy(p->data, n->data, sizeof(p->data));
	} else {
		u64 at = load_u64(n->pkt + cfg.nft.pkt_state);

#pragma unroll
		for (int i = 0; i < STATE_WORDS; i++)
			state[i] = load_u64(at + i * 8);
		bpf_probe_read_kernel(p->data, sizeof(p->data), (void *)n->regs);
	}
	nft_hook(p, state);
}

/* Whether the user wants this packet; leaves the frame read so far. */
static __always_inline bool wanted(struct sk_buff *skb, struct scratch *s, bool link, bool tag)
{
	u32 caplen;

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
	caplen = frame_fill(skb, s->frame, cfg.filter_bytes, link, cfg.filter_tag && tag && link,
			    FRAME_MAX_BYTES);
	return packet_filter(s->frame, caplen, frame_length(skb, link)) != 0;
}

static __always_inline int emit(void *ctx, struct sk_buff *skb, u64 location, u32 reason,
				u32 netns, struct note *n, struct scratch *s, bool context)
{
	bool link = skb_has_link(skb), tag = skb_has_tag(skb);
	u32 frame, size;
	void *start;

	if (!is_scratch(netns) && !wanted(skb, s, link, tag))
		return 0;
	base_part(&s->base, skb, location, reason, netns, context);
	if (link) {
		frame_macs(skb, s->frame);
		s->base.flags |= BASE_HAS_LINK;
	}
	if (tag) {
		s->base.vlan_proto = skb->vlan_proto;
		s->base.vlan_tci = skb->vlan_tci;
		s->base.flags |= BASE_HAS_TAG;
	}
	frame = frame_fill(skb, s->frame, cfg.snap_bytes, link, false, FRAME_MAX_BYTES);
	if (frame > FRAME_MAX_BYTES)
		return 0;
	s->base.ethertype = *(u16 *)(s->frame + MAC_BYTES);
	s->base.frame_bytes = frame;
	size = sizeof(s->base) + frame;
	start = &s->base;
	if (n || cfg.stack_on) {
		s->nft.type = PART_NFT;
		s->nft.kind = NOTE_NONE;
		if (n)
			nft_part(&s->nft, n);
		start = &s->nft;
		size += sizeof(s->nft);
	}
	if (cfg.stack_on) {
		s->stack.type = PART_STACK;
		s->stack.size = bpf_get_stack(ctx, s->stack.ips, sizeof(s->stack.ips), 0);
		start = &s->stack;
		size += sizeof(s->stack);
	}
	if (bpf_ringbuf_output(&ring, start, size, 0))
		__sync_fetch_and_add(&lost.ring, 1);
	return 0;
}

static __always_inline int drop(void *ctx, struct sk_buff *skb, u64 location, u32 reason,
				struct note *n, bool context)
{
	u32 zero = 0, netns, kind = n ? n->kind : NOTE_NONE;
	struct cpu_scratch *c;
	u64 level;

	/* what nftables saw is a packet, whatever else is known of it */
	if (!n && !is_network_packet(skb))
		return 0;
	netns = netns_of(skb);
	if (!netns && n)
		netns = netns_of_note(n);
	if (is_scratch(netns))
		goto take; /* the self-test's own packets: no filter applies */
	if (!(cfg.cause_mask & 1u << (kind & 31)))
		return 0;
	if (cfg.reason_given && reason != cfg.reason_wanted)
		return 0;
	if (cfg.only_netns && netns != cfg.only_netns)
		return 0;
take:
	c = bpf_map_lookup_elem(&scratches, &zero);
	if (!c)
		return 0;
	level = c->depth++;
	if (level < NEST_DEPTH)
		emit(ctx, skb, location, reason, netns, n, &c->level[level], context);
	else
		__sync_fetch_and_add(&lost.nested, 1);
	c->depth--;
	return 0;
}

static __always_inline int freed(void *ctx, struct sk_buff *skb, void *location, u32 reason,
				 bool context)
{
	struct note *n = note_find(skb);

	drop(ctx, skb, (u64)location, reason, n, context);
	if (n)
		n->skb = 0;
	return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location)
{
	return freed(ctx, skb, location, cfg.has_reason ? ctx[2] : 0, true);
}

/*
 * For kernels that do not list variables among their symbols (KALLSYMS_ALL is
 * not set): there is no way to tell process context from softirq, so no
 * process is named.
 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb_blind, struct sk_buff *skb, void *location)
{
	return freed(ctx, skb, location, cfg.has_reason ? ctx[2] : 0, false);
}

/*
 * For kernels that let another task interrupt a tracepoint's programs (since
 * about 7.0): they skip a program that is already running on the CPU, so that
 * all drops of the other task would be lost. The programs of the trace event
 * behind the tracepoint still run without preemption, at a higher price.
 */
SEC("tracepoint/skb/kfree_skb")
int on_kfree_skb_event(struct trace_event_raw_kfree_skb *event)
{
	struct trace_event_raw_kfree_skb___reason *with = (void *)event;
	struct sk_buff *skb;

	if (!kernel_id(KERNEL_RDONLY_CAST))
		return 0;
	skb = kernel_rdonly_cast(event->skbaddr, kernel_id(KERNEL_SK_BUFF));
	return freed(event, skb, event->location, cfg.has_reason ? with->reason : 0, true);
}
