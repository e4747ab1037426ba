//! Matches whose answer follows from a packet's headers, its mark and its
//! connection's state, evaluated as the kernel does (`net/netfilter/xt_*.c`).
//! Their data is described in `include/uapi/linux/netfilter/xt_*.h`.

use super::super::print::show_address;
use super::super::table::Extension;
use super::super::uapi::{Family, u16_at, u32_at};
use super::changes::Changes;
use super::outcome::{Compared, Outcome, all};
use super::packet::Packet;
use super::ports;
use super::words;

/// What a match looks at.
pub(super) struct Look<'a> {
    pub family: Family,
    pub packet: &'a Packet,
    pub changed: Changes,
}

impl Look<'_> {
    /// Whether fields are as they were recorded; targets change these.
    pub fn has(&self, fields: Changes) -> Option<()> {
        (!self.changed.contains(fields)).then_some(())
    }
}

/// Whether a match says yes.
pub(super) fn evaluate(part: &Extension, look: &Look<'_>) -> Outcome {
    let data = &part.data;
    let outcome = match (part.name.as_str(), part.revision, look.family) {
        ("comment", 0, _) => Some(Outcome::Matches),
        ("tcp", 0, _) => ports::tcp(data, look),
        ("udp", 0, _) => ports::udp(data, look),
        ("multiport", 1, _) => ports::multiport(data, look),
        ("icmp", 0, Family::Ipv4) | ("icmp6", 0, Family::Ipv6) => icmp(&part.name, data, look),
        ("ttl", 0, Family::Ipv4) | ("hl", 0, Family::Ipv6) => life(&part.name, data, look),
        ("tos", 1, _) => tos(data, look),
        ("dscp", 0, _) => dscp(data, look),
        ("length", 0, _) => length(data, look),
        ("mark", 1, _) => mark(data, look),
        ("iprange", 1, _) => range(data, look),
        ("conntrack", 3, _) => connection(data, look),
        _ => None,
    };
    outcome.unwrap_or(Outcome::Unknown)
}

/// `struct ipt_icmp`, `struct ip6t_icmp`: type code[2] invflags
fn icmp(name: &str, data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let [wanted, low, high, inverted] = *data.get(..4)? else { return None };
    look.has(Changes::ADDRESSES)?;
    let transport = look.packet.transport(look.family)?;
    if transport.is_rest {
        return Some(ports::rest(name));
    }
    let [kind, code] = *transport.bytes.get(..2)? else { return None };
    let in_range = kind == wanted && (low..=high).contains(&code);
    let any = look.family == Family::Ipv4 && wanted == u8::MAX;
    let shown = match (low, high) {
        _ if any => "any".to_owned(),
        (0, u8::MAX) => wanted.to_string(),
        (low, high) if low == high => format!("{wanted}/{low}"),
        (low, high) => format!("{wanted}/{low}-{high}"),
    };
    let option = if name == "icmp" { "--icmp-type" } else { "--icmpv6-type" };
    let compared = Compared {
        option: format!("-m {name} {option}"),
        inverted: inverted & 1 != 0,
        wanted: shown,
        actual: format!("{kind}/{code}"),
    };
    Some(compared.outcome(any || in_range))
}

/// `struct ipt_ttl_info`, `struct ip6t_hl_info`: mode value
fn life(name: &str, data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let [mode, value] = *data.get(..2)? else { return None };
    look.has(Changes::FIELDS)?;
    let actual = look.packet.byte(if look.family == Family::Ipv6 { 7 } else { 8 })?;
    let (word, inverted, holds) = match mode {
        0 => ("eq", false, actual == value),
        1 => ("eq", true, actual == value),
        2 => ("lt", false, actual < value),
        3 => ("gt", false, actual > value),
        _ => return None,
    };
    let (wanted, actual) = (value.to_string(), actual.to_string());
    let compared =
        Compared { option: format!("-m {name} --{name}-{word}"), inverted, wanted, actual };
    Some(compared.outcome(holds))
}

/// The type of service, or traffic class.
fn service(look: &Look<'_>) -> Option<u8> {
    look.has(Changes::FIELDS)?;
    match look.family {
        Family::Ipv6 => u8::try_from(look.packet.word(0)? >> 4 & 0xff).ok(),
        _ => look.packet.byte(1),
    }
}

