/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of x_tables (iptables-legacy and its like): what the programs of legacy.bpf.c are
 * told, and what they leave in a note. legacy/probes.rs mirrors the settings.
 */
#ifndef NFSCOPE_LEGACY_H
#define NFSCOPE_LEGACY_H

#include "../bpf/registers.h"

/* Where the values are at one point of the table function. */
struct table_values {
	struct value_at entry; /* struct ipt_entry */
	struct value_at skb;
	struct value_at table; /* struct xt_table; is_info: its private */
	struct value_at param; /* struct xt_action_param */
	u32 is_info;
	u32 unused;
};

struct legacy_config {
	struct table_values matched;
	struct table_values verdict;
	struct value_at result; /* what the target said */
	u32 family; /* NFPROTO_* */
	u32 target_offset; /* ipt_entry.target_offset */
	u32 table_private;
	u32 table_name;
	u32 info_size;
	u32 info_number;
	u32 info_underflow;
	u32 info_entries;
	u32 target_function; /* xt_target.target */
	u32 param_state;
	u32 state_hook;
	u32 state_pf;
	u32 state_in;
	u32 state_out;
	/* numbers of the function's arguments, for its entry */
	u32 skb_arg;
	u32 table_arg;
	u32 state_arg;
};

/* Where the values are at one point of ebt_do_table. */
struct ebtables_values {
	struct value_at entry; /* struct ebt_entry, struct ebt_entries */
	struct value_at skb;
	struct value_at table; /* in struct ebt_table, */
	struct value_at param; /* struct xt_action_param */
	struct value_at verdict; /* the verdict, the policy */
	u32 table_beyond; /* so far behind its start */
	u32 unused;
};

struct ebtables_config {
	struct ebtables_values verdict;
	struct ebtables_values policy;
	struct legacy_config tables; /* its points are none of these */
	u32 hook_entry; /* ebt_table_info.hook_entry */
	u32 other_private; /* where ebt_table.private may be, too; 0: nowhere */
};

#define LEGACY_TABLE_NAME 32 /* XT_TABLE_MAXNAMELEN */

/* How often tables were replaced: begun and done (changes.bpf.c). */
struct table_changes {
	u64 begun;
	u64 done;
};

/* In the place of a note's registers, which legacy rules have none of. */
struct legacy_note {
	char table[LEGACY_TABLE_NAME]; /* empty: only its struct xt_table_info is known */
	u32 size; /* bytes of the table's entries */
	u32 number; /* of entries; 0: nobody can say which entry it was */
	u64 change; /* tables replaced until then; CHANGING: one was being replaced */
	u64 in; /* struct net_device */
	u64 out;
	u8 family;
	u8 hook;
	u16 unused;
	u32 unused2;
};

#define CHANGING (~0ULL)
/* A rule that is not in its table: the table was just being replaced. */
#define NO_ENTRY 0xffffffffU

#endif
