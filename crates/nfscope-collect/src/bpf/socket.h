/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every socket has.
 */
#ifndef NFSCOPE_BPF_SOCKET_H
#define NFSCOPE_BPF_SOCKET_H

#include "compat.h"

/* include/linux/socket.h */
#define AF_INET 2
#define AF_INET6 10

/* Inode of the file that programs hold; 0: there is none, as of a connection
 * that is not accepted yet. */
static __always_inline u64 inode_of(struct sock *sk)
{
	struct socket_alloc *alloc;
	struct inode *inode;

	if (!bpf_core_type_exists(struct socket_alloc))
		return 0;
	/* its first member */
	alloc = (void *)LOAD(struct sock, sk, sk_socket);
	if (!alloc)
		return 0;
	inode = (void *)alloc + bpf_core_field_offset(struct socket_alloc, vfs_inode);
	return LOAD(struct inode, inode, i_ino);
}

#endif
