//! Values as nft prints them.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::words;

/// In which order a number's bytes lie in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The machine's.
    Host,
    /// The network's.
    Big,
}

impl Order {
    /// The other one; on a big-endian machine there is no other.
    pub(super) fn swapped(self) -> Self {
        match self {
            Self::Host => Self::Big,
            Self::Big => Self::Host,
        }
    }
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A number.
    Number,
    /// A number as `0x00000010`.
    Mark,
    /// Bytes of which nothing is known: `0x…`.
    Raw,
    /// A part of the packet that has no name: `0x7`.
    Part,
    Port,
    Ipv4,
    Ipv6,
    Ether,
    /// `IPPROTO_*`
    Protocol,
    /// `NFPROTO_*`
    Nfproto,
    Ethertype,
    Icmp,
    Icmpv6,
    Igmp,
    Dccp,
    Mobility,
    TcpFlags,
    CtState,
    CtStatus,
    CtDirection,
    /// Bit set of conntrack labels.
    CtLabel,
    /// An interface's name.
    Ifname,
    /// An interface's index.
    Ifindex,
    Iftype,
    Pkttype,
    /// `RTN_*`
    Addrtype,
    ArpOperation,
    Dscp,
    Ecn,
    /// `exists` or `missing`
    Existence,
    /// A string in quotes.
    Name,
    Day,
    /// Seconds since midnight, UTC.
    Hour,
    /// Nanoseconds since 1970, UTC.
    Time,
    /// Milliseconds.
    Milliseconds,
    /// A traffic control class: `1:2`.
    TcHandle,
}

/// Which of nft's ways to write a condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// As of nftables 1.1: `tcp flags & (syn | ack) == syn`.
    #[default]
    Now,
    /// As of nftables 1.0: `tcp flags syn / syn,ack`.
    Before,
}

/// What printing some values needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Interfaces of the namespace, by index.
    pub(super) interfaces: Vec<(u32, String)>,
    /// Seconds that local time is ahead of UTC.
    pub(super) utc_offset: i64,
    pub(super) style: Style,
}

impl Type {
    /// The order of its numbers, unless somebody swapped them.
    pub(super) fn order(self) -> Order {
        match self {
            Self::Port
            | Self::Ipv4
            | Self::Ipv6
            | Self::Ether
            | Self::Ethertype
            | Self::ArpOperation
            | Self::Raw
            | Self::Part => Order::Big,
            _ => Order::Host,
        }
    }

    /// Whether a part of it from its start is written as a prefix.
    pub(super) fn is_address(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    /// The words of its bits, if it is a set of flags.
    pub(super) fn flag_words(self) -> Option<&'static [(&'static str, u32)]> {
        match self {
            Self::TcpFlags => Some(words::TCP_FLAGS),
            Self::CtState => Some(words::CT_STATES),
            Self::CtStatus => Some(words::CT_STATUS),
            _ => None,
        }
    }

    fn table(self) -> Option<&'static [(&'static str, u32)]> {
        Some(match self {
            Self::Protocol => words::PROTOCOLS,
            Self::Nfproto => words::NFPROTOS,
            Self::Ethertype => words::ETHERTYPES,
            Self::Icmp => words::ICMP_TYPES,
            Self::Icmpv6 => words::ICMPV6_TYPES,
            Self::Igmp => words::IGMP_TYPES,
            Self::Dccp => words::DCCP_TYPES,
            Self::Mobility => words::MH_TYPES,
            Self::CtDirection => words::CT_DIRECTIONS,
            Self::Iftype => words::IFTYPES,
            Self::Pkttype => words::PKTTYPES,
            Self::Addrtype => words::ADDRTYPES,
            Self::ArpOperation => words::ARP_OPERATIONS,
            Self::Dscp => words::DSCP,
            Self::Ecn => words::ECN,
            _ => return None,
        })
    }

    /// A value in nft's words; in hexadecimal if its length is not the type's.
    pub(super) fn print(self, bytes: &[u8], order: Order, names: &Names) -> String {
        match self {
            Self::Ipv4 => match <[u8; 4]>::try_from(bytes) {
                Ok(octets) => return Ipv4Addr::from(octets).to_string(),
                Err(_) => return hex(bytes),
            },
            Self::Ipv6 => match <[u8; 16]>::try_from(bytes) {
                Ok(octets) => return Ipv6Addr::from(octets).to_string(),
                Err(_) => return hex(bytes),
            },
            Self::Ether => {
                let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                return parts.join(":");
            }
            Self::Ifname => return text(bytes),
            Self::Name => return format!("\"{}\"", text(bytes)),
            Self::CtLabel => return labels(bytes),
            Self::Raw => return hex(bytes),
            Self::Part => {
                let digits = hex(bytes);
                let digits = digits.trim_start_matches("0x").trim_start_matches('0');
                return format!("0x{}", if digits.is_empty() { "0" } else { digits });
            }
            _ => {}
        }
        match number(bytes, order) {
            Some(value) => self.print_number(value, names),
            None => hex(bytes),
        }
    }

    /// A number in nft's words.
    pub(super) fn print_number(self, value: u128, names: &Names) -> String {
        let small = u32::try_from(value).ok();
        if let (Some(flags), Some(small)) = (self.flag_words(), small) {
            let (mut words, left) = words::flags(flags, small);
            let rest = format!("{left:#x}");
            if left != 0 || words.is_empty() {
                words.push(&rest);
            }
            return words.join(",");
        }
        if let Some(word) = self.table().zip(small).and_then(|(table, n)| words::word(table, n)) {
            return word.into();
        }
        match self {
            Self::Mark => format!("{value:#010x}"),
            Self::Ethertype => format!("{value:#06x}"),
            Self::Dscp => format!("{value:#04x}"),
            Self::Existence => if value == 0 { "missing" } else { "exists" }.into(),
            Self::Ifindex if value == 0 => String::new(),
            Self::Ifindex => {
                let known = names.interfaces.iter().find(|(index, _)| Some(*index) == small);
                known.map_or_else(|| value.to_string(), |(_, name)| name.clone())
            }
            Self::Day => match small.and_then(|day| words::word(words::DAYS, day)) {
                Some(day) => format!("\"{day}\""),
                None => value.to_string(),
            },
            Self::Hour => match i64::try_from(value) {
                Ok(seconds) if seconds < DAY => hour(seconds + names.utc_offset),
                _ => value.to_string(),
            },
            Self::Time => match i64::try_from(value) {
                Ok(nanoseconds) => time(nanoseconds.div_euclid(1_000_000_000) + names.utc_offset),
                Err(_) => value.to_string(),
            },
            Self::Milliseconds => match (value / 1000, value % 1000) {
                (seconds, 0) => format!("{seconds}s"),
                (0, milliseconds) => format!("{milliseconds}ms"),
                (seconds, milliseconds) => format!("{seconds}s{milliseconds}ms"),
            },
            Self::TcHandle => match small {
                Some(0) => "none".into(),
                Some(handle) => format!("{:x}:{:x}", handle >> 16, handle & 0xffff),
                None => value.to_string(),
            },
            _ => value.to_string(),
        }
    }
}

