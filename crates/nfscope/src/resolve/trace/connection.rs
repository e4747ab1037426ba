//! Connections and their mappings.

use nfscope_collect::trace::{Connection, Tuple};
use nfscope_event::{Conntrack, Mapped, Step};

/// `IPS_SRC_NAT`, `IPS_DST_NAT`
/// (`include/uapi/linux/netfilter/nf_conntrack_common.h`)
const SRC_NAT: u64 = 1 << 4;
const DST_NAT: u64 = 1 << 5;

/// The connection in words.
pub(super) fn conntrack(c: &Connection) -> Conntrack {
    let tuple = |t: Tuple| nfscope_event::Tuple {
        protocol: t.protocol,
        source: t.source,
        source_port: t.source_port,
        destination: t.destination,
        destination_port: t.destination_port,
    };
    // include/uapi/linux/netfilter/nf_conntrack_common.h, enum ip_conntrack_info
    let (state, is_reply) = match c.info {
        0 => ("established", false),
        1 => ("related", false),
        2 => ("new", false),
        3 => ("established", true),
        4 => ("related", true),
        5 => ("new", true),
        7 => ("untracked", false),
        _ => ("", false),
    };
    let mut conntrack = Conntrack {
        state: if state.is_empty() { c.info.to_string() } else { state.to_string() },
        is_reply,
        id: None,
        source_nat: None,
        destination_nat: None,
        address: (c.address != 0).then_some(c.address),
        zone: c.zone,
        mark: c.mark,
        original: c.original.map(tuple),
        reply: c.reply.map(tuple),
    };
    // each bit is of the original direction; replies are mapped back
    let [source, destination] = if is_reply { [DST_NAT, SRC_NAT] } else { [SRC_NAT, DST_NAT] };
    let mappings = conntrack.mappings(is_reply);
    conntrack.source_nat = mappings.0.filter(|_| c.status & source != 0);
    conntrack.destination_nat = mappings.1.filter(|_| c.status & destination != 0);
    conntrack
}

/// The step of a rule that mapped addresses.
pub(super) fn mapped(traversal: u32, connection: &Connection) -> Step {
    let conntrack = conntrack(connection);
    let (source, destination) = conntrack.mappings(false);
    Step::Mapped(Box::new(Mapped { traversal, source, destination, conntrack }))
}
