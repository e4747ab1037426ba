//! ctnetlink's requests (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`).

use std::net::{Ipv4Addr, Ipv6Addr};

use nfscope_event::{ConntrackChange, Family};
use nfscope_ruleset::netlink::{Attribute, Attributes, Message, Messages};

/// `NFNL_SUBSYS_CTNETLINK`, `NFNL_SUBSYS_CTNETLINK_EXP`
const CONNECTIONS: u16 = 1;
const EXPECTATIONS: u16 = 2;
/// `IPCTNL_MSG_CT_NEW`, `IPCTNL_MSG_CT_DELETE`; of expectations the same
const NEW: u16 = 0;
const DELETE: u16 = 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`
const TUPLES: [u16; 2] = [1, 2];
/// `CTA_EXPECT_TUPLE`
const EXPECT_TUPLE: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
/// `CTA_PROTO_NUM`, `CTA_PROTO_SRC_PORT`, `CTA_PROTO_DST_PORT`
const NUMBER: u16 = 1;
const PORTS: [(u16, &str); 2] = [(2, "sport"), (3, "dport")];

/// What a request asks for.
pub fn changes(bytes: &[u8]) -> Vec<ConntrackChange> {
    Messages::new(bytes).filter_map(|message| change(&message)).collect()
}

fn change(message: &Message<'_>) -> Option<ConntrackChange> {
    let all = message.attributes();
    let (table, tuple) = match message.kind >> 8 {
        CONNECTIONS => ("conntrack", TUPLES.iter().find_map(|kind| all.get(*kind))),
        EXPECTATIONS => ("expect", all.get(EXPECT_TUPLE)),
        _ => return None,
    };
    let operation = match (message.kind & 0xff, tuple) {
        (NEW, _) => "new",
        (DELETE, Some(_)) => "delete",
        (DELETE, None) => "flush",
        _ => return None,
    };
    // ctnetlink_del_conntrack() flushes all families for those who give no version,
    // ctnetlink_del_expect() for everybody
    let all_families = operation == "flush" && (message.version() == 0 || table == "expect");
    Some(ConntrackChange {
        operation: operation.into(),
        table: table.into(),
        family: Family::from_nfproto(message.family()).filter(|_| !all_families),
        tuple: tuple.map(|tuple| show(tuple.nested())),
        // marks, zones, states: all that is left
        filtered: operation == "flush" && all.count() > 0,
    })
}

fn show(tuple: Attributes<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(addresses) = tuple.get(TUPLE_IP) {
        // CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST
        for one in addresses.nested() {
            let name = if one.kind % 2 == 1 { "src" } else { "dst" };
            if let Ok(bytes) = <[u8; 4]>::try_from(one.payload) {
                parts.push(format!("{name}={}", Ipv4Addr::from(bytes)));
            } else if let Ok(bytes) = <[u8; 16]>::try_from(one.payload) {
                parts.push(format!("{name}={}", Ipv6Addr::from(bytes)));
            }
        }
    }
    if let Some(protocol) = tuple.get(TUPLE_PROTOCOL).map(Attribute::nested) {
        parts.extend(protocol.get(NUMBER).and_then(Attribute::u8).map(|n| format!("proto={n}")));
        for (kind, name) in PORTS {
            let port = protocol.get(kind).and_then(Attribute::u16);
            parts.extend(port.map(|port| format!("{name}={port}")));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = (20 + payload.len() as u32).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend([0; 10]);
        out.extend([family, 0, 0, 0]);
        out.extend(payload);
        out
    }

    #[test]
    fn a_flush_and_a_connection() {
        let flush = &changes(&message(CONNECTIONS << 8 | DELETE, 2, &[]))[0];
        assert_eq!((flush.operation.as_str(), flush.family), ("flush", None));
        assert!(flush.tuple.is_none() && !flush.filtered);
        let mut versioned = message(CONNECTIONS << 8 | DELETE, 2, &[]);
        versioned[17] = 1;
        assert_eq!(changes(&versioned)[0].family, Some(Family::Ip));
        // CTA_TUPLE_ORIG { CTA_TUPLE_IP { CTA_IP_V4_SRC } }
        let tuple = [16, 0, 1, 0x80, 12, 0, 1, 0x80, 8, 0, 1, 0, 10, 0, 0, 1];
        let delete = &changes(&message(CONNECTIONS << 8 | DELETE, 0, &tuple))[0];
        assert_eq!(
            (delete.operation.as_str(), delete.tuple.as_deref()),
            ("delete", Some("src=10.0.0.1"))
        );
        assert_eq!(delete.family, None);
    }
}
