/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space and the programs of trace.bpf.c share: the settings
 * (config.rs mirrors them) and the records (record.rs). All sizes in bytes.
 */
#ifndef NFSCOPE_TRACE_H
#define NFSCOPE_TRACE_H

#include "../bpf/conntrack.h"
#include "../bpf/nft.h"
#include "../bpf/parts.h"

#define CALLERS 8 /* frames of the stack that a packet's end carries */

struct config {
	u64 only_device_name[2];
	struct nft_layout nft;
	struct trace_arguments trace;
	struct point_values verdict; /* every verdict of a rule passes here */
	struct point_values matched; /* every match without a verdict */
	struct point_values missed; /* every rule that does not match */
	struct value_at missed_expr; /* the expression that failed, there */
	u32 no_match; /* tell the rules that do not match */
	u32 registers; /* with nftables' registers */
	u32 only_netns; /* namespace inode, 0: all */
	u32 only_device; /* compare only_device_name */
	u32 filter_on;
	u32 filter_bytes; /* how much the filter may look at */
	u32 filter_link; /* it looks at MAC addresses */
	u32 filter_tag; /* it looks at VLAN tags */
	u32 snap_bytes; /* how much of a packet a record carries */
	u32 follow; /* once selected, a packet stays selected */
	u32 has_reason; /* skb:kfree_skb has a reason argument */
	u32 has_place; /* skb:consume_skb has a location argument */
	u32 context_known; /* the preemption count can be read */
	u32 wake_bytes; /* so much in the ring wakes user space */
	u32 only_pid; /* what this process sends; 0: all */
};

/*
 * Rules that did not match are many: they are collected, and sent together
 * before anything else is said of the packet.
 */
#define BATCH 16 /* a power of two */

/* Starts each record. */
struct record_head {
	u32 type; /* enum record_type */
	u32 cpu;
	u64 time;
	u64 skb;
	u64 start; /* tells packets apart that had the same address */
	u32 sequence; /* of this packet's records, from 1, without a gap */
	u32 traversal; /* which of the packet's traversals; 0: outside */
};

/* A rule that did not match; registers only if they are asked for. */
#define MISS_SHORT 16
struct miss {
	u64 rule; /* handle */
	u32 expr_offset; /* of the expression that failed, in the rule's expressions */
	u32 expr_index; /* the same, counted; EXPR_UNKNOWN: further behind than is looked */
	u32 data[REGS_WORDS]; /* struct nft_regs */
};
#define EXPR_UNKNOWN 0xffffffff

/* The head's sequence is the first rule's; each has one of its own. */
struct batch {
	struct record_head head;
	u32 count;
	u32 unused;
	u8 rules[BATCH * sizeof(struct miss)];
};

/*
 * A selected packet; found by its skb's address. The table's lines end before
 * `batch` where rules that do not match are not asked for.
 */
struct tracked {
	u64 start; /* when it was first seen */
	/* struct nft_pktinfo of the traversal under way; 0: none; of a table of
	 * x_tables: its struct nf_hook_state and TABLE_TRAVERSAL */
	u64 pkt;
	u64 chain; /* its base chain's struct nft_chain; a table: its struct xt_table */
	u64 outer; /* the same of the traversal from which that one was started */
	u64 outer_chain;
	u32 sequence; /* of its last record */
	u32 traversal; /* number of the traversal under way, from 1 */
	u32 outer_traversal;
	u32 freed; /* it is gone; its traversal goes on */
	u32 mapped; /* what of the connection was mapped when the chain was entered */
	u32 target; /* traversal in which a target of x_tables works on it; 0: none */
	u32 depth; /* jumps that have not returned */
	u32 outer_depth;
	struct batch batch;
};

enum record_type {
	RECORD_ENTRY = 1,
	RECORD_DECISION = 2,
	RECORD_FATE = 3,
	RECORD_MISSES = 4,
	RECORD_MAPPING = 5,
	RECORD_FUNCTION = 6,
	RECORD_TABLE = 7,
	RECORD_TABLE_RULE = 8,
};

#define TABLE_TRAVERSAL 1ULL /* no address ends with it */

