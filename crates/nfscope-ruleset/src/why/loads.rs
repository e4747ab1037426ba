//! What the expressions load that take nothing from the packet's bytes.

use nfscope_event::Family;

use super::field::{Field, Says};
use super::value::{Order, Type};
use crate::netlink::expr::{Direction, Kind, Register};

/// Length of an interface's name in a register (`IFNAMSIZ`), and of other
/// names.
const NAME: usize = 16;

/// What an expression loads, and where; none for one that loads packet data
/// or computes from registers, and for what is not known here.
pub(super) fn field(kind: &Kind, family: Family) -> Option<(Field, Register)> {
    Some(match *kind {
        Kind::Meta(key, to) => (meta(key)?, to),
        Kind::Ct { key, direction, to } => (ct(key, direction, family)?, to),
        Kind::Rt(key, to) => (rt(key)?, to),
        Kind::Socket { key, level, to } => (socket(key, level)?, to),
        Kind::Fib { result, flags, to } => (fib(result, flags)?, to),
        Kind::Tunnel { key, mode, to } => (tunnel(key, mode)?, to),
        Kind::Xfrm { key, outward, number, to } => (xfrm(key, outward, number)?, to),
        Kind::Osf { ttl, version, to } => {
            let ttl = match ttl {
                1 => "ttl loose ",
                2 => "ttl skip ",
                _ => "",
            };
            let what = if version { "version" } else { "name" };
            (Field::new(format!("osf {ttl}{what}"), Type::Name, NAME, Says::Is), to)
        }
        Kind::Numgen(numgen, to) => {
            let how = if numgen.random { "random" } else { "inc" };
            let words = format!("numgen {how} mod {}{}", numgen.modulus, plus(numgen.offset));
            (Field::new(words, Type::Number, 4, Says::Was), to)
        }
        Kind::Hash { from: None, modulus, offset, to, .. } => {
            let words = format!("symhash mod {modulus}{}", plus(offset));
            (Field::new(words, Type::Number, 4, Says::Was), to)
        }
        _ => return None,
    })
}

/// The offset of a computed number.
pub(super) fn plus(offset: u32) -> String {
    if offset == 0 { String::new() } else { format!(" offset {offset}") }
}

/// `enum nft_meta_keys`; lengths and order as `nft_meta_get_init` and
/// `nft_meta_get_eval` have them.
fn meta(key: u32) -> Option<Field> {
    let has = |words, kind, length| Field::new(words, kind, length, Says::Has);
    Some(match key {
        0 => has("meta length", Type::Number, 4),
        1 => Field::new("meta protocol", Type::Ethertype, 2, Says::PacketIs),
        2 => has("meta priority", Type::TcHandle, 4),
        3 => has("meta mark", Type::Mark, 4),
        4 => Field::new("iif", Type::Ifindex, 4, Says::ArrivedOn),
        5 => Field::new("oif", Type::Ifindex, 4, Says::LeavesBy),
        6 => Field::new("iifname", Type::Ifname, NAME, Says::ArrivedOn),
        7 => Field::new("oifname", Type::Ifname, NAME, Says::LeavesBy),
        8 => Field::new("iiftype", Type::Iftype, 2, Says::DeviceIs),
        9 => Field::new("oiftype", Type::Iftype, 2, Says::DeviceIs),
        10 => Field::new("meta skuid", Type::Number, 4, Says::Is),
        11 => Field::new("meta skgid", Type::Number, 4, Says::Is),
        12 => Field::new("meta nftrace", Type::Number, 1, Says::Is),
        13 => has("meta rtclassid", Type::Number, 4),
        14 => has("meta secmark", Type::Number, 4),
        15 => Field::new("meta nfproto", Type::Nfproto, 1, Says::PacketIs),
        16 => Field::new("meta l4proto", Type::Protocol, 1, Says::PacketIs),
        17 => Field::new("meta ibrname", Type::Ifname, NAME, Says::ArrivedOn),
        18 => Field::new("meta obrname", Type::Ifname, NAME, Says::LeavesBy),
        19 => Field::new("meta pkttype", Type::Pkttype, 1, Says::Is),
        20 => Field::new("meta cpu", Type::Number, 4, Says::Is),
        21 => Field::new("iifgroup", Type::Number, 4, Says::Is),
        22 => Field::new("oifgroup", Type::Number, 4, Says::Is),
        23 => Field::new("meta cgroup", Type::Number, 4, Says::Is),
        24 => Field::big("meta random", Type::Number, 4, Says::Was),
        25 => Field::new("meta ipsec", Type::Existence, 1, Says::Is),
        26 => Field::new("meta iifkind", Type::Name, NAME, Says::Is),
        27 => Field::new("meta oifkind", Type::Name, NAME, Says::Is),
        28 => Field::new("meta ibrpvid", Type::Number, 2, Says::Is),
        29 => Field::big("meta ibrvproto", Type::Ethertype, 2, Says::Is),
        30 => Field::new("meta time", Type::Time, 8, Says::ItIs),
        31 => Field::new("meta day", Type::Day, 1, Says::ItIs),
        32 => Field::new("meta hour", Type::Hour, 4, Says::ItIs),
        33 => Field::new("meta sdif", Type::Ifindex, 4, Says::Is),
        34 => Field::new("meta sdifname", Type::Ifname, NAME, Says::Is),
        35 => Field::new("meta broute", Type::Number, 1, Says::Is),
        37 => Field::new("meta ibrhwaddr", Type::Ether, 6, Says::Is),
        _ => return None,
    })
}

