/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space and the programs of drop.bpf.c share: the settings (record.rs
 * and config.rs mirror both) and the records. All sizes in bytes.
 */
#ifndef NFSCOPE_DROP_H
#define NFSCOPE_DROP_H

#include "../bpf/registers.h"

/* Which part of a layout; offsets from the struct's start, -1: not there. */
struct nft_layout {
	u32 rule_word; /* nft_rule / nft_rule_dp: offset of the u64 with the handle */
	u32 rule_shift; /* the handle's first bit in it; it has 42 */
	u32 chain_table; /* nft_chain.table */
	u32 chain_handle;
	u32 chain_name; /* char * */
	u32 base_chain; /* nft_base_chain.chain */
	u32 base_priority; /* nft_base_chain.ops.priority */
	u32 base_policy;
	u32 table_family; /* nft_table: offset of the u64 with the family's 6 bits */
	u32 table_family_shift;
	u32 table_handle;
	u32 table_name; /* char * */
	u32 pkt_skb; /* nft_pktinfo.skb */
	u32 pkt_state; /* nft_pktinfo.state (5.10: .xt.state) */
	u32 state_hook;
	u32 state_pf;
	u32 state_in;
	u32 state_out;
	u32 trace_base; /* nft_traceinfo.basechain */
	u32 trace_rule; /* nft_traceinfo.rule, where it has one */
	u32 trace_type; /* nft_traceinfo.type, where it has one */
	u32 trace_verdict; /* nft_traceinfo.verdict, where it has one */
	u32 trace_pkt; /* nft_traceinfo.pkt, where it has one */
};

/* Where the values are at one kind of probe point. */
struct point_values {
	struct value_at rule;
	struct value_at pkt;
	struct value_at regs; /* struct nft_regs; its verdict comes first */
	struct value_at chain; /* struct nft_chain */
	u32 chain_is_base; /* it is the base chain, not the rule's own */
};

/* Positions of __nft_trace_packet's arguments, -1: it has no such argument. */
struct trace_arguments {
	s32 pkt, verdict, rule, info, type;
};

struct config {
	u64 only_device_name[2];
	struct nft_layout nft;
	struct point_values rule_drop; /* only a rule's drop passes here */
	struct point_values policy_drop; /* only a policy's drop passes here */
	struct point_values verdict; /* every verdict of a rule passes here */
	struct point_values policy; /* every policy decision passes here */
	struct point_values eval; /* entry of an expression's eval function */
	struct trace_arguments trace;
	u32 freed_after_return; /* nft_do_chain returns before the packet is freed */
	u32 has_reason; /* skb:kfree_skb has a reason argument */
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
	u32 scratch_netns; /* the self-test's namespace: seen only while it runs */
};

enum note_kind {
	NOTE_NONE = 0, /* no rule known: a kernel drop */
	NOTE_RULE = 1,
	NOTE_POLICY = 2,
	NOTE_QUEUE = 3,
	NOTE_FWD = 4,
};

#define NOTE_SLOTS 1024 /* a power of two */
#define STATE_WORDS 5 /* hook, pf, in, out, sk and net stand in the first 40 bytes */
#define REGS_WORDS 20 /* struct nft_regs: 20 u32 */
#define FRAME_CAPACITY 544 /* as packet_filter.h has it */
#define STACK_DEPTH 64
#define NAME_SIZE 64

/*
 * "This rule is about to end this packet", left by a probe point for the
 * tracepoint that sees the packet freed. `check` is made of what names the rule and where its values are:
 * a slot torn between two CPUs is not believed.
 */
struct note {
	u64 skb;
	u64 rule;
	u64 chain; /* struct nft_chain */
	u64 time; /* of notes that may outlive their packet's passage; else 0 */
	u64 pkt; /* struct nft_pktinfo, if nft_do_chain still runs when the packet is freed */
	u64 regs; /* struct nft_regs, likewise */
	u64 state[STATE_WORDS]; /* else: a copy of struct nf_hook_state's start */
	u32 kind; /* enum note_kind */
	u32 chain_is_base;
	u32 check;
	u32 copied; /* state and data are there */
	u32 data[REGS_WORDS]; /* a copy of regs */
};

/* A record is [stack part] [nft part] [base part] [frame]; `type` starts each. */
enum part_type { PART_BASE = 1, PART_NFT = 2, PART_STACK = 3 };

struct part_stack {
	u32 type;
	u32 size; /* bytes used in ips; negative: the walk's error */
	u64 ips[STACK_DEPTH];
};

struct part_nft {
	u32 type;
	u8 kind; /* enum note_kind */
	u8 family; /* NFPROTO_* of the table; 0: unknown */
	u8 hook;
	u8 pf;
	u64 rule_handle;
	u64 table_handle;
	u64 chain_handle;
	u64 age; /* of the note in ns, 0 if it cannot be stale */
	s32 priority;
	u32 chain_is_base;
	u32 in_index;
	u32 out_index;
	char in_name[16];
	char out_name[16];
	char table[NAME_SIZE];
	char chain[NAME_SIZE];
	u32 data[REGS_WORDS];
};

#define BASE_HAS_LINK 1 /* frame starts with 12 bytes of MAC addresses that are real */
#define BASE_HAS_TAG 2 /* vlan_proto, vlan_tci are an offloaded tag */
#define BASE_TAG_INLINE 4 /* the tag stands in the frame too */
#define BASE_IN_PROCESS 8 /* pid and comm are the context */
#define BASE_PREEMPTIBLE 16 /* another task could interrupt the program */

struct part_base {
	u32 type;
	u32 cpu;
	u64 time;
	u64 skb;
	u64 location;
	u32 reason;
	u32 netns;
	u32 len;
	u32 mark;
	u32 ifindex;
	u32 pid;
	u32 frame_bytes; /* bytes of frame that follow */
	u16 flags;
	u16 ethertype; /* network byte order, as in the frame */
	u16 vlan_proto; /* network byte order */
	u16 vlan_tci; /* host byte order */
	char device[16];
	char comm[16];
};

struct scratch {
	struct part_stack stack;
	struct part_nft nft;
	struct part_base base;
	u8 frame[FRAME_CAPACITY];
};

/* What was lost, and where. */
struct losses {
	u64 ring; /* no room in the ring */
	u64 nested; /* more traversals nested on one CPU than there is scratch for */
	u64 notes; /* a rule's note overwritten before its packet was freed */
};

#endif
