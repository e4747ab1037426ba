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
#include "trace.h"

const volatile struct config cfg = {};
struct losses lost = {};

#include "../bpf/fill.h"
#include "../bpf/netns.h"
#include <packet_filter.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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

/* The device's name, if the user asked for one. */
static __always_inline bool device_wanted(const u64 *state)
{
	u64 name[2] = {}, in, out;

	in = *(u64 *)((u8 *)state + (cfg.nft.state_in & 24));
	out = *(u64 *)((u8 *)state + (cfg.nft.state_out & 24));
	if (in) {
		BPF_CORE_READ_STR_INTO(&name, (struct net_device *)in, name);
		if (name[0] == cfg.only_device_name[0] && name[1] == cfg.only_device_name[1])
			return true;
	}
	if (!out)
		return false;
	name[0] = name[1] = 0;
	BPF_CORE_READ_STR_INTO(&name, (struct net_device *)out, name);
	return name[0] == cfg.only_device_name[0] && name[1] == cfg.only_device_name[1];
}

/* Asked of every packet: what the filter does not look at is not looked up. */
static __always_inline bool wanted(struct sk_buff *skb, struct scratch *s)
{
	bool link, tag = false;
	u16 protocol;
	u32 caplen;

	if (!cfg.filter_on)
		return true;
	protocol = bpf_ntohs(READ(skb, protocol));
	link = cfg.filter_link || cfg.filter_tag || protocol == ETH_P_8021Q ||
	       protocol == ETH_P_8021AD;
	link = link && skb_has_link(skb);
	if (cfg.filter_tag)
		tag = skb_has_tag(skb);
	if (cfg.filter_link) {
		if (!link)
			return false;
		frame_macs(skb, s->frame);
	}
	/* what has no link layer has no tag */
	caplen = frame_fill(skb, s->frame, cfg.filter_bytes, link, tag && link, FRAME_MAX_BYTES);
	return packet_filter(s->frame, caplen, frame_length(skb, link)) != 0;
}

static __always_inline struct net *net_of(const u64 *state)
{
	u32 at = bpf_core_field_offset(struct nf_hook_state, net);

	return POINTER(struct net, KERNEL_NET, state[at / 8 < STATE_WORDS ? at / 8 : 0]);
}

static __always_inline u32 netns_of(const u64 *state)
{
	struct net *net = net_of(state);

	return READ(net, ns.inum);
}

static __always_inline u32 generation_of(const u64 *state)
{
	struct net *net = net_of(state);

	return bpf_core_field_exists(net->nft.gencursor) ? READ(net, nft.gencursor) & 1 :
							   GENERATION_UNKNOWN;
}

static __always_inline void copy_state(u64 *state, u64 at)
{
#pragma unroll
	for (int i = 0; i < STATE_WORDS; i++)
		state[i] = load_u64(at + i * 8);
}

/* The packet as it is now; `frame` has room for FRAME_EXTRA and cfg.snap_bytes. */
static __always_inline void packet_part(struct part_base *base, u8 *frame, struct sk_buff *skb,
					u32 netns)
{
	bool link = skb_has_link(skb), tag = skb_has_tag(skb);

	base_part(base, skb, 0, 0, netns, cfg.context_known);
	if (link) {
		frame_macs(skb, frame);
		base->flags |= BASE_HAS_LINK;
	}
	if (tag) {
		base->vlan_proto = READ(skb, vlan_proto);
		base->vlan_tci = READ(skb, vlan_tci);
		base->flags |= BASE_HAS_TAG;
	}
	base->frame_bytes = frame_fill(skb, frame, cfg.snap_bytes, link, false, FRAME_MAX_BYTES);
	base->ethertype = *(u16 *)(frame + MAC_BYTES);
}

static __always_inline void enter(struct sk_buff *skb, u64 pkt, u64 chain, struct cpu_scratch *c,
				  struct scratch *s)
{
	struct entry *e;
	u64 key = (u64)skb, at = 0, state[STATE_WORDS] = {};
	struct tracked *t = find(key);
	u32 netns = 0;

	if (t && t->freed) {
		/* its last decision was not seen; this is another packet */
		forget(key);
		t = 0;
	}
	if (!t || !cfg.follow) {
		if (cfg.only_netns || cfg.only_device) {
			at = load_u64(pkt + cfg.nft.pkt_state);
			copy_state(state, at);
		}
		if (cfg.only_netns) {
			netns = netns_of(state);
			if (netns != cfg.only_netns)
				return;
		}
		if (cfg.only_device && !device_wanted(state))
			return;
		if (!wanted(skb, s))
			return;
	}
	if (!at) {
		at = load_u64(pkt + cfg.nft.pkt_state);
		copy_state(state, at);
	}
	if (!netns)
		netns = netns_of(state);
	if (!t) {
		t = select(key, &c->blank);
		if (!t)
			return;
	}
	/* a rule that sends the packet itself starts a traversal inside of its own */
	t->outer = t->pkt;
	t->outer_traversal = t->traversal;
	t->outer_depth = t->depth;
	t->outer_chain = t->chain;
	t->pkt = pkt;
	t->chain = chain;
	t->depth = 0;
	t->traversal++;
	e = reserve(sizeof(*e) + FRAME_EXTRA + cfg.snap_bytes, t);
	if (!e)
		return;
	head(&e->head, RECORD_ENTRY, key, t);
	e->hash = READ(skb, hash);
	e->generation = generation_of(state);
	conntrack_part(&e->conntrack, READ(skb, _nfct));
	t->mapped = e->conntrack.status & IPS_NAT_MASK;
	e->nft.type = PART_NFT;
	e->nft.kind = 0;
	e->nft.age = 0;
	nft_names(&e->nft, 0, chain, true);
	nft_hook(&e->nft, state);
	packet_part(&e->base, e->base.frame, skb, netns);
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
