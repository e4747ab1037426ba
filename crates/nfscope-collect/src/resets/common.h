/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reset's record is made in a scratch space, looked at by the filter, and sent.
 * The program brings `cfg`.
 */
#ifndef NFSCOPE_RESETS_COMMON_H
#define NFSCOPE_RESETS_COMMON_H

#include "../bpf/conntrack.h"
#include "../bpf/context.h"
#include "../bpf/fill.h"
#include "../bpf/netns.h"
#include "../bpf/registers.h"
#include "../bpf/socket.h"
#include <packet_filter.h>

/* include/uapi/linux/in.h, include/net/tcp_states.h, include/net/tcp.h */
#define IPPROTO_TCP 6
/* include/net/ipv6.h: headers that may stand before it */
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTH 51
#define NEXTHDR_DEST 60
#define MOST_EXTENSIONS 8
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_NEW_SYN_RECV 12
#define TCPHDR_FIN 0x01
#define TCPHDR_SYN 0x02
#define TCPHDR_RST 0x04
#define TCPHDR_ACK 0x10

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define LINK_BYTES 14

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/*
 * Work space. Programs of probes and trace events do not nest on a CPU; those at
 * entries (fentry) may interrupt one of them, and have a space of their own.
 */
#define SPACE_PROBE 0
#define SPACE_ENTRY 1
struct scratch {
	struct reset reset;
	u8 header[64]; /* IP and TCP headers as they stand in a packet */
	u8 frame[FRAME_CAPACITY]; /* what the filter looks at */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct losses lost = {};

static __always_inline struct scratch *space(u32 which)
{
	return bpf_map_lookup_elem(&scratches, &which);
}

#define SKB(address) POINTER(struct sk_buff, KERNEL_SK_BUFF, address)
#define VALUE(what) value_at(ctx, cfg.what.kind, cfg.what.offset)

static __always_inline u32 be32(const u8 *at)
{
	return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

static __always_inline u16 be16(const u8 *at)
{
	return (u16)at[0] << 8 | at[1];
}

/*
 * Where TCP's header is behind those of IPv6, from the buffer's start; 0: the packet
 * is none of TCP, or not its first fragment. transport_header does not tell before the
 * kernel has gone through them itself, which it does only for packets to itself.
 */
static __always_inline u32 behind_extensions(u64 head, u32 at, u32 next)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MOST_EXTENSIONS; i++) {
		u8 header[4] = {};
		u32 bytes;

		if (next == IPPROTO_TCP)
			return at;
		if (bpf_probe_read_kernel(header, sizeof(header), (void *)(head + at)))
			return 0;
		if (next == NEXTHDR_FRAGMENT) {
			if (be16(header + 2) & 0xfff8)
				return 0;
			bytes = 8;
		} else if (next == NEXTHDR_AUTH) {
			bytes = (header[1] + 2) * 4;
		} else if (next == NEXTHDR_HOP || next == NEXTHDR_ROUTING ||
			   next == NEXTHDR_DEST) {
			bytes = (header[1] + 1) * 8;
		} else {
			return 0;
		}
		at += bytes;
		next = header[0];
	}
	return next == IPPROTO_TCP ? at : 0;
}

/*
 * A TCP segment in the packet's linear part: its addresses and ports, from its
 * own point of view, and `to`. False: there is none.
 */
static __always_inline bool read_segment(struct scratch *s, struct sk_buff *skb,
					 struct segment *to)
{
	struct reset *r = &s->reset;
	u64 head = (u64)READ(skb, head);
	u32 network = READ(skb, network_header), transport, end = READ(skb, tail);
	u32 pulled = (u32)((u64)READ(skb, data) - head), data;
	u8 *ip = s->header, *tcp = s->header + IPV6_BYTES;

