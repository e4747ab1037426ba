/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space and the programs of resets.bpf.c and netfilter.bpf.c share: the
 * settings (config.rs mirrors them) and the record (record.rs).
 */
#ifndef NFSCOPE_RESETS_H
#define NFSCOPE_RESETS_H

#include "../bpf/nft.h"
#include "../bpf/parts.h"

#define NOT_THERE 0xffffffff

/* Constant once the programs are loaded. Values are at entries of functions. */
struct config {
	u64 only_device_name[2];
	struct value_at v4_reason; /* tcp_v4_send_reset: enum sk_rst_reason */
	struct value_at v6_reason; /* tcp_v6_send_reset */
	struct value_at active_reason; /* tcp_send_active_reset */
	struct value_at reply_skb; /* ip_send_unicast_reply: what is answered */
	struct value_at reply_arg; /* its struct ip_reply_arg */
	struct value_at response_rst; /* tcp_v6_send_response: whether it is a reset */
	struct value_at accepted_skb; /* tcp_reset: the reset */
	struct value_at invalid_format; /* nf_ct_l4proto_log_invalid */
	struct value_at invalid_first; /* what stands behind the format */
	struct value_at reject_skb; /* nf_send_reset, nf_send_reset6 */
	struct value_at eval_rule; /* eval functions of expressions: the rule */
	struct value_at eval_chain; /* its base chain */
	struct nft_layout nft;
	u32 only_netns; /* namespace inode, 0: all */
	u32 only_device; /* compare only_device_name */
	u32 filter_on;
	u32 filter_bytes; /* how much the filter may look at */
	u32 context_known; /* the preemption count can be read */
};

enum reset_kind {
	RESET_REPLY = 1, /* TCP answers a segment */
	RESET_ACTIVE = 2, /* TCP ends a connection */
	RESET_REJECT = 3, /* netfilter answers a packet */
	RESET_ARRIVED = 4,
	RESET_ACCEPTED = 5, /* the same, it ends a connection */
	RESET_FORWARDED = 6,
	RESET_FORGED = 7, /* a program has made it */
};

#define SEQ_UNKNOWN 0x100 /* in flags: seq is not known */

struct segment {
	u32 seq;
	u32 ack;
	u32 flags; /* of the TCP header; NOT_THERE: there is no segment */
	u32 length; /* bytes of data */
};

#define RESET_STACK 32
#define HAS_RULE 1
#define HAS_RULE_OF_TARGET 2 /* if nft_target_eval_xt is on the stack */
#define HAS_RULE_OF_TABLE 3 /* of x_tables, if its table function is on the stack */
#define INVALID_TEXT 96

struct reset {
	u64 time;
	u64 skb; /* what is answered, or has arrived; 0: nothing */
	u64 sk; /* the socket; 0: none */
	u64 inode; /* of the file that programs hold it by; 0: there is none */
	u32 kind; /* enum reset_kind */
	u32 cpu;
	u32 netns;
	u32 reason; /* enum sk_rst_reason, or NOT_THERE */
	u32 state; /* of the socket: TCP_*; 0: there is none */
	u32 ifindex;
	u32 context; /* enum context */
	u32 pid;
	u32 family; /* AF_* of the addresses */
	u16 source; /* ports of the reset itself, host byte order */
	u16 destination;
	struct segment reset;
	struct segment answered;
	u8 source_address[16];
	u8 destination_address[16];
	char device[16];
	char comm[16];
	u32 invalid; /* conntrack called the answered segment INVALID */
	u32 unused;
	char invalid_text[INVALID_TEXT]; /* why */
	u32 has_rule; /* HAS_RULE*: nft is filled; 0: it is not */
	s32 stack_size; /* bytes used in stack; negative: the walk's error */
	u64 stack[RESET_STACK];
	struct part_nft nft;
};

/* What was lost, and where. */
struct losses {
	u64 ring; /* no room in the ring */
};

#endif
