// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP resets: those that TCP sends, those that arrive, and those that pass.
 * What netfilter sends is seen by netfilter.bpf.c.
 *
 * A reset that TCP sends counts where the kernel counts it (OutRsts): answers
 * when they are built, behind the conditions under which none is sent.
 */
#include "../bpf/kernel.h"
#include <bpf/bpf_tracing.h>

#include "../bpf/bare.h"
#include "resets.h"

const volatile struct config cfg = {};

#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* TCP is about to answer the segment of an skb. */
struct reply {
	u64 sk;
	u32 reason;
	u32 unused;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct reply);
} replies SEC(".maps");

/* The state that a closed socket had, by its address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, u32);
} closed SEC(".maps");

static __always_inline void state_before(struct reset *r, u64 sk)
{
	u32 *state;

	if (r->state != TCP_CLOSE)
		return;
	state = bpf_map_lookup_elem(&closed, &sk);
	if (state)
		r->state = *state;
}

static __always_inline int remember(u64 sk, u64 skb, u32 reason)
{
	struct reply reply = { .sk = sk, .reason = reason };

	bpf_map_update_elem(&replies, &skb, &reply, 0);
	return 0;
}

/* tcp_v4_send_reset(sk, skb, reason); the reason came with 6.10: "net: introduce
 * rstreason to detect why the RST is sent" */
SEC("kprobe")
int at_v4_reply(struct pt_regs *ctx)
{
	u32 reason = cfg.v4_reason.kind ? (u32)VALUE(v4_reason) : NOT_THERE;

	return remember(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), reason);
}

SEC("kprobe")
int at_v6_reply(struct pt_regs *ctx)
{
	u32 reason = cfg.v6_reason.kind ? (u32)VALUE(v6_reason) : NOT_THERE;

	return remember(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), reason);
}

/* Whether packets that TCP gets have the connection that conntrack found for them. */
static __always_inline bool keeps_connections(u32 family)
{
	u32 zero = 0;
	struct tracking *t = bpf_map_lookup_elem(&tracking, &zero);

	return family == AF_INET || (t && t->v6_keeps);
}

static __always_inline void learn_v6_keeps(struct sk_buff *skb)
{
	u32 zero = 0;
	struct tracking *t;

	if (!READ(skb, _nfct))
		return;
	t = bpf_map_lookup_elem(&tracking, &zero);
	if (t && !t->v6_keeps)
		t->v6_keeps = 1;
}

static __always_inline int reply_sent(void *ctx, u64 address)
{
	struct reply *found = bpf_map_lookup_elem(&replies, &address), reply;
	struct scratch *s = space(SPACE_PROBE);
	struct sk_buff *skb;
	struct reset *r;

	if (!found || !s)
		return 0;
	reply = *found;
	bpf_map_delete_elem(&replies, &address);
	skb = SKB(address);
	r = begin(s, RESET_REPLY);
	r->skb = address;
	r->reason = reply.reason;
	answer(s, skb);
	packet_place(r, skb);
	if (reply.sk) {
		socket_place(r, reply.sk);
		state_before(r, reply.sk);
	}
	conntrack_word(s, skb, r->answered.seq, keeps_connections(r->family));
	return finish(ctx, s, true);
}

/* ip_send_unicast_reply(…, skb, …, arg, …): also of acknowledgements */
SEC("kprobe")
int at_v4_sent(struct pt_regs *ctx)
{
	u64 tcp = (u64)LOAD(struct ip_reply_arg, VALUE(reply_arg), iov[0].iov_base);

	if (!(load_u32(tcp + 12) >> 8 & TCPHDR_RST))
		return 0;
	return reply_sent(ctx, VALUE(reply_skb));
}

/* tcp_v6_send_response(sk, skb, …, rst, …): likewise */
SEC("kprobe")
int at_v6_sent(struct pt_regs *ctx)
{
	if (!(u32)VALUE(response_rst))
		return 0;
	return reply_sent(ctx, PT_REGS_PARM2(ctx));
}

