/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the user's filter about a packet at a bare address. Needs `cfg` with
 * filter_bytes, filter_link and filter_tag, and packet_filter.h.
 */
#ifndef NFSCOPE_WANTED_H
#define NFSCOPE_WANTED_H

#include "packet.h"

/* What the filter looks at. Programs of probes and trace events do not nest on a CPU. */
struct scratch {
	u8 frame[FRAME_CAPACITY];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline bool wanted(struct sk_buff *skb)
{
	struct scratch *s;
	u16 protocol;
	bool link, tag = false;
	u32 zero = 0, caplen;

	s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s)
		return false;
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

#endif
