/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The count of replaced tables, which several objects share.
 */
#ifndef NFSCOPE_CHANGES_H
#define NFSCOPE_CHANGES_H

#include "legacy.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct table_changes);
} changes SEC(".maps");

static __always_inline struct table_changes *table_changes(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&changes, &zero);
}

#endif
