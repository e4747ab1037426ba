/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The functions whose bodies nfscope-probe makes, for each place its own. Each
 * has room for 4096 instructions; patch() leaves of them those of the program
 * (see packet_filter.h on how and why). Results are those of nfscope-probe's
 * Answer; a frame has 64 bytes of stack.
 */
#ifndef NFSCOPE_PROBE_STUBS_H
#define NFSCOPE_PROBE_STUBS_H

#define ANSWER_NO 0
#define ANSWER_YES 1
#define ANSWER_UNREAD 2

#define STUB(name)                                                             \
	static __attribute__((noinline)) int name(void *context, u8 *data)     \
	{                                                                      \
		int answer;                                                    \
									       \
		asm volatile("%0 = 1\n"                                        \
			     "if %0 == 1 goto +4092\n"                         \
			     ".rept 4092\n"                                    \
			     "%0 = 1\n"                                        \
			     ".endr\n"                                         \
			     : "=&r"(answer)                                   \
			     : "r"(context), "r"(data)                         \
			     : "memory");                                      \
		return answer;                                                 \
	}

STUB(entry_fields)
STUB(return_fields)

#endif
