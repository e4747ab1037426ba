// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Netfilter's part in resets: those that it sends for a rule (nf_reject), and what
 * conntrack calls INVALID. The rule is known at the entry of nftables' expression,
 * from where it is left under the packet.
 */
#include "../bpf/kernel.h"
#include <bpf/bpf_tracing.h>

#include "../bpf/bare.h"
#include "resets.h"

const volatile struct config cfg = {};

#include "common.h"
#include "../legacy/table_part.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A packet of rejects once nf_send_reset is called, which answers if it can. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct rejected);
} leaving SEC(".maps");

/* The base chain of a traversal, by its struct nft_pktinfo: where the caller of an
 * expression does not have it any more (5.10, 6.1). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} chains SEC(".maps");

/* nft_do_chain(pkt, chain) */
SEC("kprobe")
int at_chain(struct pt_regs *ctx)
{
	u64 pkt = PT_REGS_PARM1(ctx), chain = PT_REGS_PARM2(ctx);

	bpf_map_update_elem(&chains, &pkt, &chain, 0);
	return 0;
}

/* include/uapi/linux/netfilter/nf_tables.h: enum nft_reject_types; struct
 * nft_reject stands behind the expression's pointer to its functions */
#define NFT_REJECT_TCP_RST 1
#define EXPR_DATA 8

/* An expression with a packet, at the entry of its function. */
static __always_inline void expression(struct pt_regs *ctx, struct rejected *to, u64 *skb)
{
	u64 pkt = PT_REGS_PARM3(ctx), *chain;

	*skb = load_u64(pkt + cfg.nft.pkt_skb);
	to->rule = cfg.eval_rule.kind ? VALUE(eval_rule) : 0;
	chain = cfg.eval_chain.kind ? 0 : bpf_map_lookup_elem(&chains, &pkt);
	to->chain = cfg.eval_chain.kind ? VALUE(eval_chain) : chain ? *chain : 0;
	to->state = load_u64(pkt + cfg.nft.pkt_state);
}

static __always_inline int rejected(struct pt_regs *ctx, struct rejected *to, u64 *skb)
{
	if ((load_u32(PT_REGS_PARM1(ctx) + EXPR_DATA) & 0xff) != NFT_REJECT_TCP_RST)
		return 0;
	expression(ctx, to, skb);
	to->has_rule = HAS_RULE;
	return 1;
}

static __always_inline int report(void *ctx, u64 address, const struct rejected *by)
{
	struct scratch *s = space(SPACE_PROBE);
	struct sk_buff *skb = SKB(address);
	struct reset *r;

	if (!s)
		return 0;
	r = begin(s, RESET_REJECT);
	__builtin_memset(&r->nft, 0, sizeof(r->nft));
	if (!answer(s, skb) || (r->answered.flags & TCPHDR_RST))
		return 0;
	r->skb = address;
	packet_place(r, skb);
	conntrack_word(s, skb, r->answered.seq, by->behind);
	if (by->rule) {
		struct part_base base = {};

		nft_names(&r->nft, by->rule, by->chain, true);
		nft_hook_at(&r->nft, by->state, &base, 0);
		r->has_rule = by->has_rule;
	} else if (by->has_rule == HAS_RULE_OF_TABLE) {
		struct table_rule *t = bpf_map_lookup_elem(&table_rules, &address);

		if (t) {
			table_part(&r->nft, t->entry, &t->note);
			r->has_rule = by->has_rule;
		}
	}
	return finish(ctx, s, true);
}

/* nft_reject_inet_eval, nft_reject_ipv4_eval, nft_reject_ipv6_eval */
SEC("kprobe")
int at_reject_eval(struct pt_regs *ctx)
{
	struct rejected by = {};
	u64 skb;

	if (rejected(ctx, &by, &skb))
		bpf_map_update_elem(&rejects, &skb, &by, 0);
	return 0;
}

