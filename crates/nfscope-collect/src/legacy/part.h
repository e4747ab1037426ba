/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A decision of x_tables as a part of a record.
 */
#ifndef NFSCOPE_LEGACY_PART_H
#define NFSCOPE_LEGACY_PART_H

#include "../drop/drop.h"
#include "table_part.h"

/* In the place of the nft part: all is in the note. */
static __always_inline void legacy_part(struct part_nft *p, const struct decision *d,
					const struct note *n)
{
	p->age = bpf_ktime_get_ns() - d->time;
	table_part(p, d->rule, (const void *)n->data);
}

#endif
