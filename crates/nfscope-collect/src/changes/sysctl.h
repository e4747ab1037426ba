/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The name and the value of a sysctl that is written.
 */
#ifndef NFSCOPE_SYSCTL_H
#define NFSCOPE_SYSCTL_H

#include "changes.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Of a value so much is kept; a power of two. */
#define VALUE 256

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct qstr {
	const unsigned char *name;
};
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};
struct path {
	struct dentry *dentry;
};
struct file {
	struct path f_path;
};
struct kiocb {
	struct file *ki_filp;
};
struct iovec {
	void *iov_base;
	unsigned long iov_len;
};
struct iov_iter {
	unsigned long count;
};
/* until 6.3 */
struct iov_iter___iov {
	const struct iovec *iov;
};
/* 6.4: "iov_iter: add iter_iovec() helper" and its series rename it. A name has no flavour behind four underlines */
struct iov_iter___parts {
	const struct iovec *__iov;
};
/* 6.0: "new iov_iter flavour - ITER_UBUF" is what write() makes since then, and
 * writev() of one buffer since 6.4 */
struct iov_iter___ubuf {
	void *ubuf;
	unsigned char iter_type;
};
#pragma clang attribute pop
enum iter_type___ubuf {
	ITER_UBUF = 1,
};

/* Where the bytes are that the process writes; 0 if they are not in one place. */
static __always_inline void *written(struct iov_iter *iter, u64 length)
{
	struct iov_iter___parts *newer = (void *)iter;
	struct iov_iter___iov *older = (void *)iter;
	struct iov_iter___ubuf *plain = (void *)iter;

	if (bpf_core_enum_value_exists(enum iter_type___ubuf, ITER_UBUF) &&
	    BPF_CORE_READ(plain, iter_type) ==
		    bpf_core_enum_value(enum iter_type___ubuf, ITER_UBUF))
		return BPF_CORE_READ(plain, ubuf);
	/* what is no iovec has a pointer of the kernel there, which is not read */
	if (bpf_core_field_exists(newer->__iov)) {
		if (BPF_CORE_READ(newer, __iov, iov_len) < length)
			return 0;
		return BPF_CORE_READ(newer, __iov, iov_base);
	}
	/* lest clang take one offset or the other: the verifier would see both */
	asm volatile("" : "+r"(older));
	if (BPF_CORE_READ(older, iov, iov_len) < length)
		return 0;
	return BPF_CORE_READ(older, iov, iov_base);
}

/* The parts of the name, the last one first, and the value behind them. */
static __always_inline void fill_sysctl(struct record *r, struct kiocb *call,
					struct iov_iter *iter)
{
	struct dentry *dentry = BPF_CORE_READ(call, ki_filp, f_path.dentry), *up;
	u64 length = BPF_CORE_READ(iter, count);
	u8 *part = r->data;
	void *value;
	int i;

#pragma unroll
	for (i = 0; i < NAMES; i++) {
		const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);

		if (bpf_probe_read_kernel_str(part, NAME, name) < 0)
			*part = 0;
		part += NAME;
		up = BPF_CORE_READ(dentry, d_parent);
		if (up == dentry) {
			/* above the root there is nothing */
			if (i + 1 < NAMES)
				*part = 0;
			break;
		}
		dentry = up;
	}
	value = written(iter, length);
	r->head.data_whole = NAMES * NAME + length;
	length = at_most(length, VALUE);
	r->head.data = NAMES * NAME;
	if (value && bpf_probe_read_user(r->data + NAMES * NAME, length, value) == 0)
		r->head.data = NAMES * NAME + length;
}

#endif
