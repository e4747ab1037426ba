/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Differences between kernels, each with the release and the commit that made
 * it. Nothing else in the BPF code may depend on a kernel's age.
 */
#ifndef NFSCOPE_COMPAT_H
#define NFSCOPE_COMPAT_H

#include "kernel.h"
#include "kernel_ids.h"
#include <bpf/bpf_core_read.h>

/*
 * A field of a kernel struct. Where the verifier knows the pointer's type this
 * is a plain load; a program that is given bare addresses brings its own.
 */
#ifndef READ
#define READ(pointer, field) ((pointer)->field)
#define READ_POINTER(skb, field) (untrusted(skb)->field)
#define READ_NETNS(pointer, field) ((pointer)->field->ns.inum)
#define READ_BITFIELD(pointer, field) BPF_CORE_READ_BITFIELD(pointer, field)
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* until 6.1: a bit says whether there is a tag ("net: Remove the obsolete
 * vlan_present bit", 6.2, reads vlan_all instead) */
struct sk_buff___vlan_present {
	__u8 vlan_present : 1;
};
struct sk_buff___vlan_all {
	__u32 vlan_all;
};

/* 6.2 to 6.14: "x86/percpu: Move preempt_count next to current_task" put the
 * count into one hot structure; before and after it is a variable of its own */
struct pcpu_hot {
	int preempt_count;
};

/* arm64 keeps the count in the task */
struct thread_info___arm64 {
	u64 preempt_count;
};
struct task_struct___arm64 {
	struct thread_info___arm64 thread_info;
};

#pragma clang attribute pop

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct trace_event_raw_kfree_skb {
	void *skbaddr;
	void *location;
};
/* 5.17: "net: skb: introduce kfree_skb_reason()" */
enum skb_drop_reason { SKB_NOT_DROPPED_YET };
struct trace_event_raw_kfree_skb___reason {
	enum skb_drop_reason reason;
};
/* 6.3: "net: add location to trace_consume_skb()" */
struct trace_event_raw_consume_skb {
	void *skbaddr;
	void *location;
};
struct trace_event_raw_net_dev_start_xmit {
	const void *skbaddr;
};
#pragma clang attribute pop

/*
 * Eight bytes of the kernel's memory; 0 where nothing is mapped. A cast makes it
 * one load, the helper takes some eighty instructions.
 */
static __always_inline u64 load_u64(u64 address)
{
#if TYPED_CASTS
	/* struct cpumask begins with a word on every kernel */
	return *(const u64 *)kernel_rdonly_cast((void *)address, kernel_id(KERNEL_CPUMASK));
#else
	u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
	return word;
#endif
}

/* Four bytes, likewise. */
static __always_inline u32 load_u32(u64 address)
{
	return load_u64(address);
}

/* A number or pointer in a struct of which only the address is known. */
#define LOAD(type, address, field)                                                       \
	((typeof(((type *)0)->field))load_u64((u64)(address) +                            \
					      bpf_core_field_offset(type, field)))

/*
 * The same packet as a pointer that the verifier does not trust, for members
 * that are pointers. Behind a trusted one it looks for types that would make
 * the member trusted (btf_nested_type_is_trusted in kernel/bpf/btf.c, 6.2), up
 * to four times among all of the kernel's: ten milliseconds a load.
 */
static __always_inline struct sk_buff *untrusted(struct sk_buff *skb)
{
#if TYPED_CASTS
	return kernel_rdonly_cast(skb, kernel_id(KERNEL_SK_BUFF));
#else
	return skb;
#endif
}

/* Whether the packet carries a VLAN tag beside its bytes. */
static __always_inline bool skb_has_tag(struct sk_buff *skb)
{
	struct sk_buff___vlan_all *all = (void *)skb;
	struct sk_buff___vlan_present *bit = (void *)skb;

	if (bpf_core_field_exists(bit->vlan_present))
		return READ_BITFIELD(bit, vlan_present);
	if (bpf_core_field_exists(all->vlan_all))
		return READ(all, vlan_all) != 0;
	return false;
}

/* include/linux/sched.h */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
	void *stack;
};
#pragma clang attribute pop

/*
 * 5.10 does not tell where the preempt count is. x86-64 runs interrupts and
 * softirqs on a stack of their own (5.8: "x86/entry: Convert device interrupts
 * to inline stack switching" and its series), so that a program on the task's
 * stack (arch/x86/include/asm/page_64_types.h: THREAD_SIZE) works for the task
 * or in ksoftirqd.
 */
#define THREAD_SIZE 16384

static __always_inline bool on_task_stack(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 frame;

	asm volatile("r1 = r10\n"
		     "w1 = w1\n"
		     "%0 = r1\n"
		     : "=r"(frame)
		     :
		     : "r1");
	return (u32)frame - (u32)(u64)BPF_CORE_READ(task, stack) < THREAD_SIZE;
}

/*
 * The CPU's preempt count (include/linux/preempt.h): bits 0..7 how often
 * preemption was disabled, 8..15 softirq (an odd count: serving one), 16..19
 * hardirq, 20..23 NMI. Negative: in an interrupt, or it cannot be had.
 */
static __always_inline int preempt_count_now(void)
{
#if defined(__TARGET_ARCH_arm64)
	struct task_struct___arm64 *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, thread_info.preempt_count);
#else
	const void *count = kernel_variable(KERNEL_PREEMPT_COUNT);
	const void *hot = kernel_variable(KERNEL_PCPU_HOT);

	if (count)
		return *(const int *)bpf_this_cpu_ptr(count) & 0x7fffffff;
	if (hot)
		return ((const struct pcpu_hot *)bpf_this_cpu_ptr(hot))->preempt_count &
		       0x7fffffff;
	return on_task_stack() ? 1 : -1;
#endif
}

/* Not in an interrupt or softirq: the current process is what the CPU works for. */
#define IN_PROCESS(count) ((count) >= 0 && !((count) & 0x00ff0100))
#define PREEMPTIBLE(count) (!((count) & 0xff))

#endif
