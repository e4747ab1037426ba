//! Expressions that fail by themselves: what they were to load is not there,
//! or a limit is reached.

use super::extensions::extension;
use super::headers::{ETH_P_IP, base};
use super::rule::PacketFacts;
use super::track::Track;
use super::value::Style;
use crate::netlink::expr::{ExthdrKind, Kind, Limit, Payload, Unit};

/// What an expression that stands for itself is called in a rule.
pub(super) fn words(kind: &Kind, style: Style) -> Option<String> {
    Some(match kind {
        Kind::Limit(limit) => limit_text(limit, style),
        Kind::Quota { bytes, over, .. } => {
            format!("quota {}{}", if *over { "over " } else { "" }, size(*bytes))
        }
        Kind::Connlimit { count, over } => {
            format!("ct count {}{count}", if *over { "over " } else { "" })
        }
        Kind::Match(name, _) => format!("xt match \"{name}\""),
        Kind::Target(name, _) => format!("xt target \"{name}\""),
        Kind::Objref { kind, object } => format!("{} name \"{object}\"", object_kind(*kind)),
        Kind::Tproxy { .. } => "tproxy".into(),
        Kind::Synproxy { .. } => "synproxy".into(),
        Kind::Fwd { .. } => "fwd".into(),
        Kind::FlowOffload(table) => format!("flow add @{table}"),
        Kind::Counter { .. } => "counter".into(),
        Kind::Last(_) => "last".into(),
        Kind::ExthdrSet { what, number, from } => {
            let how = if from.is_some() { "set" } else { "reset" };
            format!("{} {how}", extension(*what, *number).0)
        }
        Kind::PayloadSet(payload, _) => {
            format!(
                "@{},{},{} set",
                payload.base,
                u64::from(payload.offset) * 8,
                u64::from(payload.length) * 8
            )
        }
        _ => return None,
    })
}

/// The name of an iptables match.
pub(super) fn xt_match(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Match(name, _) => Some(name),
        _ => None,
    }
}

/// Why an expression fails that is no comparison and has no set; none if it
/// cannot.
pub(super) fn reason(track: &Track, kind: &Kind, packet: &PacketFacts<'_>) -> Option<String> {
    Some(match kind {
        Kind::Payload(payload, _) | Kind::PayloadSet(payload, _) => {
            payload_reason(payload, track, packet)
        }
        Kind::Inner { tunnel, .. } => match tunnel {
            1 => "packet has no vxlan tunnel with these bytes inside".into(),
            2 => "packet has no geneve tunnel with these bytes inside".into(),
            _ => "packet has no such tunnel with these bytes inside".into(),
        },
        Kind::Meta(key, _) => meta(*key).into(),
        Kind::Ct { key, .. } => ct(*key).into(),
        Kind::Exthdr { what, number, .. } => match what {
            ExthdrKind::Ipv6 => {
                format!("packet has no {} extension header", extension(*what, *number).0)
            }
            ExthdrKind::Sctp => format!("packet has no {}", extension(*what, *number).0),
            _ => format!("packet has no {}, or a shorter one", extension(*what, *number).0),
        },
        Kind::ExthdrSet { .. } => "packet has no such option".into(),
        Kind::Fib { .. } => "packet is neither IPv4 nor IPv6, or its header is incomplete".into(),
        Kind::Rt(1, _) => "packet has no route yet, or is not IPv4".into(),
        Kind::Rt(2, _) => "packet has no route yet, or is not IPv6".into(),
        Kind::Rt(..) => "packet has no route yet".into(),
        Kind::Socket { key: 0, .. } => "packet belongs to no local socket".into(),
        Kind::Socket { key: 3, .. } => {
            "packet belongs to no local socket, or its control group is not that deep".into()
        }
        Kind::Socket { .. } => "packet belongs to no open local socket".into(),
        Kind::Tunnel { mode: 0, .. } => "packet has no tunnel metadata".into(),
        Kind::Tunnel { .. } => "packet has no tunnel metadata of that direction".into(),
        Kind::Xfrm { outward: false, .. } => {
            "packet did not come through such an IPsec state".into()
        }
        Kind::Xfrm { .. } => "packet's route has no such IPsec state".into(),
        Kind::Osf { .. } => "packet is no TCP SYN".into(),
        Kind::Limit(Limit { over: false, .. }) => "the rate is exceeded".into(),
        Kind::Limit(_) => "the rate is not exceeded".into(),
        Kind::Quota { over: false, .. } => "the quota is used up".into(),
        Kind::Quota { .. } => "the quota is not used up yet".into(),
        Kind::Connlimit { count, over: false } => {
            format!("there are more than {count} connections")
        }
        Kind::Connlimit { count, .. } => format!("there are no more than {count} connections"),
        Kind::Match(name, _) => format!("iptables' match {name} does not match"),
        Kind::Target(name, _) => format!("iptables' target {name} did not let the rule go on"),
        Kind::Objref { kind: 2, .. } => "the quota does not let it pass".into(),
        Kind::Objref { kind: 4, .. } => "the limit does not let it pass".into(),
        Kind::Objref { kind: 5, .. } => "the number of connections does not let it pass".into(),
        Kind::Objref { kind: 9, .. } => "no connection can be expected for this packet".into(),
        Kind::Objref { .. } => "the object did not let it pass".into(),
        Kind::Tproxy { .. } => {
            "no transparent socket listens for this packet, or it is neither tcp nor udp".into()
        }
        Kind::Synproxy { .. } => "packet is no TCP packet".into(),
        Kind::Fwd { .. } => "packet is not of the protocol that is forwarded".into(),
        Kind::FlowOffload(_) => "packet's connection cannot be taken into the flow table".into(),
        Kind::Cmp(..)
        | Kind::Range { .. }
        | Kind::Lookup { .. }
        | Kind::Dynset(_)
        | Kind::ObjrefMap { .. }
        | Kind::MetaSet(..)
        | Kind::CtSet { .. }
        | Kind::Numgen(..)
        | Kind::Hash { .. }
        | Kind::Immediate(..)
        | Kind::Bitwise { .. }
        | Kind::Byteorder { .. }
        | Kind::Counter { .. }
        | Kind::Last(_)
        | Kind::Log { .. }
        | Kind::Nat { .. }
        | Kind::Masq(_)
        | Kind::Redir(_)
        | Kind::Reject { .. }
        | Kind::Queue(_)
        | Kind::Dup { .. }
        | Kind::Notrack
        | Kind::Other => return None,
    })
}