/// `enum nft_ct_keys`. Both directions have the same words otherwise.
fn ct(key: u32, direction: Option<Direction>, family: Family) -> Option<Field> {
    let of = match direction {
        Some(Direction::Original) => "original ",
        Some(Direction::Reply) => "reply ",
        None => "",
    };
    let is =
        |words: &str, kind, length| Field::new(format!("ct {of}{words}"), kind, length, Says::Is);
    Some(match key {
        0 => is("state", Type::CtState, 4),
        1 => is("direction", Type::CtDirection, 1),
        2 => is("status", Type::CtStatus, 4),
        3 => is("mark", Type::Mark, 4),
        4 => is("secmark", Type::Number, 4),
        5 => is("expiration", Type::Milliseconds, 4),
        6 => is("helper", Type::Name, NAME),
        7 => is("l3proto", Type::Nfproto, 1),
        8 | 9 => {
            let end = if key == 8 { "saddr" } else { "daddr" };
            match family {
                Family::Ip => is(&format!("ip {end}"), Type::Ipv4, 4),
                Family::Ip6 => is(&format!("ip6 {end}"), Type::Ipv6, 16),
                // Of which protocol the address is depends on the packet.
                _ => is(end, Type::Raw, 16),
            }
        }
        10 => is("protocol", Type::Protocol, 1),
        11 => is("proto-src", Type::Port, 2),
        12 => is("proto-dst", Type::Port, 2),
        13 => is("label", Type::CtLabel, 16),
        14 => is("packets", Type::Number, 8),
        15 => is("bytes", Type::Number, 8),
        16 => is("avgpkt", Type::Number, 8),
        17 => is("zone", Type::Number, 2),
        19 => is("ip saddr", Type::Ipv4, 4),
        20 => is("ip daddr", Type::Ipv4, 4),
        21 => is("ip6 saddr", Type::Ipv6, 16),
        22 => is("ip6 daddr", Type::Ipv6, 16),
        23 => Field { order: Order::Big, ..is("id", Type::Number, 4) },
        _ => return None,
    })
}

/// `enum nft_rt_keys`
fn rt(key: u32) -> Option<Field> {
    Some(match key {
        0 => Field::new("rt classid", Type::Number, 4, Says::Is),
        1 => Field::new("rt ip nexthop", Type::Ipv4, 4, Says::Is),
        2 => Field::new("rt ip6 nexthop", Type::Ipv6, 16, Says::Is),
        3 => Field::new("rt mtu", Type::Number, 2, Says::Is),
        4 => Field::new("rt ipsec", Type::Existence, 1, Says::Is),
        _ => return None,
    })
}

/// `enum nft_socket_keys`
fn socket(key: u32, level: u32) -> Option<Field> {
    Some(match key {
        0 => Field::new("socket transparent", Type::Number, 1, Says::Is),
        1 => Field::new("socket mark", Type::Mark, 4, Says::Is),
        2 => Field::new("socket wildcard", Type::Number, 1, Says::Is),
        3 => Field::new(format!("socket cgroupv2 level {level}"), Type::Number, 8, Says::Is),
        _ => return None,
    })
}

/// `enum nft_fib_result`, `enum nft_fib_flags`
fn fib(result: u32, flags: u32) -> Option<Field> {
    /// `NFTA_FIB_F_PRESENT`
    const PRESENT: u32 = 1 << 5;
    let keys = ["saddr", "daddr", "mark", "iif", "oif"];
    let keys = keys.into_iter().enumerate().filter(|(bit, _)| flags & 1 << bit != 0);
    let keys = keys.map(|(_, key)| key).collect::<Vec<_>>().join(" . ");
    let is =
        |what: &str, kind, length| Field::new(format!("fib {keys} {what}"), kind, length, Says::Is);
    Some(match (result, flags & PRESENT != 0) {
        (1, true) => is("oif", Type::Existence, 1),
        (2, true) => is("oifname", Type::Existence, 1),
        (1, false) => is("oif", Type::Ifindex, 4),
        (2, false) => is("oifname", Type::Ifname, NAME),
        (3, _) => is("type", Type::Addrtype, 4),
        _ => return None,
    })
}

/// `enum nft_tunnel_keys`, `enum nft_tunnel_mode`
fn tunnel(key: u32, mode: u32) -> Option<Field> {
    let mode = match mode {
        0 => "",
        1 => " rx",
        2 => " tx",
        _ => return None,
    };
    Some(match key {
        0 => Field::new(format!("tunnel path{mode}"), Type::Existence, 1, Says::Is),
        1 => Field::new(format!("tunnel id{mode}"), Type::Number, 4, Says::Is),
        _ => return None,
    })
}

/// `enum nft_xfrm_keys`
fn xfrm(key: u32, outward: bool, number: u32) -> Option<Field> {
    let direction = if outward { "out" } else { "in" };
    let number = if number == 0 { String::new() } else { format!(" spnum {number}") };
    let words = |key: &str| format!("ipsec {direction}{number} {key}");
    Some(match key {
        1 => Field::new(words("ip daddr"), Type::Ipv4, 4, Says::Is),
        2 => Field::new(words("ip6 daddr"), Type::Ipv6, 16, Says::Is),
        3 => Field::new(words("ip saddr"), Type::Ipv4, 4, Says::Is),
        4 => Field::new(words("ip6 saddr"), Type::Ipv6, 16, Says::Is),
        5 => Field::new(words("reqid"), Type::Number, 4, Says::Is),
        6 => Field::big(words("spi"), Type::Number, 4, Says::Is),
        _ => return None,
    })
}
