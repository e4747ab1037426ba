/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is noted of a table and of an entry in it. The program brings `legacy`, its settings.
 */
#ifndef NFSCOPE_LEGACY_TABLE_NOTE_H
#define NFSCOPE_LEGACY_TABLE_NOTE_H

#include "changes.h"

/* include/uapi/linux/netfilter.h */
#define NFPROTO_BRIDGE 7

/* Where a table's entries begin: in the struct itself; ebtables has a pointer there. */
static __always_inline u64 entries_of(u64 info)
{
	u64 at = info + legacy.info_entries;

	return legacy.family == NFPROTO_BRIDGE ? load_u64(at) : at;
}

/* Fills the note; where the entry is in the table. `entry`, `table`: 0 if not known. */
static __always_inline u64 note_table(struct legacy_note *l, u64 entry, u64 table, u64 info,
				      u64 state)
{
	struct table_changes *c = table_changes();
	u64 at;

	if (table)
		bpf_probe_read_kernel(l->table, sizeof(l->table),
				      (void *)(table + legacy.table_name));
	else
		__builtin_memset(l->table, 0, sizeof(l->table));
	l->size = entry ? load_u32(info + legacy.info_size) : 0;
	l->number = entry ? load_u32(info + legacy.info_number) : 0;
	l->change = c && c->begun == c->done ? c->begun : CHANGING;
	l->in = load_u64(state + legacy.state_in);
	l->out = load_u64(state + legacy.state_out);
	l->family = legacy.family;
	l->hook = load_u32(state + legacy.state_hook) & 0xff;
	at = entry - entries_of(info);
	return !entry || at >= l->size ? NO_ENTRY : at;
}

#endif