/* The ends of a connection; the reset comes from the socket itself, or to it. */
static __always_inline void socket_ends(struct reset *r, u64 sk, bool comes)
{
	/* skc_num is given back when a socket is closed */
	u16 local = bpf_ntohs(LOAD(struct inet_sock, sk, inet_sport));
	u16 remote = bpf_ntohs(LOAD(struct sock, sk, __sk_common.skc_dport));
	u64 at = bpf_core_field_offset(struct sock, __sk_common.skc_v6_daddr);
	struct sock *v6 = 0;

	r->source = local;
	r->destination = remote;
	r->family = LOAD(struct sock, sk, __sk_common.skc_family);
	if (r->family == AF_INET6 && bpf_core_field_exists(v6->__sk_common.skc_v6_daddr)) {
		u64 from = bpf_core_field_offset(struct sock, __sk_common.skc_v6_rcv_saddr);
		u32 *words = (u32 *)r->destination_address;

		bpf_probe_read_kernel(r->source_address, 16, (void *)(sk + from));
		bpf_probe_read_kernel(r->destination_address, 16, (void *)(sk + at));
		/* IPv4 by a socket of IPv6: ::ffff:a.b.c.d */
		if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff))
			r->family = AF_INET;
	}
	if (r->family == AF_INET) {
		*(u64 *)r->source_address = LOAD(struct sock, sk, __sk_common.skc_rcv_saddr);
		*(u64 *)r->destination_address = LOAD(struct sock, sk, __sk_common.skc_daddr);
		((u64 *)r->source_address)[1] = ((u64 *)r->destination_address)[1] = 0;
	}
	if (comes)
		reverse(r);
}

/* tcp_send_active_reset(sk, priority, reason) */
SEC("kprobe")
int at_active(struct pt_regs *ctx)
{
	struct scratch *s = space(SPACE_PROBE);
	u64 sk = PT_REGS_PARM1(ctx);
	u32 next, end;
	struct reset *r;

	if (!s)
		return 0;
	r = begin(s, RESET_ACTIVE);
	if (cfg.active_reason.kind)
		r->reason = VALUE(active_reason);
	socket_place(r, sk);
	socket_ends(r, sk, false);
	state_before(r, sk);
	/* tcp_acceptable_seq(): inside of the peer's window */
	next = LOAD(struct tcp_sock, sk, snd_nxt);
	end = LOAD(struct tcp_sock, sk, snd_una) + LOAD(struct tcp_sock, sk, snd_wnd);
	r->reset.flags = TCPHDR_RST | TCPHDR_ACK;
	if ((s32)(end - next) < 0)
		r->reset.flags |= SEQ_UNKNOWN;
	r->reset.seq = next;
	r->reset.ack = LOAD(struct tcp_sock, sk, rcv_nxt);
	return finish(ctx, s, true);
}

/* sock:inet_sock_set_state: a socket is closed before its reset is sent */
SEC("tracepoint")
int at_state(struct trace_event_raw_inet_sock_set_state *event)
{
	u64 sk = (u64)event->skaddr;
	u32 old = event->oldstate;

	if (event->newstate == TCP_CLOSE && old != TCP_CLOSE)
		bpf_map_update_elem(&closed, &sk, &old, 0);
	return 0;
}

/* tcp_reset(sk, skb); without the packet until 5.11: "tcp: parse mptcp options
 * contained in reset packets" */
SEC("kprobe")
int at_accepted(struct pt_regs *ctx)
{
	struct scratch *s = space(SPACE_PROBE);
	u64 sk = PT_REGS_PARM1(ctx), skb;
	struct reset *r;

	if (!s)
		return 0;
	r = begin(s, RESET_ACCEPTED);
	socket_place(r, sk);
	socket_ends(r, sk, true);
	r->reset.flags = TCPHDR_RST;
	if (cfg.accepted_skb.kind) {
		skb = VALUE(accepted_skb);
		r->skb = skb;
		/* data for a closed socket ends it in the same way */
		if (!read_segment(s, SKB(skb), &r->reset) || !(r->reset.flags & TCPHDR_RST))
			return 0;
	} else {
		r->reset.flags |= SEQ_UNKNOWN;
	}
	return finish(ctx, s, true);
}

