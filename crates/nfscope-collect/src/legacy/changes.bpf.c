// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts the tables that x_tables replaces: whoever reads a table knows by that
 * whether it is the one that a packet met.
 */
#include "../bpf/kernel.h"
#include "changes.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The tasks that are replacing a table. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} replacing SEC(".maps");

#define BPF_NOEXIST 1 /* include/uapi/linux/bpf.h */
#define EXISTS -17 /* EEXIST: an earlier return was not seen, or two probes see one call */

/* xt_replace_table(table, num_counters, newinfo, error) */
SEC("kprobe")
int at_replace(struct pt_regs *ctx)
{
	struct table_changes *c = table_changes();
	u64 task = bpf_get_current_pid_tgid();
	u8 one = 1;

	/* one that has no room stays under way for ever, which is the safe side */
	if (c && bpf_map_update_elem(&replacing, &task, &one, BPF_NOEXIST) != EXISTS)
		__sync_fetch_and_add(&c->begun, 1);
	return 0;
}

SEC("kretprobe")
int at_replaced(struct pt_regs *ctx)
{
	struct table_changes *c = table_changes();
	u64 task = bpf_get_current_pid_tgid();

	if (!c)
		return 0;
	/* it began before this was attached: a change all the same */
	if (bpf_map_delete_elem(&replacing, &task))
		__sync_fetch_and_add(&c->begun, 1);
	__sync_fetch_and_add(&c->done, 1);
	return 0;
}
