//! Packets whose transport header is made here; the kernel adds the rest.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use socket2::{Protocol, SockAddr, Socket, Type};

use super::{
    Common, outcome,
    wire::{self, Flags},
};

const IPPROTO_SCTP: u8 = 132;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
/// Source port where none is given.
const PORT: u16 = 40000;

fn open(common: &Common, to: IpAddr, protocol: u8) -> Result<Socket> {
    common.socket(to, Type::RAW, Protocol::from(i32::from(protocol)))
}

/// The destination as a raw socket wants it: IPv6 refuses a port that is not
/// zero or the protocol.
fn address(to: IpAddr) -> SockAddr {
    SocketAddr::new(to, 0).into()
}

/// TCP segments, each with a sequence number of its own.
pub fn segments(common: &Common, to: SocketAddr, flags: Flags) -> Result<()> {
    let socket = open(common, to.ip(), wire::IPPROTO_TCP)?;
    let from = common.source(to.ip())?;
    let port = common.port.unwrap_or(PORT);
    common.repeat(|number| {
        let segment = wire::tcp(from, to.ip(), port, to.port(), flags, 1000 + number);
        outcome(socket.send_to(&segment, &address(to.ip())))
    })
}

/// SCTP packets with one INIT chunk.
pub fn sctp(common: &Common, to: SocketAddr) -> Result<()> {
    let socket = open(common, to.ip(), IPPROTO_SCTP)?;
    let packet = wire::sctp_init(common.port.unwrap_or(PORT), to.port());
    common.repeat(|_| outcome(socket.send_to(&packet, &address(to.ip()))))
}

/// ICMP or ICMPv6 messages with rising sequence numbers.
pub fn icmp(common: &Common, to: IpAddr, kind: Option<u8>, code: u8, id: u16) -> Result<()> {
    let (protocol, echo) = match to {
        IpAddr::V4(_) => (wire::IPPROTO_ICMP, ECHO_REQUEST),
        IpAddr::V6(_) => (wire::IPPROTO_ICMPV6, ECHO_REQUEST_V6),
    };
    let socket = open(common, to, protocol)?;
    let from = common.source(to)?;
    let mut sequence: u16 = 0;
    common.repeat(|_| {
        sequence = sequence.wrapping_add(1);
        let message = wire::icmp(from, to, kind.unwrap_or(echo), code, id, sequence);
        outcome(socket.send_to(&message, &address(to)))
    })
}
