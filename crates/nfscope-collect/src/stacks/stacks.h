/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space and the programs of stacks.bpf.c share: the settings
 * (config.rs mirrors them), the counters and the keys (counts.rs reads both).
 */
#ifndef NFSCOPE_STACKS_H
#define NFSCOPE_STACKS_H

#include "../bpf/kernel.h"

#define NOWHERE 0xffffffff /* the target has no such argument */

struct config {
	u64 limit; /* end after so many events; 0: never */
	u32 skb_at; /* where the context has the packet: byte offset, or NOWHERE */
	u32 reason_at; /* the drop reason, likewise */
	u32 by_reason;
	u32 by_process;
	u32 by_cpu;
	u32 by_netns;
	u32 user_on; /* keep user stacks */
	u32 context_known; /* process context can be told from softirq */
	u32 filter_on;
	u32 filter_bytes; /* how much the filter may look at */
	u32 filter_link; /* it looks at MAC addresses */
	u32 filter_tag; /* it looks at VLAN tags */
};

struct totals {
	u64 events; /* what the filter took */
	u64 uncounted; /* of them: no room in the map of counts */
	u64 unkept; /* counted, but a stack had no room */
};

/* A stack's number: which of the maps, and the map's own number. */
#define STACK_MAP_SHIFT 28
#define STACK_NONE (-1)
#define STACK_UNKEPT (-2) /* no room */

struct key {
	s32 kernel_stack;
	s32 user_stack;
	u32 reason;
	u32 cpu;
	u32 netns;
	u32 context; /* enum context of bpf/context.h */
	u32 pid;
	char command[16];
};

#endif
