/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel memory by bare address.
 *
 * 6.2 and later can make a typed pointer of an address (bpf_rdonly_cast); what
 * is read through it costs a few instructions, and reads as 0 where there is
 * no memory. Older kernels have the helper, at ten times the price.
 */
#ifndef NFSCOPE_PEEK_H
#define NFSCOPE_PEEK_H

#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* 6.2: "bpf: Add kfunc bpf_rdonly_cast" */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

/* A field of the struct at a bare address, or at a pointer made of one. */
#define READ(pointer, field)                                        \
	(bpf_ksym_exists(bpf_rdonly_cast) ? (pointer)->field :      \
					    BPF_CORE_READ(pointer, field))
#define READ_BITFIELD(pointer, field) BPF_CORE_READ_BITFIELD_PROBED(pointer, field)

/* A type every kernel has, that begins with a plain 64-bit number. */
#if defined(__TARGET_ARCH_arm64)
#define WORDS struct user_pt_regs
#define FIRST_WORD(p) ((p)->regs[0])
#else
#define WORDS struct pt_regs
#define FIRST_WORD(p) ((p)->r15)
#endif

/* The eight bytes at an address; 0 where there are none. */
static __always_inline u64 peek(u64 address)
{
	u64 word = 0;

	if (bpf_ksym_exists(bpf_rdonly_cast)) {
		WORDS *p =
			bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(WORDS));

		return FIRST_WORD(p);
	}
	bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
	return word;
}

#endif
