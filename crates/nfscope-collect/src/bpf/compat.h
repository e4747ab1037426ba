/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Differences between kernels, each with the release and the commit that made
 * it. Nothing else in the BPF code may depend on a kernel's age.
 */
#ifndef NFSCOPE_COMPAT_H
#define NFSCOPE_COMPAT_H

#include "kernel.h"
#include <bpf/bpf_core_read.h>

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

extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

/* 6.10: "bpf: Introduce bpf_preempt_[disable,enable] kfuncs" */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

/*
 * Since about 7.0 a tracepoint's programs can be preempted, and the kernel
 * skips a program that is already running on the CPU: a task switch inside it
 * would lose the other task's events.
 */
static __always_inline void stay_on_cpu(void)
{
	if (bpf_ksym_exists(bpf_preempt_disable) && bpf_ksym_exists(bpf_preempt_enable))
		bpf_preempt_disable();
}

static __always_inline void may_leave_cpu(void)
{
	if (bpf_ksym_exists(bpf_preempt_disable) && bpf_ksym_exists(bpf_preempt_enable))
		bpf_preempt_enable();
}

/* Whether the packet carries a VLAN tag beside its bytes. */
static __always_inline bool skb_has_tag(struct sk_buff *skb)
{
	struct sk_buff___vlan_all *all = (void *)skb;
	struct sk_buff___vlan_present *bit = (void *)skb;

	if (bpf_core_field_exists(bit->vlan_present))
		return BPF_CORE_READ_BITFIELD(bit, vlan_present);
	if (bpf_core_field_exists(all->vlan_all))
		return all->vlan_all != 0;
	return false;
}

/*
 * Whether the current process is what the CPU works for: no interrupt, no
 * softirq (include/linux/preempt.h: bits 8..15 softirq, where only an odd
 * count means serving one, 16..19 hardirq, 20..23 NMI).
 */
static __always_inline bool in_process_context(void)
{
	int count;

#if defined(__TARGET_ARCH_arm64)
	struct task_struct___arm64 *task = (void *)bpf_get_current_task();

	count = BPF_CORE_READ(task, thread_info.preempt_count);
#else
	if (&__preempt_count)
		count = *(const int *)bpf_this_cpu_ptr(&__preempt_count);
	else if (&pcpu_hot)
		count = ((const struct pcpu_hot *)bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
	else
		return false;
#endif
	return !(count & 0x00ff0100);
}

#endif
