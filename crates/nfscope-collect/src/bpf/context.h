/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For whom the CPU works when a program runs.
 */
#ifndef NFSCOPE_CONTEXT_H
#define NFSCOPE_CONTEXT_H

#include "compat.h"

enum context {
	CONTEXT_UNASKED = 0,
	CONTEXT_PROCESS = 1,
	CONTEXT_INTERRUPT = 2, /* the current process has nothing to do with it */
	CONTEXT_UNKNOWN = 3,
};

/*
 * A kprobe that is a breakpoint runs as if in an NMI (x86: irqentry_nmi_enter()
 * adds NMI and hardirq to the count); what was interrupted is what is asked for.
 */
#define AS_IN_NMI 0x110000

/* `known`: the preempt count can be had. */
static __always_inline u32 context_now(bool known, bool probe)
{
	int count;

	if (!known)
		return CONTEXT_UNKNOWN;
	count = preempt_count_now();
	if (probe && count > 0 && (count & 0xf00000))
		count -= AS_IN_NMI;
	return IN_PROCESS(count) ? CONTEXT_PROCESS : CONTEXT_INTERRUPT;
}

#endif
