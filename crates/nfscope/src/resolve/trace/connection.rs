//! Connections and their mappings.

use nfscope_collect::trace::{Connection, Tuple};
use nfscope_event::{Conntrack, Mapped, Step};

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
    Conntrack {
        state: if state.is_empty() { c.info.to_string() } else { state.to_string() },
        is_reply,
        address: (c.address != 0).then_some(c.address),
        zone: c.zone,
        mark: c.mark,
        original: c.original.map(tuple),
        reply: c.reply.map(tuple),
    }
}

/// The step of a rule that mapped addresses.
pub(super) fn mapped(traversal: u32, connection: &Connection) -> Step {
    let conntrack = conntrack(connection);
    Step::Mapped(Box::new(Mapped {
        traversal,
        source: conntrack.source_mapping(),
        destination: conntrack.destination_mapping(),
        conntrack,
    }))
}
