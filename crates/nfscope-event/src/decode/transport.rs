//! TCP, UDP, SCTP, ICMP and ICMPv6.
//!
//! ```text
//! TCP        0 source port  2 destination port  4 sequence  8 acknowledgement
//!            12 header length, AE flag  13 flags  14 window
//! UDP, SCTP  0 source port  2 destination port
//! ICMP       0 type  1 code  4 echo: id  6 echo: sequence
//! ```

use super::bytes::{u8_at, u16_at, u32_at};
use crate::{Icmp, Ports, Tcp, Transport};

// include/uapi/linux/in.h, in6.h
const IPPROTO_ICMP: u8 = 1;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_ICMPV6: u8 = 58;
const IPPROTO_SCTP: u8 = 132;

pub(super) fn read(protocol: u8, bytes: &[u8]) -> Option<Transport> {
    Some(match protocol {
        IPPROTO_TCP => Transport::Tcp(tcp(bytes)?),
        IPPROTO_UDP => Transport::Udp(ports(bytes)?),
        IPPROTO_SCTP => Transport::Sctp(ports(bytes)?),
        IPPROTO_ICMP => Transport::Icmp(icmp(bytes, &[0, 8])?),
        IPPROTO_ICMPV6 => Transport::Icmpv6(icmp(bytes, &[128, 129])?),
        _ => return None,
    })
}

fn ports(bytes: &[u8]) -> Option<Ports> {
    Some(Ports { source: u16_at(bytes, 0)?, destination: u16_at(bytes, 2)? })
}

fn tcp(bytes: &[u8]) -> Option<Tcp> {
    let flags = u8_at(bytes, 12).zip(u8_at(bytes, 13)).map(|(high, low)| flags(high, low));
    Some(Tcp {
        ports: ports(bytes)?,
        flags,
        seq: u32_at(bytes, 4),
        ack: u32_at(bytes, 8),
        window: u16_at(bytes, 14),
    })
}

/// The flags as tcpdump writes them (print-tcp.c, `tcp_flag_values`).
pub(crate) fn flags(high: u8, low: u8) -> String {
    const LETTERS: [char; 8] = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'];
    let mut text: String =
        (0..8).filter(|bit| low & (1 << bit) != 0).map(|bit| LETTERS[bit]).collect();
    if high & 1 != 0 {
        text.push('e');
    }
    if text.is_empty() {
        text.push_str("none");
    }
    text
}

fn icmp(bytes: &[u8], echoes: &[u8]) -> Option<Icmp> {
    let kind = u8_at(bytes, 0)?;
    let echo = |at| echoes.contains(&kind).then(|| u16_at(bytes, at)).flatten();
    Some(Icmp { kind, code: u8_at(bytes, 1)?, id: echo(4), sequence: echo(6) })
}