const DAY: i64 = 86_400;

fn hour(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(DAY);
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    match seconds {
        0 => format!("\"{hours:02}:{minutes:02}\""),
        _ => format!("\"{hours:02}:{minutes:02}:{seconds:02}\""),
    }
}

/// A time of the proleptic Gregorian calendar from seconds since 1970.
fn time(seconds: i64) -> String {
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Counted from 0000-03-01, in eras of 400 years, so that a leap day is
    // the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("\"{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}\"")
}

/// A number of up to 16 bytes.
pub(super) fn number(bytes: &[u8], order: Order) -> Option<u128> {
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let add = |value: u128, byte: &u8| value << 8 | u128::from(*byte);
    let big = order == Order::Big || cfg!(target_endian = "big");
    Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

/// Bytes as a hexadecimal number, in their order.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A string up to its first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Numbers of the bits that are set; the kernel keeps them in words of the
/// machine's order.
fn labels(bytes: &[u8]) -> String {
    let word = size_of::<usize>();
    let bit = |at: usize| match cfg!(target_endian = "big") {
        true => bytes.get(at / 8 / word * word + word - 1 - at / 8 % word),
        false => bytes.get(at / 8),
    };
    let set = (0..bytes.len() * 8).filter(|&at| bit(at).is_some_and(|b| b & 1 << (at % 8) != 0));
    let numbers: Vec<String> = set.map(|at| at.to_string()).collect();
    if numbers.is_empty() { "none".into() } else { numbers.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_nft_prints_them() {
        let interfaces = vec![(1, "lo".into())];
        let names = Names { interfaces, utc_offset: 3600, style: Style::Now };
        let print = |kind: Type, bytes: &[u8]| kind.print(bytes, kind.order(), &names);
        assert_eq!(print(Type::Port, &[0x23, 0x78]), "9080");
        assert_eq!(print(Type::Ipv4, &[10, 0, 0, 7]), "10.0.0.7");
        assert_eq!(print(Type::Ipv4, &[10, 0, 0]), "0x0a0000");
        assert_eq!(print(Type::Mark, &16u32.to_ne_bytes()), "0x00000010");
        assert_eq!(print(Type::CtState, &6u32.to_ne_bytes()), "established,related");
        assert_eq!(print(Type::CtState, &0u32.to_ne_bytes()), "0x0");
        assert_eq!(print(Type::TcpFlags, &[0x12]), "syn,ack");
        assert_eq!(print(Type::Ifindex, &1u32.to_ne_bytes()), "lo");
        assert_eq!(print(Type::Ifindex, &7u32.to_ne_bytes()), "7");
        assert_eq!(print(Type::Ifname, b"eth0\0\0"), "eth0");
        assert_eq!(print(Type::Ethertype, &[8, 6]), "arp");
        assert_eq!(print(Type::Hour, &32_400u32.to_ne_bytes()), "\"10:00\"");
        assert_eq!(
            print(Type::Time, &1_704_106_800_000_000_000u64.to_ne_bytes()),
            "\"2024-01-01 12:00:00\""
        );
        assert_eq!(print(Type::Milliseconds, &30_000u32.to_ne_bytes()), "30s");
        assert_eq!(print(Type::TcHandle, &0x10002u32.to_ne_bytes()), "1:2");
        assert_eq!(print(Type::Number, &[0; 17]), "0x0000000000000000000000000000000000");
    }

    #[test]
    fn dates_of_leap_years() {
        assert_eq!(time(951_782_400), "\"2000-02-29 00:00:00\"");
        assert_eq!(time(-1), "\"1969-12-31 23:59:59\"");
        assert_eq!(time(4_107_542_399), "\"2100-02-28 23:59:59\"");
        assert_eq!(time(4_107_542_400), "\"2100-03-01 00:00:00\"");
    }
}
