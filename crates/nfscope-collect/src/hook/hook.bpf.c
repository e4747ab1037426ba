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
	u64 function;
	u64 time; /* CLOCK_MONOTONIC, ns */
};

/* By skb; the oldest gives way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, u64);
	__type(value, struct said_so);
} hook_drops SEC(".maps");

#define AT(what) value_at(ctx, cfg.what.kind, cfg.what.offset)

SEC("kprobe")
int at_hook_drop(struct pt_regs *ctx)
{
	u64 skb = AT(skb), entry;
	struct said_so said = { .time = bpf_ktime_get_ns() };

	entry = AT(entries) + cfg.hooks + (u64)(u32)AT(index) * cfg.entry_size;
	bpf_probe_read_kernel(&said.function, sizeof(said.function), (void *)(entry + cfg.hook));
	bpf_map_update_elem(&hook_drops, &skb, &said, 0);
	return 0;
}
