/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What became of a selected packet outside of nftables: sent, handed to a
 * socket, cloned, freed.
 */
#ifndef NFSCOPE_FATES_H
#define NFSCOPE_FATES_H

#define NO_LOCATION 0

#include "socket.h"

/* A record for the caller to complete and send; `size`: of the whole. */
static __always_inline void *fate_of(u64 size, u64 skb, struct tracked *t, u32 kind)
{
	struct fate *f = reserve(size, t);
	int count;

	if (!f)
		return 0;
	head(&f->head, RECORD_FATE, skb, t);
	f->kind = kind;
	f->reason = 0;
	f->location = 0;
	f->other = f->other_start = 0;
	f->ifindex = f->netns = f->pid = f->in_process = 0;
	f->unused = 0;
	f->callers_size = 0;
	f->device[0] = f->comm[0] = 0;
	count = cfg.context_known ? preempt_count_now() : -1;
	if (IN_PROCESS(count)) {
		f->in_process = PREEMPTIBLE(count) ? IN_PROCESS_PREEMPTIBLE : 1;
		f->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(f->comm, sizeof(f->comm));
	}
	return f;
}

static __always_inline struct fate *fate(u64 skb, struct tracked *t, u32 kind)
{
	return fate_of(sizeof(struct fate), skb, t, kind);
}

static __always_inline void ended(void *ctx, u64 skb, u32 kind, u64 location, u32 reason)
{
	struct tracked *t = find(skb);
	struct fate *f;
	u64 keep;

	if (!t || t->freed)
		return;
	leave_table(skb, t);
	f = fate(skb, t, kind);
	if (f) {
		f->location = location;
		f->reason = reason;
		if (!location)
			f->callers_size = bpf_get_stack(ctx, f->callers, sizeof(f->callers), 0);
		send(f);
	}
	/* a rule that sends or steals the packet says so behind its end */
	keep = t->pkt;
	t->freed = 1;
	if (!keep)
		forget(skb);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_drop, struct sk_buff *skb, void *location)
{
	ended(ctx, (u64)skb, FATE_DROPPED, (u64)location, cfg.has_reason ? ctx[2] : 0);
	return 0;
}

SEC("tp_btf/consume_skb")
int BPF_PROG(on_consume, struct sk_buff *skb)
{
	ended(ctx, (u64)skb, FATE_CONSUMED, cfg.has_place ? ctx[1] : NO_LOCATION, 0);
	return 0;
}

/* Every free but those of packets without state passes here, also those that
 * no tracepoint tells. */
SEC("fentry/skb_release_head_state")
int BPF_PROG(on_release, struct sk_buff *skb)
{
	ended(ctx, (u64)skb, FATE_FREED, NO_LOCATION, 0);
	return 0;
}

static __always_inline void transmitted(u64 skb, struct net_device *dev)
{
	struct tracked *t = find(skb);
	struct fate *f = t && !t->freed ? fate(skb, t, FATE_SENT) : 0;

	if (!f)
		return;
	f->ifindex = device_name((u64)dev, f->device);
	f->netns = LOAD(struct net, LOAD(struct net_device, dev, nd_net.net), ns.inum);
	send(f);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_transmit, struct sk_buff *skb, struct net_device *dev)
{
	transmitted((u64)skb, dev);
	return 0;
}

static __always_inline void delivered(struct sock *sk, u64 skb)
{
	struct tracked *t = find(skb);
	struct delivery *d;

	if (!t || t->freed)
		return;
	d = fate_of(sizeof(*d), skb, t, FATE_DELIVERED);
	if (!d)
		return;
	/* the receiving process is another than the one that is interrupted */
	d->fate.in_process = 0;
	d->fate.netns = LOAD(struct net, LOAD(struct sock, sk, __sk_common.skc_net.net), ns.inum);
	socket_part(&d->socket, sk);
	send(d);
}

/* GRO merged it with another packet: neither a tracepoint nor the function
 * above is passed. */
SEC("fentry/napi_skb_free_stolen_head")
int BPF_PROG(on_stolen_head, struct sk_buff *skb)
{
	ended(ctx, (u64)skb, FATE_FREED, NO_LOCATION, 0);
	return 0;
}

