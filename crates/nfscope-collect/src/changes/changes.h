/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs send of requests that change or read a firewall; record.rs
 * and config.rs have the same layouts.
 */
#ifndef NFSCOPE_FIREWALL_CHANGES_H
#define NFSCOPE_FIREWALL_CHANGES_H

#include "../bpf/kernel.h"
#include <bpf/bpf_helpers.h>

/* Constant once the programs are loaded. */
struct config {
	u32 reads; /* tell requests that change nothing, too */
};

enum request_kind {
	REQUEST_NETLINK = 1, /* data: netlink messages */
	REQUEST_SET = 2, /* setsockopt; data: the start of its argument */
	REQUEST_GET = 3, /* getsockopt; data: the same */
	REQUEST_SYSCTL = 4, /* data: NAMES names, the last part first; the value */
	REQUEST_RESULT = 5, /* how a request of that number ended */
};

/* A command line longer than this is cut; a power of two. */
#define COMMAND_LINE 2048
/* Of a request's data so much is kept; a power of two. libnftnl and libipset
 * send no more than 64 KiB at once, and most of that is not asked for. */
#define DATA 16384
/* Parts of a sysctl's name, and the room for each. */
#define NAMES 6
#define NAME 32

struct request {
	u64 time;
	u64 number; /* of the request */
	u32 kind;
	u32 netns;
	u32 tgid;
	u32 tid;
	u32 uid;
	u32 parent; /* tgid */
	s32 value; /* of an option: its number; of a result: 0 or an errno, negative */
	u32 family; /* of an option: the family of protocols */
	u32 command_line; /* bytes kept */
	u32 command_line_whole; /* bytes there were */
	u32 data; /* bytes kept */
	u32 data_whole; /* bytes there were */
	char comm[16];
	char parent_comm[16];
};

/*
 * A length that the verifier believes: the register that is compared is the one
 * that is used.
 */
static __always_inline u64 at_most(u64 length, u64 most)
{
	asm volatile("" : "+r"(length));
	if (length > most)
		length = most;
	asm volatile("" : "+r"(length));
	return length;
}

struct record {
	struct request head;
	char command_line[COMMAND_LINE];
	u8 data[DATA];
};

#endif
