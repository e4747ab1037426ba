/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket that a packet is handed to.
 */
#ifndef NFSCOPE_SOCKET_H
#define NFSCOPE_SOCKET_H

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

static __always_inline void socket_part(struct part_socket *p, struct sock *sk)
{
	p->address = (u64)sk;
	p->inode = inode_of(sk);
	p->family = LOAD(struct sock, sk, __sk_common.skc_family);
	p->kind = LOAD(struct sock, sk, sk_type);
	p->protocol = LOAD(struct sock, sk, sk_protocol);
	p->local_port = LOAD(struct sock, sk, __sk_common.skc_num);
	p->remote_port = bpf_ntohs(LOAD(struct sock, sk, __sk_common.skc_dport));
	p->unused = 0;
	__builtin_memset(p->local, 0, sizeof(p->local));
	__builtin_memset(p->remote, 0, sizeof(p->remote));
	if (p->family == AF_INET) {
		*(u32 *)p->local = LOAD(struct sock, sk, __sk_common.skc_rcv_saddr);
		*(u32 *)p->remote = LOAD(struct sock, sk, __sk_common.skc_daddr);
	} else if (p->family == AF_INET6 &&
		   bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		bpf_core_read(p->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(p->remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

#endif
