/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A note of a table as a part of a record, in the place of the nft part.
 */
#ifndef NFSCOPE_LEGACY_TABLE_PART_H
#define NFSCOPE_LEGACY_TABLE_PART_H

#include "../bpf/fill.h"
#include "legacy.h"

/* All but the note's kind and age. */
static __always_inline void table_part(struct part_nft *p, u64 rule, const struct legacy_note *l)
{
	p->family = p->pf = l->family;
	p->hook = l->hook;
	p->rule_handle = rule;
	p->table_handle = l->change;
	p->chain_handle = (u64)l->number << 32 | l->size;
	p->priority = 0;
	p->chain_is_base = 0;
	p->in_index = device_name(l->in, p->in_name);
	p->out_index = device_name(l->out, p->out_name);
	__builtin_memcpy(p->table, l->table, sizeof(l->table));
	p->table[sizeof(l->table)] = 0;
	p->chain[0] = 0;
}

#endif
