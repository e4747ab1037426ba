// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The filter stub in a program that can be run on demand: BPF_PROG_TEST_RUN with
 * the number of a packet in the map as its argument.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, type) typeof(type) *name

#define BPF_MAP_TYPE_ARRAY 2 /* include/uapi/linux/bpf.h */

#include "packet_filter.h"

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

struct packet {
	u32 caplen;
	u32 wirelen;
	u8 frame[FRAME_CAPACITY];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct packet);
} packets SEC(".maps");

SEC("raw_tp/nfscope_filter_test")
int run(u64 *args)
{
	u32 number = args[0];
	struct packet *packet = bpf_map_lookup_elem(&packets, &number);

	if (!packet)
		return 2;
	return packet_filter(packet->frame, packet->caplen, packet->wirelen) ? 1 : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
