/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stub that nfscope-filter's patch() fills with the user's filter. What the
 * caller puts into the frame buffer is told in the crate's src/lib.rs; the two
 * sizes are those of its constants. Needs the types u8 and u32.
 */
#ifndef NFSCOPE_PACKET_FILTER_H
#define NFSCOPE_PACKET_FILTER_H

/* Readable bytes behind `frame`, in a map value. */
#define FRAME_CAPACITY 544
/* The most that may be put into it. */
#define FRAME_MAX_BYTES 512

/*
 * Not 0 if the packet matches. frame: the frame buffer; caplen: valid bytes in
 * it, at most FRAME_MAX_BYTES; wirelen: length of the whole frame with its
 * Ethernet header.
 *
 * 4096 instructions at least; patch() leaves of them those of the filter. Without
 * it they are jumped over. The assembler takes all
 * arguments, so that the compiler leaves none out in the calls. (A naked function
 * would do, but clang 14 writes its arguments without names into the BTF, which
 * kernels refuse.) The function's frame holds 72 bytes of stack.
 */
static __attribute__((noinline))
int packet_filter(const u8 *frame, u32 caplen, u32 wirelen)
{
	int matches;

	asm volatile("%0 = 1\n"
		     "if %0 == 1 goto +4092\n"
		     ".rept 4092\n"
		     "%0 = 1\n"
		     ".endr\n"
		     : "=&r"(matches)
		     : "r"(frame), "r"(caplen), "r"(wirelen)
		     : "memory");
	return matches;
}

#endif