/* A kernel function is called with the packet. */
struct call {
	struct record_head head;
	u64 function; /* its address, or that of its first instructions */
	u32 has_packet; /* it is an arrival */
	u32 unused;
};

/* The first one, where the packet is selected. */
struct arrival {
	struct call call;
	struct part_base base;
};

#define GENERATION_UNKNOWN 2

/* A base chain, or a table of x_tables, is entered; the base part's frame follows. */
struct entry {
	struct record_head head;
	u32 hash; /* skb->hash; 0: not computed yet */
	u32 generation; /* nft's gencursor: 0 or 1 */
	struct part_conntrack conntrack;
	struct part_nft nft;
	struct part_base base;
};

enum table_decision {
	TABLE_CONTINUE = 1, /* on with the next rule */
	TABLE_JUMP = 2,
	TABLE_GOTO = 3,
	TABLE_RETURN = 4,
	TABLE_VERDICT = 5, /* code: NF_* */
};

/* A rule of x_tables matched. */
struct table_rule {
	struct record_head head;
	u64 change; /* tables replaced until then; CHANGING: one was being replaced */
	u32 entry; /* its entry's place in the table; NO_ENTRY */
	u32 size; /* bytes of the table's entries */
	u32 number; /* of entries */
	u32 kind; /* enum table_decision */
	s32 code;
	u32 policy; /* the entry is the policy of the built-in chain */
};

/* A rule has changed the connection's addresses. */
struct mapping {
	struct record_head head;
	struct part_conntrack conntrack;
};

enum decision_kind {
	DECISION_RULE = 1, /* a rule matched */
	DECISION_END = 2, /* the end of a chain */
	DECISION_POLICY = 3,
};

struct decision {
	struct record_head head;
	u64 rule; /* handle */
	s32 code; /* nft's or netfilter's verdict; of a policy NF_DROP or NF_ACCEPT */
	u32 kind; /* enum decision_kind */
};

/* A rule's decision that is more than to go on. */
struct verdict {
	struct decision decision;
	char target[NAME_SIZE]; /* of a jump or goto */
	u32 data[REGS_WORDS]; /* struct nft_regs */
};

enum fate_kind {
	FATE_DROPPED = 1,
	FATE_CONSUMED = 2,
	FATE_FREED = 3, /* without a word on why */
	FATE_CLONED = 4,
	FATE_SENT = 5,
	FATE_DELIVERED = 6,
};

#define IN_PROCESS_PREEMPTIBLE 2 /* another task could interrupt the program */

/* What became of a packet outside of nftables. */
struct fate {
	struct record_head head;
	u32 kind; /* enum fate_kind */
	u32 reason; /* enum skb_drop_reason */
	u64 location; /* where it was freed; 0: see callers */
	u64 other; /* the clone's skb */
	u64 other_start;
	u32 ifindex;
	u32 netns;
	u32 pid;
	u32 in_process; /* not 0: pid and comm are the context */
	char device[16];
	char comm[16];
	s32 callers_size; /* bytes used in callers; negative: the walk's error */
	u32 unused;
	u64 callers[CALLERS];
};

struct part_socket {
	u64 address; /* struct sock */
	u64 inode;
	u16 family;
	u16 kind;
	u16 protocol;
	u16 local_port;
	u16 remote_port;
	u16 unused;
	u8 local[16]; /* IPv4: the first four bytes */
	u8 remote[16];
};

/* It was handed to a socket. */
struct delivery {
	struct fate fate;
	struct part_socket socket;
};

/* Work space of the program that selects. */
struct scratch {
	u8 frame[FRAME_CAPACITY]; /* what the filter looks at */
};

/* What was lost, and where. */
struct losses {
	u64 active; /* no loss: packets that are selected now */
	u64 ring; /* no room in the ring */
	u64 nested; /* programs nested deeper than there is scratch for */
	u64 packets; /* selected packets without room in the table */
	u64 entries; /* decisions of a traversal whose entry was not seen */
	u64 trial; /* no loss: only this namespace's (inode) packets are selected, all of them */
};

#endif
