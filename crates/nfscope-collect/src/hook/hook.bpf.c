// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which hook function dropped a packet. One place in nf_hook_slow is reached
 * only by packets that a hook function said NF_DROP for; the function stands in
 * the table of hooks, at the number that the loop had come to.
 */
#include "../bpf/kernel.h"
#include "../bpf/registers.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct config {
	struct value_at skb;
	struct value_at entries; /* struct nf_hook_entries */
	struct value_at index; /* 32 bits */
	u32 hooks; /* nf_hook_entries.hooks */
	u32 entry_size; /* of nf_hook_entry */
	u32 hook; /* nf_hook_entry.hook */
	u32 unused;
};
const volatile struct config cfg = {};

struct said_so {
	u64 skb;
	u64 function;
	u64 time; /* CLOCK_MONOTONIC, ns */
	u64 check; /* the three, combined by exclusive or: the line is whole */
};

/* Read as memory, so no hash table: a line by the packet's address; what was
 * there before gives way. */
#define LINES_BITS 12
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << LINES_BITS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct said_so);
} hook_drops SEC(".maps");

#define AT(what) value_at(ctx, cfg.what.kind, cfg.what.offset)

SEC("kprobe")
int at_hook_drop(struct pt_regs *ctx)
{
	u64 skb = AT(skb), entry;
	u32 line = skb * 0x9e3779b97f4a7c15 >> (64 - LINES_BITS);
	struct said_so said = { .skb = skb, .time = bpf_ktime_get_ns() };

	entry = AT(entries) + cfg.hooks + (u64)(u32)AT(index) * cfg.entry_size;
	bpf_probe_read_kernel(&said.function, sizeof(said.function), (void *)(entry + cfg.hook));
	said.check = said.skb ^ said.function ^ said.time;
	bpf_map_update_elem(&hook_drops, &line, &said, 0);
	return 0;
}