SEC("kprobe/napi_skb_free_stolen_head")
int on_stolen_head_kprobe(struct pt_regs *ctx)
{
	ended(ctx, PT_REGS_PARM1(ctx), FATE_FREED, NO_LOCATION, 0);
	return 0;
}

/*
 * For kernels that let another task interrupt the programs above (since about
 * 7.0): they would be skipped for what that task does. Kprobes and the programs
 * of trace events run without preemption, at a higher price.
 */
SEC("tracepoint/skb/kfree_skb")
int on_drop_event(struct trace_event_raw_kfree_skb *event)
{
	struct trace_event_raw_kfree_skb___reason *with = (void *)event;

	ended(event, (u64)event->skbaddr, FATE_DROPPED, (u64)event->location,
	      cfg.has_reason ? with->reason : 0);
	return 0;
}

SEC("tracepoint/skb/consume_skb")
int on_consume_event(struct trace_event_raw_consume_skb *event)
{
	ended(event, (u64)event->skbaddr, FATE_CONSUMED,
	      cfg.has_place ? (u64)event->location : NO_LOCATION, 0);
	return 0;
}

SEC("tracepoint/net/net_dev_start_xmit")
int on_transmit_event(struct trace_event_raw_net_dev_start_xmit *event)
{
	struct sk_buff *skb = (void *)event->skbaddr;

	if (lost.active)
		transmitted((u64)skb, LOAD(struct sk_buff, skb, dev));
	return 0;
}

SEC("kprobe/skb_release_head_state")
int on_release_kprobe(struct pt_regs *ctx)
{
	ended(ctx, PT_REGS_PARM1(ctx), FATE_FREED, NO_LOCATION, 0);
	return 0;
}

/* Where a packet is handed to its socket: (sk, skb). */
#define DELIVERY(function)                                                         \
	SEC("fentry/" #function)                                                   \
	int BPF_PROG(on_##function, struct sock *sk, struct sk_buff *skb)          \
	{                                                                          \
		delivered(sk, (u64)skb);                                           \
		return 0;                                                          \
	}                                                                          \
	SEC("kprobe/" #function)                                                   \
	int on_##function##_kprobe(struct pt_regs *ctx)                            \
	{                                                                          \
		delivered((struct sock *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));  \
		return 0;                                                          \
	}
DELIVERY(tcp_v4_do_rcv)
DELIVERY(tcp_v6_do_rcv)
DELIVERY(__udp_enqueue_schedule_skb)
DELIVERY(__sock_queue_rcv_skb)

static __always_inline void cloned(u64 skb, u64 clone)
{
	struct tracked *t = find(skb), *twin;
	struct cpu_scratch *c;
	struct fate *f;

	if (!t || t->freed || !clone || !cfg.follow)
		return;
	c = scratch_of_cpu();
	twin = c ? select(clone, &c->blank) : 0;
	/* the table may have been changed in between */
	t = twin ? find(skb) : 0;
	f = t ? fate(skb, t, FATE_CLONED) : 0;
	if (!f)
		return;
	f->other = clone;
	f->other_start = twin->start;
	send(f);
}

/* The copy is what they return, behind their arguments. */
SEC("fexit/skb_clone")
int BPF_PROG(on_skb_clone, struct sk_buff *skb, u32 gfp, struct sk_buff *clone)
{
	cloned((u64)skb, (u64)clone);
	return 0;
}

SEC("fexit/skb_copy")
int BPF_PROG(on_skb_copy, struct sk_buff *skb, u32 gfp, struct sk_buff *copy)
{
	cloned((u64)skb, (u64)copy);
	return 0;
}

SEC("fexit/skb_copy_expand")
int BPF_PROG(on_skb_copy_expand, struct sk_buff *skb, int headroom, int tailroom, u32 gfp,
	     struct sk_buff *copy)
{
	cloned((u64)skb, (u64)copy);
	return 0;
}

SEC("fexit/__pskb_copy_fclone")
int BPF_PROG(on_pskb_copy, struct sk_buff *skb, int headroom, u32 gfp, bool fclone,
	     struct sk_buff *copy)
{
	cloned((u64)skb, (u64)copy);
	return 0;
}

#endif
