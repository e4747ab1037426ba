// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which rule of iptables-legacy or ip6tables-legacy is about to reject a packet with a
 * reset: at the place in the table function that only rules that match pass. One object
 * for each of the functions.
 */
#include "../bpf/kernel.h"
#include "../bpf/compat.h"
#include <bpf/bpf_tracing.h>

#include "resets.h"
#include "rejects.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct legacy_config legacy = {};

#include "../legacy/table_note.h"
#include "../legacy/target.h"

#define MATCHED(what) value_at(ctx, legacy.matched.what.kind, legacy.matched.what.offset)

/* include/uapi/linux/netfilter.h */
#define NFPROTO_IPV6 10

/*
 * All matches of a rule have said yes. Another target than REJECT may begin with the same
 * number: user space looks into the table whether the rule is one.
 */
SEC("kprobe")
int at_table_reject(struct pt_regs *ctx)
{
	u32 wanted = legacy.family == NFPROTO_IPV6 ? IP6T_TCP_RESET : IPT_TCP_RESET;
	u64 entry = MATCHED(entry), target = target_of(entry), skb, table, info;
	struct rejected by = { .has_rule = HAS_RULE_OF_TABLE };
	struct table_rule rule = {};

	if (load_u32(target + TARGET_DATA) != wanted || !is_function(target))
		return 0;
	skb = MATCHED(skb);
	table = MATCHED(table);
	info = legacy.matched.is_info ? table : load_u64(table + legacy.table_private);
	by.state = load_u64(MATCHED(param) + legacy.param_state);
	rule.entry = note_table(&rule.note, entry, legacy.matched.is_info ? 0 : table, info,
				by.state);
	bpf_map_update_elem(&table_rules, &skb, &rule, 0);
	bpf_map_update_elem(&rejects, &skb, &by, 0);
	return 0;
}
