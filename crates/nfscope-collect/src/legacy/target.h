/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A rule's target. The program brings `legacy`, its settings.
 */
#ifndef NFSCOPE_LEGACY_TARGET_H
#define NFSCOPE_LEGACY_TARGET_H

/* include/uapi/linux/netfilter/x_tables.h */
#define TARGET_POINTER 8 /* xt_entry_target.u.kernel.target */
#define TARGET_DATA 32 /* xt_entry_target.data */
#define STANDARD_VERDICT 32 /* xt_standard_target.verdict: -(verdict) - 1, or a jump */

/* The target of an entry. */
static __always_inline u64 target_of(u64 entry)
{
	return entry + (load_u32(entry + legacy.target_offset) & 0xffff);
}

/* Whether the target is a function; else it is the standard one. */
static __always_inline bool is_function(u64 target)
{
	return load_u64(load_u64(target + TARGET_POINTER) + legacy.target_function) != 0;
}

#endif
