/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parts of which records are made (drop/record.rs reads them).
 */
#ifndef NFSCOPE_PARTS_H
#define NFSCOPE_PARTS_H

#include "nft.h"

#define STACK_DEPTH 64
#define NAME_SIZE 64

#define FRAME_CAPACITY 544 /* as packet_filter.h has it */
#define FRAME_EXTRA 16 /* room for the Ethernet header, to the next multiple of 8 */

/* A record is [stack part] [nft part] [base part] [frame]; `type` starts each. */
enum part_type { PART_BASE = 1, PART_NFT = 2, PART_STACK = 3, PART_SEEN = 4 };

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
	u32 chain_is_base; /* bit 0; the others: */
#define NFT_NO_REGISTERS 2 /* data is not filled, nobody needs it */
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
	u32 unused;
	u8 frame[]; /* as much as the settings say, and FRAME_EXTRA */
};

#endif
