//! Names that the kernel's type information does not have: macros of sockets and
//! netfilter (`include/linux/socket.h`, `include/uapi/linux/in.h`,
//! `include/uapi/linux/if_ether.h`, `include/uapi/linux/netfilter*`), and where
//! they stand.

/// Names and values.
pub type Table = &'static [(&'static str, i64)];

/// Address families.
pub const FAMILIES: Table = &[
    ("AF_UNSPEC", 0),
    ("AF_UNIX", 1),
    ("AF_INET", 2),
    ("AF_AX25", 3),
    ("AF_BRIDGE", 7),
    ("AF_INET6", 10),
    ("AF_NETLINK", 16),
    ("AF_PACKET", 17),
    ("AF_RDS", 21),
    ("AF_LLC", 26),
    ("AF_MPLS", 28),
    ("AF_CAN", 29),
    ("AF_TIPC", 30),
    ("AF_BLUETOOTH", 31),
    ("AF_RXRPC", 33),
    ("AF_ALG", 38),
    ("AF_VSOCK", 40),
    ("AF_KCM", 41),
    ("AF_QIPCRTR", 42),
    ("AF_SMC", 43),
    ("AF_XDP", 44),
    ("AF_MCTP", 45),
];

/// Families of netfilter (`enum` without a name in `include/uapi/linux/netfilter.h`).
pub const NETFILTER_FAMILIES: Table = &[
    ("NFPROTO_UNSPEC", 0),
    ("NFPROTO_INET", 1),
    ("NFPROTO_IPV4", 2),
    ("NFPROTO_ARP", 3),
    ("NFPROTO_NETDEV", 5),
    ("NFPROTO_BRIDGE", 7),
    ("NFPROTO_IPV6", 10),
];

/// Protocols above IP.
pub const PROTOCOLS: Table = &[
    ("IPPROTO_IP", 0),
    ("IPPROTO_ICMP", 1),
    ("IPPROTO_IGMP", 2),
    ("IPPROTO_IPIP", 4),
    ("IPPROTO_TCP", 6),
    ("IPPROTO_UDP", 17),
    ("IPPROTO_DCCP", 33),
    ("IPPROTO_IPV6", 41),
    ("IPPROTO_GRE", 47),
    ("IPPROTO_ESP", 50),
    ("IPPROTO_AH", 51),
    ("IPPROTO_ICMPV6", 58),
    ("IPPROTO_SCTP", 132),
    ("IPPROTO_L2TP", 115),
    ("IPPROTO_UDPLITE", 136),
    ("IPPROTO_RAW", 255),
    ("IPPROTO_MPTCP", 262),
];

/// States of TCP connections.
pub const STATES: Table = &[
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("TCP_NEW_SYN_RECV", 12),
];

/// Ethernet types, in the machine's order.
pub const ETHERNET: Table = &[
    ("ETH_P_IP", 0x0800),
    ("ETH_P_ARP", 0x0806),
    ("ETH_P_8021Q", 0x8100),
    ("ETH_P_IPV6", 0x86dd),
    ("ETH_P_PPP_SES", 0x8864),
    ("ETH_P_MPLS_UC", 0x8847),
    ("ETH_P_8021AD", 0x88a8),
    ("ETH_P_PAE", 0x888e),
    ("ETH_P_LLDP", 0x88cc),
];

/// Kinds of sockets.
pub const KINDS: Table = &[
    ("SOCK_STREAM", 1),
    ("SOCK_DGRAM", 2),
    ("SOCK_RAW", 3),
    ("SOCK_RDM", 4),
    ("SOCK_SEQPACKET", 5),
    ("SOCK_PACKET", 10),
];

/// Verdicts of hooks.
pub const VERDICTS: Table =
    &[("NF_DROP", 0), ("NF_ACCEPT", 1), ("NF_STOLEN", 2), ("NF_QUEUE", 3), ("NF_REPEAT", 4)];

macro_rules! options {
    ($set:ident $get:ident $prefix:literal $($more:tt)*) => {
        const $set: Table =
            &[(concat!($prefix, "_SET_REPLACE"), 64), (concat!($prefix, "_SET_ADD_COUNTERS"), 65)];
        const $get: Table = &[
            (concat!($prefix, "_GET_INFO"), 64),
            (concat!($prefix, "_GET_ENTRIES"), 65),
            $($more)*
        ];
    };
}
options!(IPT_SET IPT_GET "IPT_SO"
    ("IPT_SO_GET_REVISION_MATCH", 66), ("IPT_SO_GET_REVISION_TARGET", 67));
options!(IP6T_SET IP6T_GET "IP6T_SO"
    ("IP6T_SO_GET_REVISION_MATCH", 68), ("IP6T_SO_GET_REVISION_TARGET", 69),
    ("IP6T_SO_ORIGINAL_DST", 80));
// ARP's tables count on from 32 above
const ARPT_SET: Table = &[("ARPT_SO_SET_REPLACE", 96), ("ARPT_SO_SET_ADD_COUNTERS", 97)];
const ARPT_GET: Table =
    &[("ARPT_SO_GET_INFO", 96), ("ARPT_SO_GET_ENTRIES", 97), ("ARPT_SO_GET_REVISION_TARGET", 99)];
const EBT_SET: Table = &[("EBT_SO_SET_ENTRIES", 128), ("EBT_SO_SET_COUNTERS", 129)];
const EBT_GET: Table = &[
    ("EBT_SO_GET_INFO", 128),
    ("EBT_SO_GET_ENTRIES", 129),
    ("EBT_SO_GET_INIT_INFO", 130),
    ("EBT_SO_GET_INIT_ENTRIES", 131),
];

