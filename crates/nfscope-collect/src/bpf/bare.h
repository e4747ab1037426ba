/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For programs that are given bare addresses: fields by pointers that
 * bpf_rdonly_cast made of them where the kernel has it (a few instructions
 * each), else by the helper. To be included before compat.h.
 */
#ifndef NFSCOPE_BARE_H
#define NFSCOPE_BARE_H

#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* 6.2: "bpf: Add kfunc bpf_rdonly_cast" */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

#define READ(pointer, field)                                        \
	(bpf_ksym_exists(bpf_rdonly_cast) ? (pointer)->field :      \
					    BPF_CORE_READ(pointer, field))
#define READ_BITFIELD(pointer, field) BPF_CORE_READ_BITFIELD_PROBED(pointer, field)

/* The pointer whose fields READ reads. */
#define POINTER(type, address)                                                            \
	(bpf_ksym_exists(bpf_rdonly_cast) ?                                               \
		 (type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(type)) : \
		 (type *)(address))

#endif
