// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether other tasks can interrupt a tracepoint's programs (since about 7.0),
 * and those at functions' entries (where the kernel preempts). Seen once it is
 * proven: nothing around the program disables preemption.
 */
#include "../bpf/kernel.h"
#include "../bpf/compat.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A tracepoint's programs; those at entries. */
u64 interruptible[2] = {};

/* One more program on the tracepoint. */
SEC("tp_btf/kfree_skb")
int stand_by(void *ctx)
{
	return 0;
}

static __always_inline void see(u64 *what)
{
	int count = preempt_count_now();

	if (IN_PROCESS(count) && PREEMPTIBLE(count))
		*what = 1;
}

SEC("tp_btf/kfree_skb")
int see_kfree_skb(void *ctx)
{
	see(&interruptible[0]);
	return 0;
}

SEC("fentry/skb_release_head_state")
int see_release(void *ctx)
{
	see(&interruptible[1]);
	return 0;
}
