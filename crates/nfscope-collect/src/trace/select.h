/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets are followed: those that come to a chain, or a table of
 * x_tables, and fit the user's filter; and what the record of that says.
 */
#ifndef NFSCOPE_SELECT_H
#define NFSCOPE_SELECT_H

#include "packets.h"

#include "../bpf/context.h"
#include "../bpf/fill.h"
#include "../bpf/netns.h"
#include <packet_filter.h>

#define NF_ACCEPT 1 /* include/uapi/linux/netfilter.h */

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

/* No packet passes here in an NMI: what looks like one is a breakpoint. */
static __always_inline bool process_wanted(struct sk_buff *skb)
{
	/* what arrived may be read by any process that asks the device (busy polling) */
	return !READ(skb, skb_iif) && context_now(cfg.context_known, true) == CONTEXT_PROCESS &&
	       bpf_get_current_pid_tgid() >> 32 == cfg.only_pid;
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

/*
 * The line of a packet that comes to a chain or a table, if it is followed or
 * begins to be. `at`: its struct nf_hook_state, 0: the one that `pkt` (struct
 * nft_pktinfo) has; `state`: a copy of it, filled where a line is returned.
 */
static __always_inline struct tracked *arrived(struct sk_buff *skb, u64 pkt, u64 at, u64 *state,
					       u32 *netns, struct cpu_scratch *c,
					       struct scratch *s)
{
	u64 key = (u64)skb;
	struct tracked *t = find(key);
	bool copied = false;

	*netns = 0;
	if (t && t->freed) {
		/* its last decision was not seen; this is another packet */
		forget(key);
		t = 0;
	}
	if (!t || !cfg.follow) {
		u64 trial = lost.trial, only = trial ? trial : cfg.only_netns;

		if (!trial && cfg.only_pid && !t && !process_wanted(skb))
			return 0;
		if (only || cfg.only_device) {
			at = at ? at : load_u64(pkt + cfg.nft.pkt_state);
			copy_state(state, at);
			copied = true;
		}
		if (only) {
			*netns = netns_of(state);
			if (*netns != only)
				return 0;
		}
		if (!trial && cfg.only_device && !device_wanted(state))
			return 0;
		if (!trial && !wanted(skb, s))
			return 0;
	}
	if (!copied) {
		at = at ? at : load_u64(pkt + cfg.nft.pkt_state);
		copy_state(state, at);
	}
	if (!*netns)
		*netns = netns_of(state);
	if (!t)
		return select(key, &c->blank);
	leave_table(key, t);
	return t;
}

/* The head of an entry, and all of it that is the same for chains and tables. */
static __always_inline void entry_part(struct entry *e, u32 type, struct sk_buff *skb,
				       struct tracked *t, const u64 *state, u32 netns)
{
	head(&e->head, type, (u64)skb, t);
	e->hash = READ(skb, hash);
	e->generation = generation_of(state);
	conntrack_part(&e->conntrack, READ(skb, _nfct));
	t->mapped = e->conntrack.status & IPS_NAT_MASK;
	e->nft.type = PART_NFT;
	e->nft.kind = 0;
	e->nft.age = 0;
	nft_hook(&e->nft, state);
	packet_part(&e->base, e->base.frame, skb, netns);
}

/* Says how the connection is mapped, if that was done since the chain began. */
static __always_inline void mapping(u64 address, struct tracked *t)
{
	struct sk_buff *skb = POINTER(struct sk_buff, KERNEL_SK_BUFF, address);
	u64 word;
	struct nf_conn *ct;
	struct mapping *m;

	if (!conntrack_known() || t->freed)
		return;
	word = READ(skb, _nfct);
	ct = (void *)(word & ~NFCT_INFOMASK);
	if (!ct || (load_u64((u64)ct + bpf_core_field_offset(struct nf_conn, status)) & IPS_NAT_MASK) == t->mapped)
		return;
	m = reserve(sizeof(*m), t);
	if (!m)
		return;
	head(&m->head, RECORD_MAPPING, address, t);
	conntrack_part(&m->conntrack, word);
	send(m);
}

#endif
