/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel knows by a type id (BTF): types, variables of each
 * CPU, functions that programs may call. Instructions carry marks, in place of
 * which kernel_ids.rs writes the ids before libbpf sees the object: libbpf
 * itself would read and walk all of the kernel's types for each start.
 */
#ifndef NFSCOPE_KERNEL_IDS_H
#define NFSCOPE_KERNEL_IDS_H

#include "kernel.h"

/* kernel_ids.rs: MARK and Id */
#define KERNEL_MARK 0x6e667300
#define KERNEL_SK_BUFF 1 /* struct sk_buff */
#define KERNEL_CPUMASK 2 /* struct cpumask */
#define KERNEL_PREEMPT_COUNT 3 /* int __preempt_count */
#define KERNEL_PCPU_HOT 4 /* struct pcpu_hot pcpu_hot */
#define KERNEL_RDONLY_CAST 5 /* void *bpf_rdonly_cast(), 6.2: "bpf: Add kfunc bpf_rdonly_cast" */
#define KERNEL_NET 6 /* struct net */

/* The lower half says which, the upper half, its complement, that it is a mark. */
#define KERNEL_WORD(which)                                                               \
	((u64)~(u32)(KERNEL_MARK + (which)) << 32 | (u32)(KERNEL_MARK + (which)))

/* The id; 0: the kernel has none. Constant when the program is loaded. */
#define kernel_id(which)                                                                 \
	({                                                                               \
		u64 id;                                                                  \
		asm("%0 = %1 ll" : "=r"(id) : "i"(KERNEL_WORD(which)));                   \
		id;                                                                      \
	})

/* A variable of each CPU, for bpf_this_cpu_ptr(); 0: the kernel has none. */
#define kernel_variable(which) ((const void *)kernel_id(which))

/*
 * bpf_rdonly_cast(). Each object is compiled twice: for kernels that have it
 * (TYPED_CASTS), and for those that do not.
 */
static void *(*const kernel_rdonly_cast)(const void *object, u32 type) =
	(void *)(KERNEL_MARK + KERNEL_RDONLY_CAST);

#endif
