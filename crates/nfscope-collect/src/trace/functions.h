/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel functions that packets pass. Each program is for the functions that
 * have the packet as their argument of one number. `pass` programs tell of
 * selected packets only; `door` programs stand where a packet's headers are
 * there, ahead of the hooks, and select as the chains do.
 */
#ifndef NFSCOPE_FUNCTIONS_H
#define NFSCOPE_FUNCTIONS_H

static __always_inline void tell_function(u64 skb, struct tracked *t, u64 function)
{
	struct call *p = reserve(sizeof(*p), t);

	if (!p)
		return;
	head(&p->head, RECORD_FUNCTION, skb, t);
	p->function = function;
	p->has_packet = p->unused = 0;
	send(p);
}

static __always_inline bool on_wanted_device(struct sk_buff *skb)
{
	struct net_device *dev = READ_POINTER(skb, dev);
	u64 name[2] = {};

	if (!dev)
		return false;
	BPF_CORE_READ_STR_INTO(&name, dev, name);
	return name[0] == cfg.only_device_name[0] && name[1] == cfg.only_device_name[1];
}

/* A packet that was not selected comes to a door. */
static __always_inline void arrive(u64 key, u64 function, struct cpu_scratch *c, struct scratch *s)
{
	struct sk_buff *skb = POINTER(struct sk_buff, KERNEL_SK_BUFF, key);
	u32 netns = netns_of_packet(skb);
	struct arrival *a;
	struct tracked *t;

	if (cfg.only_pid && !process_wanted(skb))
		return;
	if (cfg.only_netns && netns != cfg.only_netns)
		return;
	if (cfg.only_device && !on_wanted_device(skb))
		return;
	if (!wanted(skb, s))
		return;
	t = select(key, &c->blank);
	a = t ? reserve(sizeof(*a) + FRAME_EXTRA + cfg.snap_bytes, t) : 0;
	if (!a)
		return;
	head(&a->call.head, RECORD_FUNCTION, key, t);
	a->call.head.time = t->start;
	a->call.function = function;
	a->call.has_packet = 1;
	a->call.unused = 0;
	packet_part(&a->base, a->base.frame, skb, netns);
	send(a);
}

static __always_inline void passed(u64 skb, u64 function)
{
	struct tracked *t = find(skb);

	if (t && !t->freed)
		tell_function(skb, t, function);
}

static __noinline int came(u64 skb, u64 function)
{
	struct tracked *t = find(skb);
	struct cpu_scratch *c;
	u64 level;

	if (t && !t->freed) {
		tell_function(skb, t, function);
		return 0;
	}
	if (!skb)
		return 0;
	if (t)
		forget(skb); /* its last decision was not seen; this is another packet */
	c = scratch_of_cpu();
	if (!c)
		return 0;
	level = c->depth++;
	if (level < NEST_DEPTH)
		arrive(skb, function, c, &c->level[level]);
	else
		__sync_fetch_and_add(&lost.nested, 1);
	c->depth--;
	return 0;
}

/*
 * `multi`: 5.18, "bpf: Add multi kprobe link": one program on many functions,
 * which the helper names. `single`: where a kprobe stopped is at or just behind
 * the function's first byte.
 */
#define PASSAGE(number)                                                        \
	SEC("kprobe.multi")                                                    \
	int pass_multi_##number(struct pt_regs *ctx)                           \
	{                                                                      \
		if (lost.active)                                               \
			passed(PT_REGS_PARM##number(ctx), bpf_get_func_ip(ctx)); \
		return 0;                                                      \
	}                                                                      \
	SEC("kprobe")                                                          \
	int pass_single_##number(struct pt_regs *ctx)                          \
	{                                                                      \
		if (lost.active)                                               \
			passed(PT_REGS_PARM##number(ctx), PT_REGS_IP(ctx));    \
		return 0;                                                      \
	}
#define DOOR(number)                                                           \
	SEC("kprobe.multi")                                                    \
	int door_multi_##number(struct pt_regs *ctx)                           \
	{                                                                      \
		return came(PT_REGS_PARM##number(ctx), bpf_get_func_ip(ctx));  \
	}                                                                      \
	SEC("kprobe")                                                          \
	int door_single_##number(struct pt_regs *ctx)                          \
	{                                                                      \
		return came(PT_REGS_PARM##number(ctx), PT_REGS_IP(ctx));       \
	}
PASSAGE(1)
PASSAGE(2)
PASSAGE(3)
PASSAGE(4)
PASSAGE(5)
DOOR(1)
DOOR(2)
DOOR(3)

#endif
