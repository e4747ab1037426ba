/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which rule is about to reject which packet: left by the programs that see the rule, for
 * the one that sees the answer.
 */
#ifndef NFSCOPE_REJECTS_H
#define NFSCOPE_REJECTS_H

#include "../legacy/legacy.h"

/* include/uapi/linux/netfilter_ipv4/ipt_REJECT.h, netfilter_ipv6/ip6t_REJECT.h: what the
 * target's info begins with */
#define IPT_TCP_RESET 7
#define IP6T_TCP_RESET 6

/* A packet that netfilter is about to answer. */
struct rejected {
	u64 rule; /* 0: no expression of nftables */
	u64 chain; /* the base chain */
	u64 state; /* struct nf_hook_state */
	u32 behind; /* conntrack's hooks are before that */
	u32 has_rule; /* HAS_RULE*; of x_tables: see table_rules */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct rejected);
} rejects SEC(".maps");

/* The rule of x_tables. */
struct table_rule {
	u64 entry; /* where it is among the table's entries */
	struct legacy_note note;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct table_rule);
} table_rules SEC(".maps");

#endif
