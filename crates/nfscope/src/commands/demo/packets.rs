//! The demonstration's packets, each for another rule.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use etherparse::PacketBuilder;
use socket2::{Domain, Protocol, Socket, Type};

use super::namespaces::{CLIENT, FIREWALL};

/// How many are sent, not counting retransmissions.
pub const COUNT: usize = TCP_PORTS.len() + UDP_PORTS.len() + 1;

/// A rule by port, a rule in a jumped-to chain, a reject, the policy.
const TCP_PORTS: [u16; 4] = [10000, 8080, 113, 2222];
/// A verdict map's drop, a port without a socket, the policy.
const UDP_PORTS: [u16; 3] = [53, 123, 5353];
/// Less than TCP waits before it sends again.
const CONNECT: Duration = Duration::from_millis(500);

/// Sends them one after the other.
pub fn send() -> anyhow::Result<()> {
    let firewall: Ipv4Addr = FIREWALL.parse()?;
    for port in TCP_PORTS {
        // refused or timed out: as the ruleset wants it
        let _ = TcpStream::connect_timeout(&SocketAddr::from((firewall, port)), CONNECT);
    }
    for port in UDP_PORTS {
        let socket = UdpSocket::bind((CLIENT, 0))?;
        socket.send_to(b"nfscope", (firewall, port))?;
    }
    stray_segment(firewall)
}

/// A TCP segment that belongs to no connection: conntrack calls it invalid.
fn stray_segment(firewall: Ipv4Addr) -> anyhow::Result<()> {
    let client: Ipv4Addr = CLIENT.parse()?;
    let builder = PacketBuilder::ipv4(client.octets(), firewall.octets(), 64)
        .tcp(40000, 443, 1, 1024)
        .fin()
        .ack(1);
    let mut packet = Vec::with_capacity(builder.size(0));
    builder.write(&mut packet, &[])?;
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))
        .context("cannot open a raw socket")?;
    socket.send_to(&packet, &SocketAddr::from((firewall, 0)).into())?;
    Ok(())
}
