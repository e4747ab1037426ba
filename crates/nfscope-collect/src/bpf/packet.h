/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet's headers as one frame: 14 bytes of Ethernet header (MAC addresses
 * only where the packet has them, the type always), the offloaded VLAN tag
 * between them if asked for, then the packet from its network header on.
 */
#ifndef NFSCOPE_PACKET_H
#define NFSCOPE_PACKET_H

#include "compat.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define MAC_BYTES 12
#define TAG_BYTES 4

/* Whether an Ethernet header stands in the packet's buffer before the network
 * header. */
static __always_inline bool skb_has_link(struct sk_buff *skb)
{
	struct net_device *dev = READ_POINTER(skb, dev);
	u16 mac = READ(skb, mac_header), network = READ(skb, network_header), type;

	if (mac == (u16)~0 || network < mac + 14 || !dev)
		return false;
	type = READ(dev, type);
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

/*
 * Where the packet goes on behind its Ethernet header. A tag that was already
 * pushed into the packet lies between that and the network header.
 */
static __always_inline u16 frame_body(struct sk_buff *skb, bool link)
{
	u16 protocol = bpf_ntohs(READ(skb, protocol));

	if (link && (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD))
		return READ(skb, mac_header) + MAC_BYTES + 2;
	return READ(skb, network_header);
}

/* Length of the whole frame on the wire, with its Ethernet header. */
static __always_inline u32 frame_length(struct sk_buff *skb, bool link)
{
	u64 pulled = (u64)READ(skb, data) - (u64)READ(skb, head);

	return READ(skb, len) + (u32)pulled - frame_body(skb, link) + MAC_BYTES + 2;
}

static __always_inline void frame_macs(struct sk_buff *skb, u8 *frame)
{
	u64 from = (u64)(READ(skb, head) + READ(skb, mac_header));

	*(u64 *)frame = load_u64(from);
	*(u32 *)(frame + 8) = load_u32(from + 8);
}

/*
 * Fills `frame` from the ethertype on and returns how many bytes of it count.
 * At most `want` bytes of the packet are read, all from its linear part.
 */
static __always_inline u32 frame_fill(struct sk_buff *skb, u8 *frame, u32 want, bool link,
				      bool tag, u32 capacity)
{
	u32 start = MAC_BYTES, network = frame_body(skb, link), end = READ(skb, tail), have;

	if (tag) {
		*(u16 *)(frame + start) = READ(skb, vlan_proto);
		*(u16 *)(frame + start + 2) = bpf_htons(READ(skb, vlan_tci));
		start += TAG_BYTES;
	}
	*(u16 *)(frame + start) = READ(skb, protocol);
	start += 2;
	/* a packet that never got as far as a network header has none */
	if (!network || end <= network)
		return start;
	have = end - network;
	if (have > want)
		have = want;
	if (have > capacity - MAC_BYTES - TAG_BYTES - 2)
		have = capacity - MAC_BYTES - TAG_BYTES - 2;
	if (bpf_probe_read_kernel(frame + start, have, READ(skb, head) + network))
		return start;
	/* raw sockets may leave the protocol to be set later */
	if (!READ(skb, protocol)) {
		u8 version = frame[start] >> 4;

		if (version == 4)
			*(u16 *)(frame + start - 2) = bpf_htons(ETH_P_IP);
		else if (version == 6)
			*(u16 *)(frame + start - 2) = bpf_htons(ETH_P_IPV6);
	}
	return start + have;
}

#endif