/// `struct xt_tos_match_info`: mask value invert
fn tos(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let [mask, value, inverted] = *data.get(..3)? else { return None };
    let actual = service(look)?;
    let compared = Compared {
        option: "-m tos --tos".into(),
        inverted: inverted != 0,
        wanted: format!("{value:#04x}/{mask:#04x}"),
        actual: format!("{actual:#04x}"),
    };
    Some(compared.outcome(actual & mask == value))
}

/// `struct xt_dscp_info`: dscp invert
fn dscp(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let [value, inverted] = *data.get(..2)? else { return None };
    let actual = service(look)? >> 2;
    let compared = Compared {
        option: "-m dscp --dscp".into(),
        inverted: inverted != 0,
        wanted: format!("{value:#04x}"),
        actual: format!("{actual:#04x}"),
    };
    Some(compared.outcome(actual == value))
}

/// `struct xt_length_info`: min max invert
fn length(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    look.has(Changes::FIELDS)?;
    let (low, high) = (u16_at(data, 0)?, u16_at(data, 2)?);
    // a packet that is longer than its header can say has 0 there
    let length = match look.family {
        Family::Ipv6 => u32::from(look.packet.word(4).filter(|n| *n != 0)?) + 40,
        _ => u32::from(look.packet.word(2).filter(|n| *n != 0)?),
    };
    let compared = Compared {
        option: "-m length --length".into(),
        inverted: *data.get(4)? != 0,
        wanted: words::range(low, high),
        actual: length.to_string(),
    };
    Some(compared.outcome((u32::from(low)..=u32::from(high)).contains(&length)))
}

/// `struct xt_mark_mtinfo1`: mark mask invert
fn mark(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    look.has(Changes::MARK)?;
    let (mark, mask) = (u32_at(data, 0)?, u32_at(data, 4)?);
    let all = if mask == u32::MAX { String::new() } else { format!("/{mask:#x}") };
    let compared = Compared {
        option: "-m mark --mark".into(),
        inverted: *data.get(8)? != 0,
        wanted: format!("{mark:#x}{all}"),
        actual: format!("{:#x}", look.packet.mark),
    };
    Some(compared.outcome(look.packet.mark & mask == mark))
}

/// `struct xt_iprange_mtinfo`: src_min src_max dst_min dst_max (16 bytes each) flags
fn range(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    look.has(Changes::ADDRESSES)?;
    let flags = *data.get(64)?;
    let addresses = look.packet.addresses(look.family)?;
    let len = look.family.layout().address;
    let one = |n: usize| {
        let (low, high) = (data.get(n * 32..)?.get(..len)?, data.get(n * 32 + 16..)?.get(..len)?);
        if flags >> n & 1 == 0 {
            return Some(Outcome::Matches);
        }
        let compared = Compared {
            option: format!("-m iprange {}", ["--src-range", "--dst-range"][n]),
            inverted: flags >> (n + 4) & 1 != 0,
            wanted: format!("{}-{}", show_address(low), show_address(high)),
            actual: show_address(addresses[n]),
        };
        Some(compared.outcome((low..=high).contains(&addresses[n])))
    };
    Some(all([one(0), one(1)]))
}

/// `struct xt_conntrack_mtinfo3`: eight addresses of 16 bytes, expires[2], l4proto,
/// four ports, match_flags@146 invert_flags state_mask status_mask
fn connection(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    /// `XT_CONNTRACK_STATE`
    const STATE: u16 = 1;
    look.has(Changes::CONNECTION)?;
    let (asked, inverted, mask) = (u16_at(data, 146)?, u16_at(data, 148)?, u16_at(data, 150)?);
    if asked & STATE == 0 {
        return None;
    }
    let compared = Compared {
        option: "-m conntrack --ctstate".into(),
        inverted: inverted & STATE != 0,
        wanted: words::states(u32::from(mask)),
        actual: words::states(look.packet.ct_state),
    };
    let state = compared.outcome(u32::from(mask) & look.packet.ct_state != 0);
    // what else it asks is not recorded
    Some(all([Some(state), (asked == STATE).then_some(Outcome::Matches)]))
}
