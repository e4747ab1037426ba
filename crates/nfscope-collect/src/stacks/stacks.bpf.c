// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts the stacks with which the kernel comes to a place. Nothing is sent:
 * user space reads the maps when it is done. Targets that have the packet at
 * different places have a copy of this object each; the copies share the maps.
 */
#include "stacks.h"

#include "../bpf/bare.h"
#include "../bpf/context.h"
#include "../bpf/packet.h"
#include "../bpf/netns.h"
#include "../bpf/registers.h"

const volatile struct config cfg = {};

#include <packet_filter.h>

#include "../bpf/wanted.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The kernel keeps a stack in the one slot that its hash names, and refuses
 * another of that slot. The next map takes it then: what would be lost to
 * chance in one map has four places.
 */
#define STACK_MAP(name)                                                        \
	struct {                                                               \
		__uint(type, BPF_MAP_TYPE_STACK_TRACE);                        \
		__uint(max_entries, 1);                                        \
		__uint(key_size, 4);                                           \
		__uint(value_size, 8);                                         \
	} name SEC(".maps")
STACK_MAP(stacks_0);
STACK_MAP(stacks_1);
STACK_MAP(stacks_2);
STACK_MAP(stacks_3);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct key);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct totals);
} all SEC(".maps");

/* include/uapi/linux/bpf.h */
#define BPF_F_USER_STACK (1ULL << 8)
#define BPF_NOEXIST 1
/* include/uapi/asm-generic/errno-base.h */
#define EEXIST 17

static __always_inline s32 keep_stack(void *ctx, u64 flags, struct totals *totals)
{
	s32 id = bpf_get_stackid(ctx, &stacks_0, flags);

	if (id >= 0)
		return id;
	if (id == -EEXIST) {
		id = bpf_get_stackid(ctx, &stacks_1, flags);
		if (id >= 0)
			return id | 1 << STACK_MAP_SHIFT;
	}
	if (id == -EEXIST) {
		id = bpf_get_stackid(ctx, &stacks_2, flags);
		if (id >= 0)
			return id | 2 << STACK_MAP_SHIFT;
	}
	if (id == -EEXIST) {
		id = bpf_get_stackid(ctx, &stacks_3, flags);
		if (id >= 0)
			return id | 3 << STACK_MAP_SHIFT;
	}
	if (id == -EEXIST) {
		__sync_fetch_and_add(&totals->unkept, 1);
		return STACK_UNKEPT;
	}
	return STACK_NONE;
}

static __always_inline int count(void *ctx, u64 address, u32 reason, bool probe)
{
	struct key key = {};
	struct totals *totals;
	u32 zero = 0;
	u64 one = 1, *found;

	totals = bpf_map_lookup_elem(&all, &zero);
	if (!totals || (cfg.limit && totals->events >= cfg.limit))
		return 0;
	if (cfg.filter_on || cfg.by_netns) {
		struct sk_buff *skb = POINTER(struct sk_buff, KERNEL_SK_BUFF, address);

		if (cfg.filter_on && (!address || !wanted(skb)))
			return 0;
		if (cfg.by_netns && address)
			key.netns = netns_of_packet(skb);
	}
	__sync_fetch_and_add(&totals->events, 1);
	if (cfg.by_reason)
		key.reason = reason;
	if (cfg.by_cpu)
		key.cpu = bpf_get_smp_processor_id();
	key.user_stack = STACK_NONE;
	if (cfg.by_process || cfg.user_on)
		key.context = context_now(cfg.context_known, probe);
	if (key.context == CONTEXT_PROCESS) {
		key.pid = bpf_get_current_pid_tgid() >> 32;
		if (cfg.by_process)
			bpf_get_current_comm(key.command, sizeof(key.command));
		if (cfg.user_on)
			key.user_stack = keep_stack(ctx, BPF_F_USER_STACK, totals);
	}
	key.kernel_stack = keep_stack(ctx, 0, totals);
	found = bpf_map_lookup_elem(&counts, &key);
	if (!found) {
		if (!bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST))
			return 0;
		/* another CPU was faster, or there is no room */
		found = bpf_map_lookup_elem(&counts, &key);
	}
	if (found)
		__sync_fetch_and_add(found, 1);
	else
		__sync_fetch_and_add(&totals->uncounted, 1);
	return 0;
}

static __always_inline int count_probe(struct pt_regs *ctx)
{
	u64 skb = cfg.skb_at == NOWHERE ? 0 : register_at(ctx, cfg.skb_at);
	u32 reason = cfg.reason_at == NOWHERE ? NOWHERE : register_at(ctx, cfg.reason_at);

	return count(ctx, skb, reason, true);
}

SEC("kprobe")
int at_probe(struct pt_regs *ctx)
{
	return count_probe(ctx);
}

/* 5.18, "bpf: Add multi kprobe link" */
SEC("kprobe.multi")
int at_many(struct pt_regs *ctx)
{
	return count_probe(ctx);
}

SEC("tracepoint")
int at_tracepoint(void *ctx)
{
	u64 skb = 0;
	u32 reason = NOWHERE;

	if (cfg.skb_at != NOWHERE)
		bpf_probe_read_kernel(&skb, sizeof(skb), ctx + cfg.skb_at);
	if (cfg.reason_at != NOWHERE)
		bpf_probe_read_kernel(&reason, sizeof(reason), ctx + cfg.reason_at);
	return count(ctx, skb, reason, false);
}
