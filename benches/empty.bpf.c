// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What it costs to be called at all: programs that do nothing, at a function's
// entry.
#define SEC(name) __attribute__((section(name), used))

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#ifndef FUNCTION
#define FUNCTION "nft_do_chain"
#endif

#ifdef FENTRY
SEC("fentry/" FUNCTION)
#else
SEC("kprobe/" FUNCTION)
#endif
int empty(void *context)
{
	return 0;
}
