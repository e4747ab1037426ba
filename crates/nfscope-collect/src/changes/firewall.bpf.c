// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells who asks the kernel to change its firewalls, or reads them: requests over
 * netfilter's netlink, by setsockopt and getsockopt, and sysctls that are written.
 * All functions are of the kernel proper, so that nothing need be loaded yet.
 */
#include "changes.h"

#include "../bpf/bare.h"
#include "sysctl.h"
#include "who.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

const volatile struct config cfg = {};

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* collector.rs reads it as words */
struct {
	u64 lost; /* the ring was full */
	u64 own; /* tgid of nfscope, whose requests and whose children's are not told */
} state;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record);
} scratches SEC(".maps");

/* nfscope runs it itself, once: in its own pid namespace it may have another number. */
SEC("raw_tp")
int at_start(void *ctx)
{
	state.own = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

/* A thread's request that has not returned. */
struct pending {
	u64 number;
	u64 stack; /* the stack pointer where it began */
	s32 error; /* the first that the kernel told it */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct pending);
} requests SEC(".maps");

/* include/uapi/linux/netlink.h, include/uapi/linux/netfilter/nfnetlink.h */
#define NETLINK_NETFILTER 12
#define NLMSG_ERROR 2
#define NFNL_MSG_BATCH_BEGIN 0x10
#define NFNL_SUBSYS_CTNETLINK 1
#define NFNL_SUBSYS_CTNETLINK_EXP 2
#define NFNL_SUBSYS_IPSET 6
#define NFNL_SUBSYS_NFTABLES 10

/* struct nlmsghdr and struct nfgenmsg behind it, or an error's number */
struct message {
	u32 length;
	u16 type;
	u16 flags;
	u32 sequence;
	u32 port;
	union {
		s32 error;
		struct {
			u8 family, version;
			__be16 resource;
		};
	};
};

/* Bytes of a batch that are kept: its rules are told when they are in force. */
#define BATCH_DATA 64

/* Whether it changes something: 1; whether it reads: 0; else: -1. */
static __always_inline int changes(const struct message *m)
{
	u32 number = m->type & 0xff;

	if (m->type == NFNL_MSG_BATCH_BEGIN)
		return m->resource == bpf_htons(NFNL_SUBSYS_NFTABLES) ? 1 : -1;
	switch (m->type >> 8) {
	case NFNL_SUBSYS_NFTABLES:
		return 0; /* changes come in batches */
	case NFNL_SUBSYS_CTNETLINK:
	case NFNL_SUBSYS_CTNETLINK_EXP: /* NEW, GET, DELETE */
		return number == 0 || number == 2 ? 1 : number == 1 ? 0 : -1;
	case NFNL_SUBSYS_IPSET: /* CREATE to SWAP; LIST, SAVE; ADD, DEL */
		return (number >= 2 && number <= 6) || number == 9 || number == 10 ? 1 :
		       number == 7 || number == 8				   ? 0 :
										     -1;
	}
	return -1;
}

/* So many messages of one request are looked at. */
#define MESSAGES 16

/*
 * The same of all messages that are sent at once; more than are looked at may change
 * something.
 */
static __always_inline int all_change(const struct message *first, const u8 *data,
				      u64 length)
{
	struct message m = *first;
	int found = changes(&m), i;

	for (i = 1; i < MESSAGES && found <= 0; i++) {
		u64 whole = ((u64)m.length + 3) & ~3ull;
		int one;

		/* as the kernel, which leaves the rest alone */
		if (m.length < 16 || whole + 16 > length)
			return found;
		data += whole;
		length -= whole;
		if (bpf_probe_read_kernel(&m, sizeof(m), data))
			return found;
		one = changes(&m);
		if (one > found)
			found = one;
	}
	return found > 0 ? found : 1;
}

static __always_inline struct record *begin(u32 kind, u32 netns)
{
	u32 zero = 0;
	struct record *r = bpf_map_lookup_elem(&scratches, &zero);

	if (!r)
		return 0;
	r->head.time = bpf_ktime_get_ns();
	/* each CPU counts its own, in numbers that no other has */
	if (!r->head.number)
		r->head.number = (u64)bpf_get_smp_processor_id() << 40;
	r->head.number++;
	r->head.kind = kind;
	r->head.netns = netns;
	r->head.value = 0;
	r->head.family = 0;
	r->head.data = 0;
	r->head.data_whole = 0;
	fill_who(r);
	return r;
}

/* The request is under way; its result will follow. */
static __always_inline void tell(struct pt_regs *ctx, struct record *r)
{
	struct pending p = { .number = r->head.number, .stack = PT_REGS_SP(ctx) };
	u64 id = bpf_get_current_pid_tgid();
	u64 length = at_most(r->head.data, DATA);

	bpf_map_update_elem(&requests, &id, &p, 0);
	if (bpf_ringbuf_output(&ring, r, sizeof(r->head) + COMMAND_LINE + length, 0))
		__sync_fetch_and_add(&state.lost, 1);
}

/*
 * Whether it is the request's own return and not that of a call inside of it, an
 * answer's: those are further down the stack. They are not counted, since 5.10 has
 * room for one return a CPU, and then misses the inner ones. Nor is it that of a
 * later call from elsewhere, where its own was missed: those are further up.
 */
static __always_inline bool has_returned(struct pt_regs *ctx, struct pending *p)
{
	/* the return address is gone from the stack, on x86 */
	return (u64)PT_REGS_SP(ctx) - p->stack <= 2 * sizeof(u64);
}

