/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fills the parts of a record. The program brings `cfg`, whose member `nft` is
 * the layout of nf_tables.
 */
#ifndef NFSCOPE_FILL_H
#define NFSCOPE_FILL_H

#include "compat.h"
#include "packet.h"
#include "parts.h"

/* Index and name of a device, 0 and nothing of none. */
static __always_inline u32 device_name(u64 dev, char *name)
{
	u64 at = dev + bpf_core_field_offset(struct net_device, name);

	name[0] = 0;
	if (!dev)
		return 0;
	((u64 *)name)[0] = load_u64(at);
	((u64 *)name)[1] = load_u64(at + 8);
	return load_u32(dev + bpf_core_field_offset(struct net_device, ifindex));
}

/*
 * A name of at most NAME_SIZE - 1 bytes. By words, since the helper takes a
 * hundred instructions and more; behind the end mark stands what lies in the
 * kernel's memory there.
 */
static __always_inline void load_name(char *to, u64 from)
{
#if TYPED_CASTS
	u64 *words = (u64 *)to;

#pragma unroll
	for (int i = 0; i < NAME_SIZE / 8; i++) {
		u64 word = load_u64(from + i * 8);

		words[i] = word;
		/* whether one of its bytes is 0 */
		if ((word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL)
			break;
	}
	to[NAME_SIZE - 1] = 0;
#else
	bpf_probe_read_kernel_str(to, NAME_SIZE, (void *)from);
#endif
}

/* Names and numbers of a rule and its chain; 0: there is none. */
static __always_inline void nft_names(struct part_nft *p, u64 rule, u64 chain, bool chain_is_base)
{
	u64 table;

	p->chain_is_base = chain_is_base;
	p->rule_handle = rule ? load_u64(rule + cfg.nft.rule_word) >> cfg.nft.rule_shift &
					((1ULL << 42) - 1) :
				0;
	if (!chain) {
		p->table_handle = p->chain_handle = 0;
		p->priority = 0;
		p->family = 0;
		p->table[0] = p->chain[0] = 0;
		return;
	}
	p->priority = chain_is_base ? load_u32(chain - cfg.nft.base_chain + cfg.nft.base_priority) :
				      0;
	p->chain_handle = load_u64(chain + cfg.nft.chain_handle);
	load_name(p->chain, load_u64(chain + cfg.nft.chain_name));
	table = load_u64(chain + cfg.nft.chain_table);
	p->family = load_u64(table + cfg.nft.table_family) >> cfg.nft.table_family_shift & 0x3f;
	p->table_handle = load_u64(table + cfg.nft.table_handle);
	load_name(p->table, load_u64(table + cfg.nft.table_name));
}

/* What the hook was called with; `state`: a copy of struct nf_hook_state's start. */
static __always_inline void nft_hook(struct part_nft *p, const u64 *state)
{
	/* offsets are checked against the copy's size when the layout is read */
	p->hook = *((u8 *)state + (cfg.nft.state_hook & 31));
	p->pf = *((u8 *)state + (cfg.nft.state_pf & 31));
	p->in_index = device_name(*(u64 *)((u8 *)state + (cfg.nft.state_in & 24)), p->in_name);
	p->out_index = device_name(*(u64 *)((u8 *)state + (cfg.nft.state_out & 24)), p->out_name);
}

static __always_inline void base_part(struct part_base *b, struct sk_buff *skb, u64 location,
				      u32 reason, u32 netns, bool context)
{
	struct net_device *dev = READ_POINTER(skb, dev);
	int count;

	b->type = PART_BASE;
	b->cpu = bpf_get_smp_processor_id();
	b->time = bpf_ktime_get_ns();
	b->skb = (u64)skb;
	b->location = location;
	b->reason = reason;
	b->netns = netns;
	b->len = READ(skb, len);
	b->mark = READ(skb, mark);
	b->flags = 0;
	b->ifindex = device_name((u64)dev, b->device);
	b->pid = 0;
	count = context ? preempt_count_now() : -1;
	if (IN_PROCESS(count)) {
		if (PREEMPTIBLE(count))
			b->flags |= BASE_PREEMPTIBLE;
		b->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(b->comm, sizeof(b->comm));
		b->flags |= BASE_IN_PROCESS;
	}
}

/* The same of struct nf_hook_state itself; `b` has the packet's own device. */
static __always_inline void nft_hook_at(struct part_nft *p, u64 state, const struct part_base *b,
					struct net_device *own)
{
	u64 in = load_u64(state + cfg.nft.state_in), out = load_u64(state + cfg.nft.state_out);
	u64 first = load_u64(state + (cfg.nft.state_hook & ~7)), second = first;

	if ((cfg.nft.state_hook ^ cfg.nft.state_pf) & ~7)
		second = load_u64(state + (cfg.nft.state_pf & ~7));
	p->hook = first >> (cfg.nft.state_hook & 7) * 8;
	p->pf = second >> (cfg.nft.state_pf & 7) * 8;
	p->out_index = device_name(out, p->out_name);
	if (in == (u64)own) {
		p->in_index = b->ifindex;
		__builtin_memcpy(p->in_name, b->device, sizeof(p->in_name));
	} else {
		p->in_index = device_name(in, p->in_name);
	}
}

#endif
