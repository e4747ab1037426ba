/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For programs that are given bare addresses: fields by pointers that
 * bpf_rdonly_cast made of them where the kernel has it (a few instructions
 * each), else by the helper. To be included before compat.h.
 */
#ifndef NFSCOPE_BARE_H
#define NFSCOPE_BARE_H

#include "kernel.h"
#include "kernel_ids.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#if TYPED_CASTS
#define READ(pointer, field) ((pointer)->field)
#define READ_NETNS(pointer, field) ((pointer)->field->ns.inum)
#else
#define READ(pointer, field) BPF_CORE_READ(pointer, field)
#define READ_NETNS(pointer, field) BPF_CORE_READ(pointer, field, ns.inum)
#endif
#define READ_POINTER(pointer, field) READ(pointer, field)
#define READ_BITFIELD(pointer, field) BPF_CORE_READ_BITFIELD_PROBED(pointer, field)

/* The pointer whose fields READ reads; id: KERNEL_* of its type. */
#if TYPED_CASTS
#define POINTER(type, id, address) \
	((type *)kernel_rdonly_cast((void *)(address), kernel_id(id)))
#else
#define POINTER(type, id, address) ((type *)(address))
#endif

#endif