	if (bpf_probe_read_kernel(ip, IPV4_BYTES, (void *)(head + network)))
		return false;
	if (ip[0] >> 4 == 4) {
		/* not the first fragment: no TCP header */
		if (ip[9] != IPPROTO_TCP || (be16(ip + 6) & 0x1fff))
			return false;
		r->family = AF_INET;
		transport = network + (ip[0] & 15) * 4;
		*(u32 *)r->source_address = *(u32 *)(ip + 12);
		*(u32 *)r->destination_address = *(u32 *)(ip + 16);
	} else if (ip[0] >> 4 == 6) {
		u64 from = head + network;

		transport = behind_extensions(head, network + IPV6_BYTES, ip[6]);
		if (!transport)
			return false;
		r->family = AF_INET6;
		bpf_probe_read_kernel(r->source_address, 16, (void *)(from + 8));
		bpf_probe_read_kernel(r->destination_address, 16, (void *)(from + 24));
	} else {
		return false;
	}
	if (end < transport + TCP_BYTES ||
	    bpf_probe_read_kernel(tcp, TCP_BYTES, (void *)(head + transport)))
		return false;
	r->source = be16(tcp);
	r->destination = be16(tcp + 2);
	to->seq = be32(tcp + 4);
	to->ack = be32(tcp + 8);
	to->flags = tcp[13];
	/* behind the TCP header, as far as the packet reaches */
	data = transport + (tcp[12] >> 4) * 4;
	to->length = READ(skb, len) + pulled - data;
	return true;
}

static __always_inline void reverse(struct reset *r)
{
	u16 port = r->source;

	r->source = r->destination;
	r->destination = port;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		u64 word = ((u64 *)r->source_address)[i];

		((u64 *)r->source_address)[i] = ((u64 *)r->destination_address)[i];
		((u64 *)r->destination_address)[i] = word;
	}
}

/* A new record; all but the stack's words. */
static __always_inline struct reset *begin(struct scratch *s, u32 kind)
{
	struct reset *r = &s->reset;

	__builtin_memset(r, 0, __builtin_offsetof(struct reset, stack));
	r->kind = kind;
	r->reason = NOT_THERE;
	r->reset.flags = r->answered.flags = NOT_THERE;
	return r;
}

/* The reset that TCP and netfilter answer a segment with (RFC 9293, 3.5.2). */
static __always_inline bool answer(struct scratch *s, struct sk_buff *skb)
{
	struct reset *r = &s->reset;
	struct segment *a = &r->answered;

	if (!read_segment(s, skb, a)) {
		a->flags = NOT_THERE;
		return false;
	}
	reverse(r);
	r->reset.flags = TCPHDR_RST;
	if (a->flags & TCPHDR_ACK) {
		r->reset.seq = a->ack;
	} else {
		r->reset.flags |= TCPHDR_ACK;
		r->reset.ack = a->seq + !!(a->flags & TCPHDR_SYN) +
			       !!(a->flags & TCPHDR_FIN) + a->length;
	}
	return true;
}

#include "rejects.h"
#include "tracked.h"

/* A packet's namespace and device. */
static __always_inline void packet_place(struct reset *r, struct sk_buff *skb)
{
	r->netns = netns_of_packet(skb);
	r->ifindex = device_name((u64)READ_POINTER(skb, dev), r->device);
	/* TCP takes the device away; what is left is where it arrived */
	if (!r->ifindex)
		r->ifindex = READ(skb, skb_iif);
}

static __always_inline void full_socket_place(struct reset *r, u64 sk)
{
	u64 dst, dev, known = r->ifindex;

	r->inode = inode_of((void *)sk);
	if (r->device[0])
		return;
	dst = (u64)LOAD(struct sock, sk, sk_dst_cache);
	if (!dst)
		return;
	dev = (u64)LOAD(struct dst_entry, dst, dev);
	r->ifindex = device_name(dev, r->device);
	/* another one than where the packet arrived, whose name is gone */
	if (known && known != r->ifindex) {
		r->ifindex = known;
		r->device[0] = 0;
	}
}

