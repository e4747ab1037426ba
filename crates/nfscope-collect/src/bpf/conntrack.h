/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connection that a packet belongs to, as conntrack has it.
 */
#ifndef NFSCOPE_CONNTRACK_H
#define NFSCOPE_CONNTRACK_H

#include "compat.h"

#define TUPLE_BYTES 40 /* struct nf_conntrack_tuple */
#define CT_NONE 0xff /* conntrack has not seen the packet, or has no use for it */
/* include/net/netfilter/nf_conntrack.h: the lower bits of skb->_nfct */
#define NFCT_INFOMASK 7UL
/* include/uapi/linux/netfilter/nf_conntrack_common.h: source and destination */
#define IPS_NAT_MASK (1 << 4 | 1 << 5)

struct part_conntrack {
	u64 address; /* of the struct nf_conn */
	u64 status; /* IPS_* */
	u32 info; /* enum ip_conntrack_info, or CT_NONE */
	u32 mark;
	u32 zone;
	u32 unused;
	u8 original[TUPLE_BYTES];
	u8 reply[TUPLE_BYTES];
};

/* Whether this kernel tells how its connections look. */
static __always_inline bool conntrack_known(void)
{
	struct nf_conn *ct = 0;

	return bpf_core_field_exists(ct->tuplehash) && bpf_core_field_exists(ct->status);
}

static __always_inline void load_tuple(u8 *to, u64 from)
{
#if TYPED_CASTS
#pragma unroll
	for (int i = 0; i < TUPLE_BYTES; i += 8)
		*(u64 *)(to + i) = load_u64(from + i);
#else
	bpf_probe_read_kernel(to, TUPLE_BYTES, (void *)from);
#endif
}

/* `word`: skb->_nfct */
static __always_inline void conntrack_part(struct part_conntrack *p, u64 word)
{
	struct nf_conn *ct = (void *)(word & ~NFCT_INFOMASK);
	u64 tuple;

	p->address = (u64)ct;
	p->status = p->mark = p->zone = p->unused = 0;
	p->info = word ? word & NFCT_INFOMASK : CT_NONE;
	if (!ct || !conntrack_known())
		return;
	p->status = LOAD(struct nf_conn, ct, status);
	if (bpf_core_field_exists(ct->mark))
		p->mark = LOAD(struct nf_conn, ct, mark);
	if (bpf_core_field_exists(ct->zone))
		p->zone = LOAD(struct nf_conn, ct, zone.id);
	tuple = (u64)ct + bpf_core_field_offset(struct nf_conn, tuplehash) +
		bpf_core_field_offset(struct nf_conntrack_tuple_hash, tuple);
	load_tuple(p->original, tuple);
	load_tuple(p->reply, tuple + bpf_core_type_size(struct nf_conntrack_tuple_hash));
}

#endif