static __always_inline int passes(void *ctx, u64 address, u32 kind, u32 which, bool v6)
{
	struct scratch *s = space(which);
	struct sk_buff *skb = SKB(address);
	struct reset *r;
	u32 at;

	if (!s)
		return 0;
	if (kind == RESET_ARRIVED && v6)
		learn_v6_keeps(skb);
	/* most are none: look at the flags alone */
	if (kind == RESET_ARRIVED) {
		at = READ(skb, transport_header) + 12;
		if (!(load_u32((u64)READ(skb, head) + at) >> 8 & TCPHDR_RST))
			return 0;
	}
	r = begin(s, kind);
	if (!read_segment(s, skb, &r->reset) || !(r->reset.flags & TCPHDR_RST))
		return 0;
	r->skb = address;
	packet_place(r, skb);
	return finish(ctx, s, which == SPACE_PROBE);
}

#define PASSES(name, kind, v6)                                                           \
	SEC("kprobe")                                                                     \
	int name##_kprobe(struct pt_regs *ctx)                                            \
	{                                                                                 \
		return passes(ctx, PT_REGS_PARM1(ctx), kind, SPACE_PROBE, v6);            \
	}                                                                                 \
	SEC("fentry")                                                                     \
	int name##_fentry(u64 *ctx)                                                       \
	{                                                                                 \
		return passes(ctx, ctx[0], kind, SPACE_ENTRY, v6);                        \
	}

PASSES(at_v4_arrival, RESET_ARRIVED, false) /* tcp_v4_rcv(skb) */
PASSES(at_v6_arrival, RESET_ARRIVED, true) /* tcp_v6_rcv(skb) */
PASSES(at_v4_forward, RESET_FORWARDED, false) /* ip_forward(skb) */
PASSES(at_v6_forward, RESET_FORWARDED, true) /* ip6_forward(skb) */

/* include/linux/socket.h, include/linux/net.h */
#define AF_PACKET 17
#define SOCK_RAW 3

/* Where a forged packet was first seen: it may pass several devices. */
struct forged {
	u64 sk;
	u64 time;
	u32 seq;
	u32 ifindex;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct forged);
} forgeries SEC(".maps");
#define ONE_PASSAGE_NS 10000000

/* A program's own socket that sends whole packets; TCP's own has no file. */
static __always_inline bool forges(u64 sk)
{
	u16 family = LOAD(struct sock, sk, __sk_common.skc_family);
	u8 state = LOAD(struct sock, sk, __sk_common.skc_state);
	u64 socket;

	if (family == AF_PACKET)
		return true;
	if ((family != AF_INET && family != AF_INET6) || state == TCP_TIME_WAIT ||
	    state == TCP_NEW_SYN_RECV || LOAD(struct sock, sk, sk_type) != SOCK_RAW)
		return false;
	socket = (u64)LOAD(struct sock, sk, sk_socket);
	return socket && LOAD(struct socket, socket, file);
}

/* net:net_dev_queue, softirqs being off; another program cannot interrupt it */
SEC("tp_btf/net_dev_queue")
int at_queue(u64 *ctx)
{
	struct scratch *s = space(SPACE_ENTRY);
	u64 address = ctx[0];
	struct sk_buff *skb = SKB(address);
	u64 sk = (u64)READ(skb, sk);
	struct forged now = {}, *before;
	struct reset *r;

	if (!s || !sk || !forges(sk))
		return 0;
	r = begin(s, RESET_FORGED);
	if (!read_segment(s, skb, &r->reset) || !(r->reset.flags & TCPHDR_RST))
		return 0;
	r->skb = address;
	packet_place(r, skb);
	r->inode = inode_of((void *)sk);
	now.sk = sk;
	now.time = bpf_ktime_get_ns();
	now.seq = r->reset.seq;
	now.ifindex = r->ifindex;
	before = bpf_map_lookup_elem(&forgeries, &address);
	if (before && before->sk == sk && before->seq == now.seq &&
	    before->ifindex != now.ifindex && now.time - before->time < ONE_PASSAGE_NS)
		return 0;
	bpf_map_update_elem(&forgeries, &address, &now, 0);
	return finish(ctx, s, false);
}
