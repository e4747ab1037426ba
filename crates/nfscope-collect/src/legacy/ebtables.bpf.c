// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which rule or policy of ebtables is about to end a frame: ebt_do_table. The note is
 * taken as those of legacy.bpf.c are; it must prove itself, since there is no trial.
 */
#include "../bpf/kernel.h"
#include "../bpf/compat.h"
#include "legacy.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct ebtables_config config = {};
#define legacy config.tables

#include "leave.h"
#include "bridge.h"

#define AT(point, what) value_at(ctx, config.point.what.kind, config.point.what.offset)

/* include/uapi/linux/netfilter_bridge/ebtables.h */
#define EBT_DROP ((u32)-2)
#define EBT_ENTRY_OR_ENTRIES 1 /* ebt_entry.bitmask; struct ebt_entries has 0 there */
#define STANDARD_VERDICT 40 /* ebt_standard_target.verdict; its ebt_target is at 0 */
#define CHAIN_POLICY 40 /* ebt_entries.policy */
#define HOOKS 6 /* NF_BR_NUMHOOKS */

/*
 * Whether this is an entry that says drop. A function's word is its own; which one
 * was called, xt_action_param tells by its first member, the target.
 */
static __always_inline bool rule_drops(u64 entry, u64 param)
{
	u64 target = entry + load_u32(entry + legacy.target_offset);
	u64 called = load_u64(target);

	if (!(load_u32(entry) & EBT_ENTRY_OR_ENTRIES))
		return false;
	if (load_u64(called + legacy.target_function))
		return load_u64(param) == called;
	return load_u32(target + STANDARD_VERDICT) == EBT_DROP;
}

/* `own`: the place of what is in the table's entries. */
static __always_inline bool is_of(u64 info, u64 own)
{
	return own - entries_of(info) < load_u32(info + legacy.info_size);
}

/* The table's private in whose entries `own` is. */
static __always_inline u64 info_of(u64 table, u64 own)
{
	u64 info = load_u64(table + legacy.table_private);

	if (!is_of(info, own) && config.other_private)
		info = load_u64(table + config.other_private);
	return info;
}

/* A rule that matched has its verdict. */
SEC("kprobe")
int at_verdict(struct pt_regs *ctx)
{
	u64 entry, table, state, param, info;

	if ((u32)AT(verdict, verdict) != EBT_DROP)
		return 0;
	entry = AT(verdict, entry);
	table = AT(verdict, table) - config.verdict.table_beyond;
	param = AT(verdict, param);
	state = load_u64(param + legacy.param_state);
	if (!bridge_drops(table, state))
		return 0;
	info = info_of(table, entry);
	if (!is_of(info, entry) || !rule_drops(entry, param))
		__sync_fetch_and_add(&lost.notes, 1);
	else
		leave_of(info, entry, AT(verdict, skb), table, 0, state, NOTE_LEGACY_RULE);
	return 0;
}

/* A chain's end is reached; its policy is not to return. */
SEC("kprobe")
int at_policy(struct pt_regs *ctx)
{
	u64 chain, table, state, info, base;
	u32 hook;

	if ((u32)AT(policy, verdict) != EBT_DROP)
		return 0;
	chain = AT(policy, entry);
	table = AT(policy, table) - config.policy.table_beyond;
	state = load_u64(AT(policy, param) + legacy.param_state);
	if (!bridge_drops(table, state))
		return 0;
	info = info_of(table, chain);
	hook = load_u32(state + legacy.state_hook) & 0xff;
	if (!is_of(info, chain) || load_u32(chain) || load_u32(chain + CHAIN_POLICY) != EBT_DROP ||
	    hook >= HOOKS) {
		__sync_fetch_and_add(&lost.notes, 1);
		return 0;
	}
	/* user chains have policies, too: those are told as lines of the chain */
	base = load_u64(info + config.hook_entry + 8 * hook);
	leave_of(info, chain, AT(policy, skb), table, 0, state,
		 base == chain ? NOTE_LEGACY_POLICY : NOTE_LEGACY_RULE);
	return 0;
}
