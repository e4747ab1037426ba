/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs on __nft_trace_packet, called for every matching rule, verdict and
 * policy while the trace key is on. Its arguments changed: (info, chain, type)
 * until 6.3, (pkt, verdict, rule, info, type) since "netfilter: nf_tables:
 * remove unneeded conditional" and its series in 6.4; the loader says in
 * `cfg.trace` which is where. The includer brings `traced(arg)`.
 */
#ifndef NFSCOPE_TRACE_PACKET_H
#define NFSCOPE_TRACE_PACKET_H

SEC("kprobe")
int trace_packet_kprobe(struct pt_regs *ctx)
{
	u64 arg[8] = { PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx),
		       PT_REGS_PARM4(ctx), PT_REGS_PARM5(ctx) };

	traced(arg);
	return 0;
}

SEC("fentry")
int trace_packet_fentry(u64 *ctx)
{
	u64 arg[8] = { ctx[0], ctx[1], ctx[2] };

	if (cfg.trace.type == 4 || cfg.trace.info == 3) {
		arg[3] = ctx[3];
		arg[4] = ctx[4];
	}
	traced(arg);
	return 0;
}

#endif
