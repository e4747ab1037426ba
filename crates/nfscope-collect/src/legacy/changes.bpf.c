// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts the tables that x_tables replaces: whoever reads a table knows by that
 * whether it is the one that a packet met.
 */
#include "../bpf/kernel.h"
#include "changes.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* xt_replace_table(table, num_counters, newinfo, error) */
SEC("kprobe")
int at_replace(struct pt_regs *ctx)
{
	struct table_changes *c = table_changes();

	if (c)
		__sync_fetch_and_add(&c->begun, 1);
	return 0;
}

SEC("kretprobe")
int at_replaced(struct pt_regs *ctx)
{
	struct table_changes *c = table_changes();

	if (c)
		__sync_fetch_and_add(&c->done, 1);
	return 0;
}
