//! Matches that look behind the network header: `tcp`, `udp`, `multiport`
//! (`net/netfilter/xt_tcpudp.c`, `net/netfilter/xt_multiport.c`).

use super::super::uapi::u16_at;
use super::changes::Changes;
use super::matches::Look;
use super::outcome::{Compared, Failure, Outcome, all};
use super::packet::{Transport, word};
use super::words;

/// Bytes of the headers; of a packet that has less the kernel drops it.
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// `XT_TCP_INV_FLAGS`, `XT_TCP_INV_OPTION`
const NOT_FLAGS: u8 = 4;
const NOT_OPTION: u8 = 8;
/// `XT_MULTI_PORTS`
const MULTIPORT: usize = 15;

/// A fragment behind the first has no such header.
pub(super) fn rest(name: &str) -> Outcome {
    Outcome::Fails(Failure {
        condition: format!("-m {name}"),
        wanted: None,
        actual: None,
        reason: "packet is a fragment behind the first".into(),
    })
}

fn transport<'a>(look: &Look<'a>) -> Option<Transport<'a>> {
    look.has(Changes::ADDRESSES)?;
    look.packet.transport(look.family)
}

/// `struct xt_tcp`: spts[2] dpts[2] option flg_mask flg_cmp invflags
pub(super) fn tcp(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let transport = transport(look)?;
    if transport.is_rest {
        return Some(rest("tcp"));
    }
    let header = transport.bytes.get(..TCP_HEADER)?;
    let [option, mask, wanted, inverted] = *data.get(8..12)? else { return None };
    let flags = || {
        if mask == 0 && wanted == 0 && inverted & NOT_FLAGS == 0 {
            return Some(Outcome::Matches);
        }
        look.has(Changes::FIELDS)?;
        let actual = *header.get(13)?;
        let compared = Compared {
            option: "-m tcp --tcp-flags".into(),
            inverted: inverted & NOT_FLAGS != 0,
            wanted: format!("{} {}", words::flags(mask), words::flags(wanted)),
            actual: words::flags(actual),
        };
        Some(compared.outcome(actual & mask == wanted))
    };
    let option = || {
        if option == 0 {
            return Some(Outcome::Matches);
        }
        look.has(Changes::FIELDS)?;
        let length = usize::from(*header.get(12)? >> 4) * 4;
        let options = transport.bytes.get(TCP_HEADER..length)?;
        let found = has_option(options, option)?;
        let condition = Compared {
            option: "-m tcp --tcp-option".into(),
            inverted: inverted & NOT_OPTION != 0,
            wanted: option.to_string(),
            actual: if found { "it".into() } else { "none such".into() },
        };
        Some(condition.outcome(found))
    };
    Some(all([two_ports("tcp", data, header, inverted), flags(), option()]))
}

/// `tcp_find_option`: none if the options end within one.
fn has_option(options: &[u8], wanted: u8) -> Option<bool> {
    let mut at = 0;
    while at < options.len() {
        let kind = options[at];
        if kind == wanted {
            return Some(true);
        }
        at += if kind < 2 { 1 } else { usize::from(*options.get(at + 1)?).max(1) };
    }
    Some(false)
}

/// `struct xt_udp`: spts[2] dpts[2] invflags
pub(super) fn udp(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let transport = transport(look)?;
    if transport.is_rest {
        return Some(rest("udp"));
    }
    two_ports("udp", data, transport.bytes.get(..UDP_HEADER)?, *data.get(8)?)
}

fn two_ports(name: &str, data: &[u8], header: &[u8], inverted: u8) -> Option<Outcome> {
    let one = |n: usize| {
        let (low, high) = (u16_at(data, n * 4)?, u16_at(data, n * 4 + 2)?);
        let actual = word(header, n * 2)?;
        let compared = Compared {
            option: format!("-m {name} {}", ["--sport", "--dport"][n]),
            inverted: inverted >> n & 1 != 0,
            wanted: words::range(low, high),
            actual: actual.to_string(),
        };
        Some(compared.outcome((low..=high).contains(&actual)))
    };
    Some(all([one(0), one(1)]))
}

/// `struct xt_multiport_v1`: flags count ports[15] pflags[15] invert
pub(super) fn multiport(data: &[u8], look: &Look<'_>) -> Option<Outcome> {
    let [which, count] = *data.get(..2)? else { return None };
    let inverted = *data.get(2 + MULTIPORT * 3)? != 0;
    let transport = transport(look)?;
    if transport.is_rest {
        return Some(rest("multiport"));
    }
    let (source, destination) = (word(transport.bytes, 0)?, word(transport.bytes, 2)?);
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < usize::from(count).min(MULTIPORT) {
        let low = u16_at(data, 2 + at * 2)?;
        let begins = *data.get(2 + MULTIPORT * 2 + at)? != 0;
        at += usize::from(begins);
        ranges.push((low, if begins { u16_at(data, 2 + at * 2)? } else { low }));
        at += 1;
    }
    let (option, looked) = match which {
        0 => ("--sports", vec![source]),
        1 => ("--dports", vec![destination]),
        2 => ("--ports", vec![source, destination]),
        _ => return None,
    };
    let shown: Vec<String> = ranges.iter().map(|(low, high)| words::range(*low, *high)).collect();
    let actual: Vec<String> = looked.iter().map(u16::to_string).collect();
    let hit = looked.iter().any(|port| ranges.iter().any(|(l, h)| (l..=h).contains(&port)));
    let compared = Compared {
        option: format!("-m multiport {option}"),
        inverted,
        wanted: shown.join(","),
        actual: actual.join(" and "),
    };
    Some(compared.outcome(hit))
}
