//! Packets whose transport header is made here; the kernel adds the rest.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use socket2::{Protocol, Socket, Type};

use super::{
    Common, outcome,
    wire::{self, Flags},
};

const IPPROTO_SCTP: u8 = 132;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
/// Source port where none is given.
const PORT: u16 = 40000;

/// A raw socket has no ports: it connects to the address alone. Returns the
/// addresses that go into the checksum.
fn open(common: &Common, to: IpAddr, protocol: u8) -> Result<(Socket, IpAddr)> {
    let common = Common { port: None, ..*common };
    let socket =
        common.socket(SocketAddr::new(to, 0), Type::RAW, Protocol::from(i32::from(protocol)))?;
    let from = socket.local_addr()?.as_socket().context("the socket has no address")?.ip();
    Ok((socket, from))
}

/// TCP segments, each with a sequence number of its own.
pub fn segments(common: &Common, to: SocketAddr, flags: Flags) -> Result<()> {
    let (socket, from) = open(common, to.ip(), wire::IPPROTO_TCP)?;
    let port = common.port.unwrap_or(PORT);
    common.repeat(|number| {
        let segment = wire::tcp(from, to.ip(), port, to.port(), flags, 1000 + number);
        outcome(socket.send(&segment))
    })
}

/// SCTP packets with one INIT chunk.
pub fn sctp(common: &Common, to: SocketAddr) -> Result<()> {
    let (socket, _) = open(common, to.ip(), IPPROTO_SCTP)?;
    let packet = wire::sctp_init(common.port.unwrap_or(PORT), to.port());
    common.repeat(|_| outcome(socket.send(&packet)))
}

/// ICMP or ICMPv6 messages with rising sequence numbers.
pub fn icmp(common: &Common, to: IpAddr, kind: Option<u8>, code: u8, id: u16) -> Result<()> {
    let (protocol, echo) = match to {
        IpAddr::V4(_) => (wire::IPPROTO_ICMP, ECHO_REQUEST),
        IpAddr::V6(_) => (wire::IPPROTO_ICMPV6, ECHO_REQUEST_V6),
    };
    let (socket, from) = open(common, to, protocol)?;
    let mut sequence: u16 = 0;
    common.repeat(|_| {
        sequence = sequence.wrapping_add(1);
        let message = wire::icmp(from, to, kind.unwrap_or(echo), code, id, sequence);
        outcome(socket.send(&message))
    })
}