/// Errors (`include/uapi/asm-generic/errno*.h`; the same on x86-64 and arm64), as
/// functions return them.
const ERRORS: Table = &[
    ("-EPERM", -1),
    ("-ENOENT", -2),
    ("-ESRCH", -3),
    ("-EINTR", -4),
    ("-EIO", -5),
    ("-ENXIO", -6),
    ("-E2BIG", -7),
    ("-EBADF", -9),
    ("-EAGAIN", -11),
    ("-ENOMEM", -12),
    ("-EACCES", -13),
    ("-EFAULT", -14),
    ("-EBUSY", -16),
    ("-EEXIST", -17),
    ("-ENODEV", -19),
    ("-ENOTDIR", -20),
    ("-EISDIR", -21),
    ("-EINVAL", -22),
    ("-ENFILE", -23),
    ("-EMFILE", -24),
    ("-EFBIG", -27),
    ("-ENOSPC", -28),
    ("-EROFS", -30),
    ("-EPIPE", -32),
    ("-ERANGE", -34),
    ("-ENAMETOOLONG", -36),
    ("-ENOSYS", -38),
    ("-ENOTEMPTY", -39),
    ("-ELOOP", -40),
    ("-ENODATA", -61),
    ("-EOVERFLOW", -75),
    ("-ENOTSOCK", -88),
    ("-EDESTADDRREQ", -89),
    ("-EMSGSIZE", -90),
    ("-EPROTOTYPE", -91),
    ("-ENOPROTOOPT", -92),
    ("-EPROTONOSUPPORT", -93),
    ("-EOPNOTSUPP", -95),
    ("-EAFNOSUPPORT", -97),
    ("-EADDRINUSE", -98),
    ("-EADDRNOTAVAIL", -99),
    ("-ENETDOWN", -100),
    ("-ENETUNREACH", -101),
    ("-ECONNABORTED", -103),
    ("-ECONNRESET", -104),
    ("-ENOBUFS", -105),
    ("-EISCONN", -106),
    ("-ENOTCONN", -107),
    ("-ETIMEDOUT", -110),
    ("-ECONNREFUSED", -111),
    ("-EHOSTUNREACH", -113),
    ("-EALREADY", -114),
    ("-EINPROGRESS", -115),
];

const ALL: [Table; 16] = [
    FAMILIES,
    NETFILTER_FAMILIES,
    PROTOCOLS,
    STATES,
    ETHERNET,
    KINDS,
    VERDICTS,
    IPT_SET,
    IPT_GET,
    IP6T_SET,
    IP6T_GET,
    ARPT_SET,
    ARPT_GET,
    EBT_SET,
    EBT_GET,
    ERRORS,
];

/// The value of a name.
pub fn value(name: &str) -> Option<i64> {
    let name = match name.strip_prefix("PF_") {
        Some(family) => format!("AF_{family}"),
        None => name.to_owned(),
    };
    ALL.iter().flat_map(|table| table.iter()).find(|(known, _)| *known == name).map(|(_, v)| *v)
}

/// All names.
pub fn all() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|table| table.iter()).map(|(name, _)| *name)
}

/// The names of errors.
pub fn errors() -> Vec<(String, i64)> {
    ERRORS.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// The names of a function's argument.
pub fn of_argument(function: &str, argument: usize) -> Option<Table> {
    // (struct sock *sk, int cmd, …)
    match (function, argument) {
        ("do_ipt_set_ctl", 1) => Some(IPT_SET),
        ("do_ipt_get_ctl", 1) => Some(IPT_GET),
        ("do_ip6t_set_ctl", 1) => Some(IP6T_SET),
        ("do_ip6t_get_ctl", 1) => Some(IP6T_GET),
        ("do_arpt_set_ctl", 1) => Some(ARPT_SET),
        ("do_arpt_get_ctl", 1) => Some(ARPT_GET),
        ("do_ebt_set_ctl", 1) => Some(EBT_SET),
        ("do_ebt_get_ctl", 1) => Some(EBT_GET),
        ("tcp_set_state", 1) => Some(STATES),
        _ => None,
    }
}

/// The names of a struct's member.
pub fn of_member(parent: Option<&str>, member: &str) -> Option<Table> {
    match (parent, member) {
        (_, "skc_family" | "sa_family" | "ss_family" | "sin_family" | "sin6_family")
        | (Some("proto_ops" | "net_proto_family" | "dst_ops"), "family") => Some(FAMILIES),
        (_, "skc_state") | (Some("inet_timewait_sock"), "tw_substate") => Some(STATES),
        (Some("sock"), "sk_protocol") => Some(PROTOCOLS),
        (Some("iphdr"), "protocol") | (Some("ipv6hdr"), "nexthdr") => Some(PROTOCOLS),
        (Some("sock"), "sk_type") => Some(KINDS),
        (Some("sk_buff"), "protocol") | (Some("ethhdr"), "h_proto") => Some(ETHERNET),
        (Some("nf_hook_state" | "nf_hook_ops" | "nft_af_info"), "pf") => Some(NETFILTER_FAMILIES),
        (Some("nft_table" | "nft_ctx" | "xt_table"), "family" | "af") => Some(NETFILTER_FAMILIES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        assert_eq!(value("AF_INET"), Some(2));
        assert_eq!(value("PF_INET6"), Some(10));
        assert_eq!(value("-EPERM"), Some(-1));
        assert_eq!(value("IPT_SO_GET_ENTRIES"), Some(65));
        assert_eq!(value("nothing"), None);
        assert!(all().count() > 100);
        // no name has two values
        for name in all() {
            let values = ALL.iter().flat_map(|t| t.iter()).filter(|(n, _)| *n == name);
            assert!(values.map(|(_, v)| v).collect::<std::collections::HashSet<_>>().len() == 1);
        }
    }
}
