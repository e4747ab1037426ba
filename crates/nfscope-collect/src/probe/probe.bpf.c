// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads fields at a function, an instruction or a tracepoint, and tells or counts
 * them. What is read, and of which events, is in two functions that are put into
 * this object before it is loaded. Places that need other functions have a copy
 * of the object each; the copies share the maps.
 */
#include "probe.h"

#include "../bpf/bare.h"
#include "../bpf/context.h"
#include "../bpf/registers.h"
#include <bpf/bpf_tracing.h>

const volatile struct config cfg = {};

#include <packet_filter.h>

#include "../bpf/wanted.h"
#include "stubs.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct totals);
} all SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, KEY_BYTES);
	__uint(value_size, 8);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} buckets SEC(".maps");

/*
 * Calls that have not returned, by where the function's return address is on the
 * stack: no two of one function share it.
 */
struct call {
	u64 stack;
	u64 group;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct call);
	__type(value, struct record);
} calls SEC(".maps");

/* What a call has put on the stack, and a return taken off. */
#if defined(__TARGET_ARCH_arm64)
#define RETURN_ADDRESS 0
#else
#define RETURN_ADDRESS 8
#endif

/* include/uapi/linux/bpf.h */
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define ADD(what) __sync_fetch_and_add(&totals->what, 1)

static __always_inline u32 bucket(u64 value)
{
	u32 index = 1, below = 0;

	if (!value)
		return 0;
	if (cfg.signed_value && (s64)value < 0) {
		value = -value;
		below = 64;
	}
#pragma unroll
	for (u32 bits = 32; bits; bits >>= 1) {
		if (value >> bits) {
			value >>= bits;
			index += bits;
		}
	}
	return index + below;
}

static __always_inline void count(struct record *r, struct totals *totals)
{
	u64 one = 1, *found;

	/* the latency is no part of the key */
	*(u64 *)(r->bytes + 8) = 0;
	found = bpf_map_lookup_elem(&counts, r->bytes);
	if (!found) {
		if (!bpf_map_update_elem(&counts, r->bytes, &one, BPF_NOEXIST))
			return;
		/* another CPU was faster, or there is no room */
		found = bpf_map_lookup_elem(&counts, r->bytes);
	}
	if (found)
		__sync_fetch_and_add(found, 1);
	else
		ADD(uncounted);
}

static __always_inline void measure(struct record *r, struct totals *totals)
{
	u64 *found;
	u32 index;

	if (*(u64 *)r->bytes & 1) {
		ADD(unread_values);
		return;
	}
	index = bucket(*(u64 *)(r->bytes + HEAD_BYTES));
	found = bpf_map_lookup_elem(&buckets, &index);
	if (found)
		__sync_fetch_and_add(found, 1);
}

static __always_inline void tell(struct record *r, struct totals *totals)
{
	u64 size = __builtin_offsetof(struct record, bytes) + cfg.data_bytes;

	ADD(events);
	if (cfg.mode == MODE_COUNTS) {
		count(r, totals);
	} else if (cfg.mode == MODE_HISTOGRAM) {
		measure(r, totals);
	} else {
		if (cfg.stack_on)
			size += STACK_FRAMES * 8;
		if (size <= sizeof(*r) && bpf_ringbuf_output(&ring, r, size, 0))
			ADD(ring);
	}
}

/* Reads what there is at the entry; 0: the event is not wanted. */
static __always_inline struct record *
begin(void *ctx, u64 address, u64 skb, bool probe, struct totals *totals)
{
	struct record *r;
	u32 zero = 0;
	int answer;

	r = bpf_map_lookup_elem(&records, &zero);
	if (!r)
		return 0;
	if (cfg.filter_on && (!skb || !wanted(POINTER(struct sk_buff, KERNEL_SK_BUFF, skb))))
		return 0;
	*(u64 *)(r->bytes + 8) = 0;
	answer = entry_fields(ctx, r->bytes);
	if (answer == ANSWER_UNREAD)
		ADD(unread);
	if (answer != ANSWER_YES)
		return 0;
	r->time = bpf_ktime_get_ns();
	r->address = address;
	r->latency = 0;
	r->group = cfg.group;
	r->cpu = bpf_get_smp_processor_id();
	r->context = context_now(cfg.context_known, probe);
	r->pid = bpf_get_current_pid_tgid() >> 32;
	r->tid = bpf_get_current_pid_tgid();
	bpf_get_current_comm(r->command, sizeof(r->command));
	r->stack_bytes = 0;
	if (cfg.stack_on)
		r->stack_bytes = bpf_get_stack(ctx, r->bytes + (cfg.data_bytes & (DATA_BYTES * 2 - 1)),
					       STACK_FRAMES * 8, 0);
	return r;
}

static __always_inline int at(void *ctx, u64 address, u64 skb, u64 stack, bool probe)
{
	struct call call = { .stack = stack, .group = cfg.group };
	struct totals *totals;
	struct record *r;
	u32 zero = 0;

	totals = bpf_map_lookup_elem(&all, &zero);
	if (!totals)
		return 0;
	r = begin(ctx, address, skb, probe, totals);
	if (!cfg.returns) {
		if (r)
			tell(r, totals);
		return 0;
	}
	/* of a call that stood there and was never seen to return nothing may be left */
	if (!bpf_map_delete_elem(&calls, &call))
		ADD(calls);
	if (r && bpf_map_update_elem(&calls, &call, r, BPF_ANY))
		ADD(calls);
	return 0;
}

static __always_inline int probe(struct pt_regs *ctx)
{
	u64 skb = cfg.skb_at == NOWHERE ? 0 : register_at(ctx, cfg.skb_at);

	return at(ctx, PT_REGS_IP(ctx), skb, PT_REGS_SP(ctx), true);
}

SEC("kprobe")
int at_probe(struct pt_regs *ctx)
{
	return probe(ctx);
}

/* 5.18, "bpf: Add multi kprobe link" */
SEC("kprobe.multi")
int at_many(struct pt_regs *ctx)
{
	return probe(ctx);
}

SEC("kretprobe")
int at_return(struct pt_regs *ctx)
{
	struct call call = { .stack = PT_REGS_SP(ctx) - RETURN_ADDRESS, .group = cfg.group };
	struct totals *totals;
	struct record *r;
	u32 zero = 0;
	int answer;

	totals = bpf_map_lookup_elem(&all, &zero);
	r = bpf_map_lookup_elem(&calls, &call);
	if (!totals || !r)
		return 0;
	r->latency = bpf_ktime_get_ns() - r->time;
	*(u64 *)(r->bytes + 8) = r->latency;
	answer = return_fields(ctx, r->bytes);
	if (answer == ANSWER_UNREAD)
		ADD(unread);
	if (answer == ANSWER_YES)
		tell(r, totals);
	bpf_map_delete_elem(&calls, &call);
	return 0;
}

SEC("tracepoint")
int at_tracepoint(void *ctx)
{
	u64 skb = 0;

	if (cfg.skb_at != NOWHERE)
		bpf_probe_read_kernel(&skb, sizeof(skb), ctx + cfg.skb_at);
	return at(ctx, 0, skb, 0, false);
}
