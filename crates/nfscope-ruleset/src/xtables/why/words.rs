//! Values as iptables writes them.

/// Bits of TCP's flags (`tcp_flag_names` of `extensions/libxt_tcp.c`); the last
/// two have no name there.
const FLAGS: [(u8, &str); 8] = [
    (0x01, "FIN"),
    (0x02, "SYN"),
    (0x04, "RST"),
    (0x08, "PSH"),
    (0x10, "ACK"),
    (0x20, "URG"),
    (0x40, "ECE"),
    (0x80, "CWR"),
];

/// `XT_CONNTRACK_STATE_*`, in the order of `extensions/libxt_conntrack.c`
const STATES: [(u32, &str); 7] = [
    (1, "INVALID"),
    (8, "NEW"),
    (4, "RELATED"),
    (2, "ESTABLISHED"),
    (256, "UNTRACKED"),
    (64, "SNAT"),
    (128, "DNAT"),
];

pub(super) fn flags(bits: u8) -> String {
    let set: Vec<&str> = FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, n)| *n).collect();
    if set.is_empty() { "NONE".into() } else { set.join(",") }
}

pub(super) fn states(bits: u32) -> String {
    let set = STATES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
    set.collect::<Vec<_>>().join(",")
}

/// `80`, `80:90`
pub(super) fn range(low: u16, high: u16) -> String {
    if low == high { low.to_string() } else { format!("{low}:{high}") }
}
