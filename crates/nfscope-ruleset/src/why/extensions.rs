//! Extension headers and options as nft names them (nftables `src/exthdr.c`,
//! `src/tcpopt.c`, `src/ipopt.c`, `src/sctp_chunk.c`).

use super::headers::{Entry, entry};
use super::value::Type;
use crate::netlink::expr::ExthdrKind;

const NEXT: Entry = entry("nexthdr", 0, 8, Type::Protocol);
const LENGTH: Entry = entry("hdrlength", 8, 8, Type::Number);
const TYPE: Entry = entry("type", 16, 8, Type::Number);
const IPV6: &[Entry] = &[NEXT, LENGTH];
const IPV6_ROUTING: &[Entry] = &[NEXT, LENGTH, TYPE, entry("seg-left", 24, 8, Type::Number)];
const IPV6_FRAGMENT: &[Entry] = &[
    NEXT,
    entry("reserved", 8, 8, Type::Number),
    entry("frag-off", 16, 13, Type::Number),
    entry("reserved2", 29, 2, Type::Number),
    entry("more-fragments", 31, 1, Type::Number),
    entry("id", 32, 32, Type::Number),
];
const IPV6_MOBILITY: &[Entry] = &[NEXT, LENGTH, entry("type", 16, 8, Type::Mobility)];

const OPTION_KIND: Entry = entry("kind", 0, 8, Type::Number);
const OPTION_LENGTH: Entry = entry("length", 8, 8, Type::Number);
const TCP: &[Entry] = &[OPTION_KIND, OPTION_LENGTH];
const TCP_MAXSEG: &[Entry] = &[OPTION_KIND, OPTION_LENGTH, entry("size", 16, 16, Type::Number)];
const TCP_WINDOW: &[Entry] = &[OPTION_KIND, OPTION_LENGTH, entry("count", 16, 8, Type::Number)];
const TCP_TIMESTAMP: &[Entry] = &[
    OPTION_KIND,
    OPTION_LENGTH,
    entry("tsval", 16, 32, Type::Number),
    entry("tsecr", 48, 32, Type::Number),
];
const TCP_SACK: &[Entry] = &[
    OPTION_KIND,
    OPTION_LENGTH,
    entry("left", 16, 32, Type::Number),
    entry("right", 48, 32, Type::Number),
];
const TCP_MPTCP: &[Entry] = &[OPTION_KIND, OPTION_LENGTH, entry("subtype", 16, 4, Type::Number)];
const VXLAN: &[Entry] = &[entry("flags", 0, 8, Type::Number), entry("vni", 32, 24, Type::Number)];
const GENEVE: &[Entry] =
    &[entry("type", 16, 16, Type::Ethertype), entry("vni", 32, 24, Type::Number)];
const IPV4: &[Entry] = &[entry("type", 0, 8, Type::Number), OPTION_LENGTH];

/// What a tunnel's header is called (`enum nft_inner_type`), and its fields
/// (nftables `src/proto.c`).
pub(super) fn tunnel(kind: u32) -> (&'static str, &'static [Entry]) {
    match kind {
        1 => ("vxlan", VXLAN),
        2 => ("geneve", GENEVE),
        _ => ("inner", &[]),
    }
}

/// What an extension header or option is called, and its fields.
pub(super) fn extension(what: ExthdrKind, number: u8) -> (String, &'static [Entry]) {
    let (name, fields): (&str, &'static [Entry]) = match (what, number) {
        (ExthdrKind::Ipv6, 0) => ("hbh", IPV6),
        (ExthdrKind::Ipv6, 43) => ("rt", IPV6_ROUTING),
        (ExthdrKind::Ipv6, 44) => ("frag", IPV6_FRAGMENT),
        (ExthdrKind::Ipv6, 60) => ("dst", IPV6),
        (ExthdrKind::Ipv6, 135) => ("mh", IPV6_MOBILITY),
        (ExthdrKind::Tcp, 0) => ("eol", TCP),
        (ExthdrKind::Tcp, 1) => ("nop", TCP),
        (ExthdrKind::Tcp, 2) => ("maxseg", TCP_MAXSEG),
        (ExthdrKind::Tcp, 3) => ("window", TCP_WINDOW),
        (ExthdrKind::Tcp, 4) => ("sack-perm", TCP),
        (ExthdrKind::Tcp, 5) => ("sack", TCP_SACK),
        (ExthdrKind::Tcp, 8) => ("timestamp", TCP_TIMESTAMP),
        (ExthdrKind::Tcp, 19) => ("md5sig", TCP),
        (ExthdrKind::Tcp, 30) => ("mptcp", TCP_MPTCP),
        (ExthdrKind::Tcp, 34) => ("fastopen", TCP),
        (ExthdrKind::Ipv4, 7) => ("rr", IPV4),
        (ExthdrKind::Ipv4, 131) => ("lsrr", IPV4),
        (ExthdrKind::Ipv4, 137) => ("ssrr", IPV4),
        (ExthdrKind::Ipv4, 148) => ("ra", IPV4),
        (ExthdrKind::Sctp, 0) => ("data", &[]),
        (ExthdrKind::Sctp, 1) => ("init", &[]),
        (ExthdrKind::Sctp, 2) => ("init-ack", &[]),
        (ExthdrKind::Sctp, 3) => ("sack", &[]),
        (ExthdrKind::Sctp, 4) => ("heartbeat", &[]),
        (ExthdrKind::Sctp, 5) => ("heartbeat-ack", &[]),
        (ExthdrKind::Sctp, 6) => ("abort", &[]),
        (ExthdrKind::Sctp, 7) => ("shutdown", &[]),
        (ExthdrKind::Sctp, 8) => ("shutdown-ack", &[]),
        (ExthdrKind::Sctp, 9) => ("error", &[]),
        _ => ("", &[]),
    };
    let named = if name.is_empty() { number.to_string() } else { name.into() };
    let words = match what {
        ExthdrKind::Ipv6 => named,
        ExthdrKind::Tcp => format!("tcp option {named}"),
        ExthdrKind::Ipv4 => format!("ip option {named}"),
        ExthdrKind::Sctp => format!("sctp chunk {named}"),
        ExthdrKind::Dccp => format!("dccp option {named}"),
    };
    (words, fields)
}
