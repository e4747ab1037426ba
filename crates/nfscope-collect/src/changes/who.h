/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which process asks: all that may be gone when user space looks.
 */
#ifndef NFSCOPE_WHO_H
#define NFSCOPE_WHO_H

#include "changes.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
};
struct nsproxy {
	struct net *net_ns;
};
struct task_struct___who {
	struct mm_struct *mm;
	struct task_struct___who *real_parent;
	struct nsproxy *nsproxy;
	int tgid;
	char comm[16];
};
#pragma clang attribute pop

static __always_inline struct task_struct___who *current_task(void)
{
	return (void *)bpf_get_current_task();
}

/* nfscope itself, or a program that it runs; 0: it is not known which that is. */
static __always_inline bool is_own(u64 own)
{
	return own && (bpf_get_current_pid_tgid() >> 32 == own ||
		       BPF_CORE_READ(current_task(), real_parent, tgid) == own);
}

static __always_inline void fill_who(struct record *r)
{
	struct task_struct___who *task = current_task(), *parent;
	u64 id = bpf_get_current_pid_tgid();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	u64 start, length;

	r->head.tgid = id >> 32;
	r->head.tid = id;
	r->head.uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(r->head.comm, sizeof(r->head.comm));
	parent = BPF_CORE_READ(task, real_parent);
	r->head.parent = BPF_CORE_READ(parent, tgid);
	bpf_probe_read_kernel(r->head.parent_comm, sizeof(r->head.parent_comm),
			      &parent->comm);
	r->head.command_line = 0;
	r->head.command_line_whole = 0;
	if (!mm)
		return; /* a thread of the kernel */
	start = BPF_CORE_READ(mm, arg_start);
	length = BPF_CORE_READ(mm, arg_end) - start;
	r->head.command_line_whole = length;
	length = at_most(length, COMMAND_LINE);
	/* it may be paged out */
	if (bpf_probe_read_user(r->command_line, length, (void *)start) == 0)
		r->head.command_line = length;
}

#endif
