/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket that a packet is handed to.
 */
#ifndef NFSCOPE_SOCKET_H
#define NFSCOPE_SOCKET_H

#include "../bpf/socket.h"

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
