/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A decision of x_tables as a part of a record.
 */
#ifndef NFSCOPE_LEGACY_PART_H
#define NFSCOPE_LEGACY_PART_H

#include "../bpf/fill.h"
#include "../drop/drop.h"

/* In the place of the nft part: all is in the note. */
static __always_inline void legacy_part(struct part_nft *p, const struct decision *d,
					const struct note *n)
{
	const struct legacy_note *l = (const void *)n->data;

	p->age = bpf_ktime_get_ns() - d->time;
	p->family = p->pf = l->family;
	p->hook = l->hook;
	p->rule_handle = d->rule;
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
