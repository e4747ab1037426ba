/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a note of ebtables must prove. The program brings `legacy`, its settings.
 */
#ifndef NFSCOPE_LEGACY_BRIDGE_H
#define NFSCOPE_LEGACY_BRIDGE_H

/* The first eight bytes of the names of ebtables' tables, as numbers. */
#define NAME_FILTER 0x00007265746c6966ULL
#define NAME_NAT 0x000000000074616eULL
#define NAME_BROUTE 0x00006574756f7262ULL

/*
 * Whether a table of ebtables has said drop: what is read must be what it is taken
 * for, and the table not one whose drop means to route the packet.
 */
static __always_inline bool bridge_drops(u64 table, u64 state)
{
	u64 name = load_u64(table + legacy.table_name);
	u32 family = load_u32(state + legacy.state_pf) & 0xff;

	if (family == NFPROTO_BRIDGE && (name == NAME_FILTER || name == NAME_NAT))
		return true;
	if (family != NFPROTO_BRIDGE || name != NAME_BROUTE)
		__sync_fetch_and_add(&lost.notes, 1);
	return false;
}

#endif