static __always_inline int tell_result(u64 id, struct pending *p, s32 result)
{
	struct request r = {
		.time = bpf_ktime_get_ns(),
		.number = p->number,
		.kind = REQUEST_RESULT,
		.value = result,
	};

	bpf_map_delete_elem(&requests, &id);
	if (bpf_ringbuf_output(&ring, &r, sizeof(r), 0))
		__sync_fetch_and_add(&state.lost, 1);
	return 0;
}

/* netlink_unicast(ssk, skb, portid, nonblock), to the kernel or from it */
SEC("kprobe")
int at_netlink(struct pt_regs *ctx)
{
	struct sock *sk = (void *)PT_REGS_PARM1(ctx);
	struct sk_buff *skb = (void *)PT_REGS_PARM2(ctx);
	u64 id = bpf_get_current_pid_tgid();
	struct pending *p = bpf_map_lookup_elem(&requests, &id);
	bool answers = (u32)PT_REGS_PARM3(ctx);
	struct message m = {};
	struct record *r;
	u64 length;
	int kind;

	if (BPF_CORE_READ(sk, sk_protocol) != NETLINK_NETFILTER || (answers && !p))
		return 0;
	bpf_probe_read_kernel(&m, sizeof(m), BPF_CORE_READ(skb, data));
	if (answers) {
		if (m.type == NLMSG_ERROR && !p->error)
			p->error = m.error;
		return 0;
	}
	length = BPF_CORE_READ(skb, len);
	kind = all_change(&m, BPF_CORE_READ(skb, data), length);
	if (kind < 0 || (!kind && !cfg.reads) || is_own(state.own))
		return 0;
	r = begin(REQUEST_NETLINK, BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum));
	if (!r)
		return 0;
	r->head.data_whole = length;
	length = at_most(length, m.type == NFNL_MSG_BATCH_BEGIN ? BATCH_DATA : DATA);
	if (bpf_probe_read_kernel(r->data, length, BPF_CORE_READ(skb, data)) == 0)
		r->head.data = length;
	tell(ctx, r);
	return 0;
}

SEC("kretprobe")
int at_netlink_return(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct pending *p = bpf_map_lookup_elem(&requests, &id);

	return p && has_returned(ctx, p) ? tell_result(id, p, p->error) : 0;
}

/* include/uapi/linux/netfilter_ipv4/ip_tables.h, .../netfilter_ipv6/ip6_tables.h,
 * .../netfilter_arp/arp_tables.h, .../netfilter_bridge/ebtables.h: replace,
 * add counters; of IPv6's only the first. */
#define PF_INET 2
#define PF_INET6 10
#define IPT_BASE_CTL 64
#define ARPT_BASE_CTL 96
#define EBT_BASE_CTL 128

static __always_inline bool is_table(u32 family, u32 option)
{
	if (option - IPT_BASE_CTL < 2)
		return family == PF_INET || family == PF_INET6;
	return family == PF_INET &&
	       (option - ARPT_BASE_CTL < 2 || option - EBT_BASE_CTL < 2);
}

/* Bytes of struct ipt_replace, ebt_replace, ipt_get_entries that are kept. */
#define OPTION_DATA 96

static __always_inline int option(struct pt_regs *ctx, u32 kind, bool in_kernel)
{
	struct sock *sk = (void *)PT_REGS_PARM1(ctx);
	u32 family = (u8)PT_REGS_PARM2(ctx), number = PT_REGS_PARM3(ctx);
	struct record *r;
	long failed;

	if (!is_table(family, number) || is_own(state.own))
		return 0;
	r = begin(kind, BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum));
	if (!r)
		return 0;
	r->head.value = number;
	r->head.family = family;
	failed = in_kernel ?
		 bpf_probe_read_kernel(r->data, OPTION_DATA, (void *)PT_REGS_PARM4(ctx)) :
		 bpf_probe_read_user(r->data, OPTION_DATA, (void *)PT_REGS_PARM4(ctx));
	r->head.data_whole = OPTION_DATA;
	r->head.data = failed ? 0 : OPTION_DATA;
	tell(ctx, r);
	return 0;
}

/* nf_setsockopt(sk, pf, val, opt, len); opt is a sockptr_t: a pointer and, in the
 * next register, whether it is the kernel's */
SEC("kprobe")
int at_setsockopt(struct pt_regs *ctx)
{
	return option(ctx, REQUEST_SET, PT_REGS_PARM5(ctx) & 1);
}

/* nf_getsockopt(sk, pf, val, opt, len): opt is the process's */
SEC("kprobe")
int at_getsockopt(struct pt_regs *ctx)
{
	return option(ctx, REQUEST_GET, false);
}

/* proc_sys_write(iocb, iter) */
SEC("kprobe")
int at_sysctl(struct pt_regs *ctx)
{
	struct record *r;

	if (is_own(state.own))
		return 0;
	r = begin(REQUEST_SYSCTL, BPF_CORE_READ(current_task(), nsproxy, net_ns, ns.inum));
	if (!r)
		return 0;
	fill_sysctl(r, (void *)PT_REGS_PARM1(ctx), (void *)PT_REGS_PARM2(ctx));
	tell(ctx, r);
	return 0;
}

/* of any of the three: what is not negative went well */
SEC("kretprobe")
int at_call_return(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct pending *p = bpf_map_lookup_elem(&requests, &id);
	s64 result = PT_REGS_RC(ctx);

	/* nf_setsockopt returns an int, proc_sys_write a long */
	if (result > 0x7fffffff)
		result = (s32)result;
	return p && has_returned(ctx, p) ? tell_result(id, p, result < 0 ? result : 0) : 0;
}
