/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space and the programs of drop.bpf.c share: the settings (record.rs
 * and config.rs mirror both) and the records. All sizes in bytes.
 */
#ifndef NFSCOPE_DROP_H
#define NFSCOPE_DROP_H

#include "../bpf/nft.h"
#include "../bpf/parts.h"
#include "../legacy/legacy.h"

struct config {
	u64 only_device_name[2];
	struct nft_layout nft;
	struct point_values rule_drop; /* only a rule's drop passes here */
	struct point_values policy_drop; /* only a policy's drop passes here */
	struct point_values verdict; /* every verdict of a rule passes here */
	struct point_values policy; /* every policy decision passes here */
	struct point_values eval; /* entry of an expression's eval function */
	struct trace_arguments trace;
	u32 frame_on; /* rules are told by nft_do_chain's frame */
	u32 notes_on; /* something leaves notes */
	u32 freed_after_return; /* nft_do_chain returns before the packet is freed */
	u32 has_reason; /* skb:kfree_skb has a reason argument */
	u32 choosy; /* one of the next that say which drops are wanted */
	u32 only_netns; /* namespace inode, 0: all */
	u32 only_device; /* compare only_device_name */
	u32 cause_mask; /* 1 << NOTE_* */
	u32 reason_wanted; /* only this reason, if reason_given */
	u32 reason_given;
	u32 filter_on;
	u32 filter_bytes; /* how much the filter may look at */
	u32 filter_link; /* it looks at MAC addresses */
	u32 filter_tag; /* it looks at VLAN tags */
	u32 snap_bytes; /* how much of a packet a record carries */
	u32 stack_on;
	char symbol_format[4]; /* "%pS" */
	u32 scratch_netns; /* the self-test's namespace: seen only while it runs */
};

enum note_kind {
	NOTE_NONE = 0, /* no rule known: a kernel drop */
	NOTE_RULE = 1,
	NOTE_POLICY = 2,
	NOTE_QUEUE = 3,
	NOTE_FWD = 4,
	/* of x_tables (../legacy/legacy.h) */
	NOTE_LEGACY_RULE = 5,
	NOTE_LEGACY_POLICY = 6,
	NOTE_LEGACY_QUEUE = 7,
};

#define NOTE_SLOTS 1024 /* a power of two */

/* Which rule or policy ended a packet. */
struct decision {
	u64 rule; /* 0: the policy; of x_tables: where the entry is in its table */
	u64 chain; /* struct nft_chain */
	u64 pkt; /* struct nft_pktinfo, if nft_do_chain still runs when the packet is freed */
	u64 regs; /* struct nft_regs, likewise; 0: nobody needs it */
	u64 time; /* of those that may outlive their packet's passage; else 0 */
	u32 kind; /* enum note_kind */
	u32 chain_is_base;
};

/*
 * "This rule is about to end this packet", left by a probe point for the
 * tracepoint that sees the packet freed. `check` is made of what names the rule
 * and where its values are: a slot torn between two CPUs is not believed.
 */
struct note {
	u64 skb;
	struct decision decision;
	u32 check;
	u32 copied; /* state and data are there: what pkt and regs point to is gone */
	u64 state[STATE_WORDS]; /* a copy of struct nf_hook_state's start */
	u32 data[REGS_WORDS]; /* a copy of regs; of x_tables: struct legacy_note */
};

struct scratch {
	u8 frame[FRAME_CAPACITY]; /* what the filter looks at */
};

/* What may change while the programs run. */
struct running {
	u32 legacy_on; /* rules of x_tables leave notes */
};

/* What was lost, and where. */
struct losses {
	u64 ring; /* no room in the ring */
	u64 nested; /* more traversals nested on one CPU than there is scratch for */
	u64 notes; /* a rule's note overwritten before its packet was freed */
	u64 frame; /* nft_do_chain's frame was not where it should be */
};

#endif
