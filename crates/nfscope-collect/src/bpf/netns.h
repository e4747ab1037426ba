/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespace of a packet.
 */
#ifndef NFSCOPE_NETNS_H
#define NFSCOPE_NETNS_H

#include "compat.h"

/* include/linux/skbuff.h: the route, whose lowest bit says who holds it */
#define SKB_DST_NOREF 1UL

/* The namespace's inode; 0: the packet does not tell. */
static __always_inline u32 netns_of_packet(struct sk_buff *skb)
{
	struct net_device *dev = READ_POINTER(skb, dev);
	struct sock *sk = READ_POINTER(skb, sk);
	struct dst_entry *dst;

	if (dev)
		return READ_NETNS(dev, nd_net.net);
	if (sk)
		return READ_NETNS(sk, __sk_common.skc_net.net);
	/* a TCP reset over IPv6 has neither, but a route */
	dst = (void *)(READ(skb, _skb_refdst) & ~SKB_DST_NOREF);
	if (!dst)
		return 0;
	return BPF_CORE_READ(dst, dev, nd_net.net, ns.inum);
}

#endif
