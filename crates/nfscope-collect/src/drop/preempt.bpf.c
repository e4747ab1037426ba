// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether other tasks can interrupt a tracepoint's programs (since about 7.0).
 * Seen once it is proven: nothing around the program disables preemption.
 */
#include "../bpf/kernel.h"
#include "../bpf/compat.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

u64 interruptible = 0;

/* One more program on the tracepoint. */
SEC("tp_btf/kfree_skb")
int stand_by(void *ctx)
{
	return 0;
}

SEC("tp_btf/kfree_skb")
int see_kfree_skb(void *ctx)
{
	int count = preempt_count_now();

	if (IN_PROCESS(count) && PREEMPTIBLE(count))
		interruptible = 1;
	return 0;
}