/// `nft_payload_eval`: no link header, no known or complete transport header,
/// too few bytes.
fn payload_reason(payload: &Payload, track: &Track, packet: &PacketFacts<'_>) -> String {
    match payload.base {
        base::LINK => "packet has no link header here, or a shorter one".into(),
        base::NETWORK => "packet is too short".into(),
        base::TRANSPORT if later_fragment(track, packet) => {
            "packet is a later fragment, without a transport header".into()
        }
        base::TRANSPORT | base::INNER => {
            "packet is too short, a later fragment, or its transport protocol is not known".into()
        }
        _ => "packet has no such bytes".into(),
    }
}

/// Whether the packet is surely an IPv4 fragment other than the first.
fn later_fragment(track: &Track, packet: &PacketFacts<'_>) -> bool {
    let Some(&[version, _, _, _, _, _, high, low, ..]) = packet.network else { return false };
    let ipv4 = track.protocols.network == Some(ETH_P_IP) || track.protocols.network.is_none();
    ipv4 && version >> 4 == 4 && u16::from_be_bytes([high, low]) & 0x1fff != 0
}

/// `nft_meta_get_eval`, `net/netfilter/nft_meta.c`;
/// `nft_meta_bridge_get_eval`, `net/bridge/netfilter/nft_meta_bridge.c`
fn meta(key: u32) -> &'static str {
    match key {
        8 | 21 => "packet has no input device",
        9 | 22 => "packet has no output device",
        10 | 11 => "packet belongs to no open local socket",
        13 => "packet has no route yet",
        16 => "packet's transport protocol is not known",
        28 | 29 => "packet did not arrive on a port of a bridge that filters VLANs",
        37 => "packet did not arrive on a bridge's port",
        19 => "packet's destination is not known",
        23 => "packet belongs to no local socket",
        26 => "packet's input device is of no kind, or there is none",
        27 => "packet's output device is of no kind, or there is none",
        _ => "packet has no such value",
    }
}

/// `nft_ct_get_eval`, `net/netfilter/nft_ct.c`
fn ct(key: u32) -> &'static str {
    match key {
        6 => "packet's connection has no helper, or it belongs to none",
        19 | 20 => "packet belongs to no IPv4 connection",
        21 | 22 => "packet belongs to no IPv6 connection",
        _ => "packet belongs to no connection (untracked or invalid)",
    }
}

/// `NFT_OBJECT_*`
fn object_kind(kind: u32) -> String {
    match kind {
        1 => "counter".into(),
        2 => "quota".into(),
        3 => "ct helper".into(),
        4 => "limit".into(),
        5 => "ct count".into(),
        6 => "tunnel".into(),
        7 => "ct timeout".into(),
        8 => "secmark".into(),
        9 => "ct expectation".into(),
        10 => "synproxy".into(),
        other => format!("object of type {other}"),
    }
}

/// A rate as nft prints it.
fn limit_text(limit: &Limit, style: Style) -> String {
    /// What one gets without a number; nft did not write it once.
    const USUAL_PACKETS: u32 = 5;
    let over = if limit.over { "over " } else { "" };
    let unit = match limit.seconds {
        1 => "second".into(),
        60 => "minute".into(),
        3600 => "hour".into(),
        86_400 => "day".into(),
        604_800 => "week".into(),
        other => format!("{other} seconds"),
    };
    let burst = match limit.unit {
        _ if limit.burst == 0 => String::new(),
        Unit::Packets if limit.burst == USUAL_PACKETS && style == Style::Before => String::new(),
        Unit::Packets => format!(" burst {} packets", limit.burst),
        Unit::Bytes => format!(" burst {}", size(limit.burst.into())),
    };
    match limit.unit {
        Unit::Packets => format!("limit rate {over}{}/{unit}{burst}", limit.rate),
        Unit::Bytes => format!("limit rate {over}{}/{unit}{burst}", size(limit.rate)),
    }
}

/// A number of bytes as nft prints it: in the greatest unit that is exact.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".into(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} mbytes", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} kbytes", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_sizes_read_as_nft_prints_them() {
        let styled = |rate, seconds, burst, unit, over, style| {
            limit_text(&Limit { rate, seconds, burst, unit, over }, style)
        };
        let limit =
            |rate, seconds, burst, unit, over| styled(rate, seconds, burst, unit, over, Style::Now);
        let before = styled(10, 1, 5, Unit::Packets, false, Style::Before);
        assert_eq!(before, "limit rate 10/second");
        let now = limit(10, 1, 5, Unit::Packets, false);
        assert_eq!(now, "limit rate 10/second burst 5 packets");
        assert_eq!(
            limit(3, 60, 9, Unit::Packets, true),
            "limit rate over 3/minute burst 9 packets"
        );
        assert_eq!(
            limit(10 << 20, 1, 100 << 10, Unit::Bytes, true),
            "limit rate over 10 mbytes/second burst 100 kbytes"
        );
        assert_eq!(size(1000), "1000 bytes");
    }
}
