/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A value at a probe point: in a register, in a stack slot, or the address of
 * a stack slot, as the locator found it in this kernel's machine code.
 */
#ifndef NFSCOPE_REGISTERS_H
#define NFSCOPE_REGISTERS_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>

enum value_kind {
	VALUE_NONE = 0,
	VALUE_REGISTER = 1, /* offset: byte offset in the register frame */
	VALUE_STACK = 2, /* offset: from the stack pointer; the 8 bytes there */
	VALUE_STACK_ADDRESS = 3, /* offset: from the stack pointer; the address */
};

struct value_at {
	u32 kind;
	s32 offset;
};

/*
 * The register at a byte offset of the register frame. The offset is constant
 * when the program is loaded, so the verifier keeps one case; written in
 * assembly because C may turn it into arithmetic on the context pointer, which
 * the verifier refuses.
 */
#define CASE(n)                                                                \
	case n:                                                                \
		asm volatile("%0 = *(u64 *)(%1 + " #n ")" : "=r"(v) : "r"(ctx)); \
		break;

static __always_inline u64 register_at(void *ctx, u32 offset)
{
	u64 v = 0;

	switch (offset) {
	CASE(0) CASE(8) CASE(16) CASE(24) CASE(32) CASE(40) CASE(48) CASE(56)
	CASE(64) CASE(72) CASE(80) CASE(88) CASE(96) CASE(104) CASE(112)
	CASE(152)
#if defined(__TARGET_ARCH_arm64)
	CASE(120) CASE(128) CASE(136) CASE(144) CASE(160) CASE(168) CASE(176)
	CASE(184) CASE(192) CASE(200) CASE(208) CASE(216) CASE(224) CASE(232)
	CASE(240) CASE(248)
#endif
	}
	return v;
}
#undef CASE

#if defined(__TARGET_ARCH_arm64)
#define STACK_POINTER_OFFSET 248
#else
#define STACK_POINTER_OFFSET 152
#endif

static __always_inline u64 value_at(void *ctx, u32 kind, s32 offset)
{
	u64 v = 0;

	if (kind == VALUE_REGISTER)
		return register_at(ctx, offset);
	if (kind == VALUE_STACK_ADDRESS)
		return register_at(ctx, STACK_POINTER_OFFSET) + offset;
	if (kind == VALUE_STACK)
		bpf_probe_read_kernel(&v, sizeof(v),
				      (void *)(register_at(ctx, STACK_POINTER_OFFSET) + offset));
	return v;
}

#endif
