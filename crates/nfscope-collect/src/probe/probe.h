/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space and the programs of probe.bpf.c share: the settings (config.rs
 * mirrors them), the counters and the record (record.rs reads both).
 */
#ifndef NFSCOPE_PROBE_H
#define NFSCOPE_PROBE_H

#include "../bpf/kernel.h"

#define NOWHERE 0xffffffff /* the target has no packet */

/* nfscope-probe's MOST_DATA and HEAD */
#define DATA_BYTES 2048
#define HEAD_BYTES 16
/* MAX_BPF_STACK, the longest key of a hash table */
#define KEY_BYTES 512
#define STACK_FRAMES 127

enum mode {
	MODE_EVENTS = 0, /* each is told */
	MODE_COUNTS = 1, /* counted by its fields */
	MODE_HISTOGRAM = 2, /* counted by the size of its first field */
};

struct config {
	u32 mode;
	u32 data_bytes; /* of the fields */
	u32 group; /* which copy of the object this is */
	u32 stack_on;
	u32 returns; /* an event is told when the function returns */
	u32 context_known; /* process context can be told from softirq */
	u32 signed_value; /* the histogram's field may be negative */
	u32 skb_at; /* where the context has the packet: byte offset, or NOWHERE */
	u32 filter_on;
	u32 filter_bytes; /* how much the filter may look at */
	u32 filter_link; /* it looks at MAC addresses */
	u32 filter_tag; /* it looks at VLAN tags */
};

struct totals {
	u64 events; /* that the condition and the filter took */
	u64 ring; /* of them: the ring had no room */
	u64 uncounted; /* of them: no room in the map of counts */
	u64 calls; /* whose return was not seen, or could not be waited for */
	u64 unread; /* left out: what the condition asks for could not be read */
	u64 unread_values; /* events whose value for the histogram could not be read */
};

/* Powers of two: 0, then those above, then those below. */
#define BUCKETS 129

struct record {
	u64 time; /* CLOCK_MONOTONIC, of the entry */
	u64 address; /* where, as the instruction pointer has it */
	u64 latency;
	u32 group;
	u32 pid;
	u32 tid;
	u32 cpu;
	u32 context; /* enum context of bpf/context.h */
	s32 stack_bytes;
	char command[16];
	u8 bytes[DATA_BYTES + STACK_FRAMES * 8]; /* fields, then the stack */
};

#endif
