// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What it costs to be called at all: programs that do nothing, at the entry of
// nft_do_chain.
#define SEC(name) __attribute__((section(name), used))

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#ifdef FENTRY
SEC("fentry/nft_do_chain")
#else
SEC("kprobe/nft_do_chain")
#endif
int empty(void *context)
{
	return 0;
}
