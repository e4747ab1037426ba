/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What conntrack thinks of a packet that is answered with a reset.
 */
#ifndef NFSCOPE_RESETS_TRACKED_H
#define NFSCOPE_RESETS_TRACKED_H

/* What conntrack said of a segment, under its skb; believed if the rest is its. */
struct invalid {
	u32 ports;
	u32 seq;
	u32 netns; /* a packet may go on to another */
	char text[INVALID_TEXT];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct invalid);
} invalids SEC(".maps");

/* conntrack's hook functions at prerouting: of IPv4, of IPv6; 0: it is not loaded */
struct tracking {
	u64 hooks[2];
	/* a connection was seen at a packet that tcp_v6_rcv got: this kernel does not
	 * take it away before ("netfilter: keep conntrack reference until IPsecv6 policy
	 * checks are done", 6.4 and later releases of some before) */
	u64 v6_keeps;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tracking);
} tracking SEC(".maps");

/* Whether conntrack looks at packets of that family in a namespace. */
#define MOST_HOOKS 16
static __always_inline bool is_tracking(u64 net, u32 family)
{
	u32 zero = 0, at = bpf_core_field_offset(struct net, nf);
	struct tracking *t = bpf_map_lookup_elem(&tracking, &zero);
	u64 hook, entries;

	if (!t || !net)
		return false;
	hook = t->hooks[family != AF_INET];
	at += family == AF_INET ? bpf_core_field_offset(struct netns_nf, hooks_ipv4) :
				  bpf_core_field_offset(struct netns_nf, hooks_ipv6);
	entries = load_u64(net + at);
	if (!hook || !entries)
		return false;
#pragma unroll
	for (u32 i = 0; i < MOST_HOOKS; i++) {
		if (i >= LOAD(struct nf_hook_entries, entries, num_hook_entries))
			return false;
		if (load_u64(entries + bpf_core_field_offset(struct nf_hook_entries, hooks) +
			     i * bpf_core_type_size(struct nf_hook_entry)) == hook)
			return true;
	}
	return false;
}

/*
 * What conntrack said of the packet that is answered. `behind`: conntrack has had the
 * packet if it is in use there, so that one without a connection is INVALID; else its
 * words alone tell.
 */
static __always_inline void conntrack_word(struct scratch *s, struct sk_buff *skb, u32 seq,
					   bool behind)
{
	struct reset *r = &s->reset;
	u64 key = (u64)skb;
	struct invalid *i;

	/* for a socket TCP takes the connection away from the packet */
	if (READ(skb, _nfct))
		return;
	if (behind && !r->sk && READ_POINTER(skb, dev))
		r->invalid = is_tracking((u64)LOAD(struct net_device, READ_POINTER(skb, dev),
						   nd_net.net),
					 r->family);
	i = bpf_map_lookup_elem(&invalids, &key);
	/* ports as the answered segment has them */
	if (!i || i->seq != seq || i->netns != r->netns ||
	    i->ports != ((u32)r->destination << 16 | r->source))
		return;
	r->invalid = 1;
	__builtin_memcpy(r->invalid_text, i->text, sizeof(r->invalid_text));
}

#endif