static __always_inline void socket_place(struct reset *r, u64 sk)
{
	u64 net = (u64)LOAD(struct sock, sk, __sk_common.skc_net.net);

	r->sk = sk;
	r->netns = load_u32(net + bpf_core_field_offset(struct net, ns) +
			    bpf_core_field_offset(struct ns_common, inum));
	r->state = LOAD(struct sock, sk, __sk_common.skc_state);
	/* sockets that wait and requests are shorter */
	if (r->state == TCP_TIME_WAIT)
		r->state = LOAD(struct inet_timewait_sock, sk, tw_substate);
	else if (r->state != TCP_NEW_SYN_RECV)
		full_socket_place(r, sk);
}

static __always_inline void tcp_header(u8 *tcp, const struct reset *r)
{
	tcp[0] = r->source >> 8;
	tcp[1] = r->source;
	tcp[2] = r->destination >> 8;
	tcp[3] = r->destination;
	*(u32 *)(tcp + 4) = bpf_htonl(r->reset.seq);
	*(u32 *)(tcp + 8) = bpf_htonl(r->reset.ack);
	tcp[12] = 0x50;
	tcp[13] = r->reset.flags;
}

/* The reset's headers for the filter: what is not in the record is zero. */
static __always_inline bool wanted(struct scratch *s)
{
	struct reset *r = &s->reset;
	u8 *f = s->frame;
	u32 bytes;

	if (!cfg.filter_on)
		return true;
	__builtin_memset(f, 0, LINK_BYTES + IPV6_BYTES + TCP_BYTES + 6);
	if (r->family == AF_INET) {
		u8 *ip = f + LINK_BYTES;

		*(u16 *)(f + MAC_BYTES) = bpf_htons(ETH_P_IP);
		ip[0] = 0x45;
		ip[3] = IPV4_BYTES + TCP_BYTES;
		ip[9] = IPPROTO_TCP;
		__builtin_memcpy(ip + 12, r->source_address, 4);
		__builtin_memcpy(ip + 16, r->destination_address, 4);
		bytes = LINK_BYTES + IPV4_BYTES + TCP_BYTES;
		tcp_header(ip + IPV4_BYTES, r);
	} else {
		u8 *ip = f + LINK_BYTES;

		*(u16 *)(f + MAC_BYTES) = bpf_htons(ETH_P_IPV6);
		ip[0] = 0x60;
		ip[5] = TCP_BYTES;
		ip[6] = IPPROTO_TCP;
		__builtin_memcpy(ip + 8, r->source_address, 16);
		__builtin_memcpy(ip + 24, r->destination_address, 16);
		bytes = LINK_BYTES + IPV6_BYTES + TCP_BYTES;
		tcp_header(ip + IPV6_BYTES, r);
	}
	return packet_filter(f, bytes, bytes) != 0;
}

/* Sends the record if it is wanted. */
static __always_inline int finish(void *ctx, struct scratch *s, bool probe)
{
	struct reset *r = &s->reset;

	if (cfg.only_netns && r->netns != cfg.only_netns)
		return 0;
	/* what a connection takes is known by its arrival; a device of which only the index
	 * is known, or none, by user space */
	if (cfg.only_device && r->kind != RESET_ACCEPTED && r->device[0]) {
		u64 name[2] = {};

		bpf_probe_read_kernel_str(name, sizeof(name), r->device);
		if (name[0] != cfg.only_device_name[0] || name[1] != cfg.only_device_name[1])
			return 0;
	}
	/* nor is its filter asked twice: the connection alone may lack the numbers */
	if (r->kind != RESET_ACCEPTED && !wanted(s))
		return 0;
	r->time = bpf_ktime_get_ns();
	r->cpu = bpf_get_smp_processor_id();
	r->context = context_now(cfg.context_known, probe);
	if (r->context == CONTEXT_PROCESS) {
		r->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(r->comm, sizeof(r->comm));
	}
	r->stack_size = bpf_get_stack(ctx, r->stack, sizeof(r->stack), 0);
	if (bpf_ringbuf_output(&ring, r, sizeof(*r), 0))
		__sync_fetch_and_add(&lost.ring, 1);
	return 0;
}

#endif