/*
 * nft_target_eval_xt(expr, regs, pkt): a target of iptables-nft, which may be another
 * than REJECT and begin with the same number. Its note then stays; user space believes
 * one where this function is on the stack, and the last of a packet is its own then.
 */
SEC("kprobe")
int at_reject_target(struct pt_regs *ctx)
{
	u32 with = load_u32(PT_REGS_PARM1(ctx) + EXPR_DATA);
	struct rejected by = {};
	u64 skb;

	if (with != IPT_TCP_RESET && with != IP6T_TCP_RESET)
		return 0;
	expression(ctx, &by, &skb);
	by.has_rule = HAS_RULE_OF_TARGET;
	bpf_map_update_elem(&rejects, &skb, &by, 0);
	return 0;
}

/* nft_reject_bridge_eval, nft_reject_netdev_eval: they answer by themselves */
SEC("kprobe")
int at_reject_link(struct pt_regs *ctx)
{
	struct rejected by = {};
	u64 skb;

	if (rejected(ctx, &by, &skb))
		report(ctx, skb, &by);
	return 0;
}

/*
 * nf_send_reset(net, sk, skb, hook), nf_send_reset6; (net, skb, hook) before
 * "netfilter: use actual socket sk for REJECT action" (5.11, and back into later
 * 5.10). Where there are no types a number in the third place is the hook.
 */
SEC("kprobe")
int at_reject(struct pt_regs *ctx)
{
	u64 third = PT_REGS_PARM3(ctx), skb;
	struct rejected by = {}, *found;
	struct sk_buff *packet;

	if (cfg.reject_skb.kind)
		skb = VALUE(reject_skb);
	else
		skb = third >> 32 ? third : PT_REGS_PARM2(ctx);
	found = bpf_map_lookup_elem(&rejects, &skb);
	if (found)
		by = *found;
	/* at prerouting there is no route yet, at output there is a socket: a chain may be
	 * before conntrack there */
	packet = SKB(skb);
	by.behind = READ(packet, _skb_refdst) && !READ_POINTER(packet, sk);
	bpf_map_update_elem(&leaving, &skb, &by, 0);
	bpf_map_delete_elem(&rejects, &skb);
	return 0;
}

/* nf_ct_attach(answer, skb): behind all conditions, before the answer goes */
SEC("kprobe")
int at_reject_sent(struct pt_regs *ctx)
{
	u64 skb = PT_REGS_PARM2(ctx);
	struct rejected *found = bpf_map_lookup_elem(&leaving, &skb), by;

	if (!found)
		return 0;
	by = *found;
	bpf_map_delete_elem(&leaving, &skb);
	return report(ctx, skb, &by);
}

/*
 * nf_ct_l4proto_log_invalid(skb, ct, …, format, …): called whether or not the
 * kernel is to log it. The words stand in the format, or are its argument.
 */
SEC("kprobe")
int at_invalid(struct pt_regs *ctx)
{
	struct scratch *s = space(SPACE_PROBE);
	u64 skb = PT_REGS_PARM1(ctx), text = VALUE(invalid_format);
	struct invalid invalid = {};
	u32 format = load_u32(text);
	struct segment segment;

	if (!s)
		return 0;
	begin(s, 0);
	if (!read_segment(s, SKB(skb), &segment))
		return 0;
	invalid.seq = segment.seq;
	invalid.netns = netns_of_packet(SKB(skb));
	invalid.ports = (u32)s->reset.source << 16 | s->reset.destination;
	if ((format & 0xffffff) == ('%' | 's' << 8)) {
		text = VALUE(invalid_first);
	} else if (format == ('%' | 'p' << 8 | 'V' << 16)) {
		/* struct va_format: a format and its arguments */
		text = load_u64(VALUE(invalid_first));
	}
	bpf_probe_read_kernel_str(invalid.text, sizeof(invalid.text), (void *)text);
	bpf_map_update_elem(&invalids, &skb, &invalid, 0);
	return 0;
}
