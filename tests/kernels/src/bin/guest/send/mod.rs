//! `nfscope-guest send`

mod frame;
mod raw;
mod stream;
mod wire;

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Subcommand;
use socket2::{Domain, Protocol, Socket, Type};

/// Send packets; prints what became of them: `2 sent`, `1 refused`, in order.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// UDP datagrams.
    Udp {
        /// Where to.
        to: SocketAddr,
        #[command(flatten)]
        common: Common,
        /// Bytes of payload.
        #[arg(long, default_value_t = 4)]
        size: usize,
    },
    /// TCP connections: a SYN, what follows, and the end. Where no answer
    /// comes, a guest that stalls for a second sends the SYN again: `segment
    /// --flags S` never does.
    Tcp {
        /// Where to.
        to: SocketAddr,
        #[command(flatten)]
        common: Common,
        /// Milliseconds to wait for an answer.
        #[arg(long, default_value_t = 200)]
        wait: u64,
        /// Disconnect the socket again, as connect(2) to AF_UNSPEC does.
        #[arg(long)]
        disconnect: bool,
    },
    /// TCP segments that belong to no connection.
    Segment {
        /// Where to.
        to: SocketAddr,
        #[command(flatten)]
        common: Common,
        /// Flags as tcpdump writes them: S F R P U and . (acknowledgement).
        #[arg(long, default_value = ".")]
        flags: wire::Flags,
    },
    /// SCTP INIT chunks.
    Sctp {
        /// Where to.
        to: SocketAddr,
        #[command(flatten)]
        common: Common,
    },
    /// ICMP or ICMPv6 messages.
    Icmp {
        /// Where to.
        to: IpAddr,
        #[command(flatten)]
        common: Common,
        /// Type number; an echo request if it is not given.
        #[arg(long = "type")]
        kind: Option<u8>,
        /// Code number.
        #[arg(long, default_value_t = 0)]
        code: u8,
        /// Identifier.
        #[arg(long, default_value_t = 1)]
        id: u16,
    },
    /// An ARP request by a device.
    Arp {
        /// The device.
        device: String,
        /// Whose address is asked for.
        target: std::net::Ipv4Addr,
        /// Who asks.
        sender: std::net::Ipv4Addr,
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
    /// An Ethernet frame, given in hexadecimal.
    Frame {
        /// The device.
        device: String,
        /// The bytes from the destination address on; spaces and colons are ignored.
        bytes: wire::Hex,
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
}

/// Options of all kinds that go through a socket.
#[derive(clap::Args)]
struct Common {
    /// How many.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Source port; with --from too.
    #[arg(long)]
    port: Option<u16>,
    /// Source address.
    #[arg(long)]
    from: Option<IpAddr>,
    /// Packet mark.
    #[arg(long)]
    mark: Option<u32>,
    /// Time to live, or hop limit.
    #[arg(long)]
    ttl: Option<u32>,
    /// Milliseconds between two.
    #[arg(long, default_value_t = 0)]
    gap: u64,
}

impl Common {
    /// A socket with these options. It is never connected, since the kernel
    /// would report a reject for one packet instead of sending the next.
    fn socket(&self, to: IpAddr, kind: Type, protocol: Protocol) -> Result<Socket> {
        let domain = if to.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, kind, Some(protocol)).context("cannot make a socket")?;
        if let Some(mark) = self.mark {
            socket.set_mark(mark).context("cannot set the mark")?;
        }
        match (self.ttl, to) {
            (Some(ttl), IpAddr::V4(_)) => socket.set_ttl_v4(ttl)?,
            (Some(ttl), IpAddr::V6(_)) => socket.set_unicast_hops_v6(ttl)?,
            (None, _) => {}
        }
        // A raw socket has no ports.
        let port = self.port.filter(|_| kind != Type::RAW);
        if self.from.is_some() || port.is_some() {
            let any = match to {
                IpAddr::V4(_) => IpAddr::from([0; 4]),
                IpAddr::V6(_) => IpAddr::from([0; 16]),
            };
            let address = SocketAddr::new(self.from.unwrap_or(any), port.unwrap_or(0));
            socket.set_reuse_address(true)?;
            socket.bind(&address.into()).with_context(|| format!("cannot bind {address}"))?;
        }
        Ok(socket)
    }

    /// The source address that the kernel gives packets to `to`.
    fn source(&self, to: IpAddr) -> Result<IpAddr> {
        let probe = Self { port: None, ..*self }.socket(to, Type::DGRAM, Protocol::UDP)?;
        let any_port = SocketAddr::new(to, 9);
        probe.connect(&any_port.into()).with_context(|| format!("cannot send to {to}"))?;
        let address = probe.local_addr()?.as_socket().context("the socket has no address")?;
        Ok(address.ip())
    }

    /// Do it as often as was asked for; a packet that the kernel refuses to
    /// send (a firewall at its output does that) is an outcome, not an error.
    fn repeat(&self, mut one: impl FnMut(u32) -> Result<&'static str>) -> Result<()> {
        let mut same: Option<(&str, u32)> = None;
        for number in 0..self.count {
            let outcome = one(number)?;
            same = match same {
                Some((word, count)) if word == outcome => Some((word, count + 1)),
                other => {
                    print(other);
                    Some((outcome, 1))
                }
            };
            if self.gap > 0 {
                thread::sleep(Duration::from_millis(self.gap));
            }
        }
        print(same);
        Ok(())
    }
}

fn print(outcomes: Option<(&str, u32)>) {
    if let Some((word, count)) = outcomes {
        println!("{count} {word}");
    }
}

/// One word for what a send call said.
fn outcome(result: std::io::Result<usize>) -> Result<&'static str> {
    use std::io::ErrorKind as Kind;
    match result {
        Ok(_) => Ok("sent"),
        Err(error) => match error.kind() {
            Kind::ConnectionRefused => Ok("refused"),
            Kind::PermissionDenied => Ok("forbidden"),
            Kind::HostUnreachable | Kind::NetworkUnreachable => Ok("unreachable"),
            _ => Err(error).context("cannot send"),
        },
    }
}

/// Run it.
///
/// # Errors
/// When packets cannot be made or handed to the kernel.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Udp { to, common, size } => {
            let socket = common.socket(to.ip(), Type::DGRAM, Protocol::UDP)?;
            let payload = vec![b'n'; *size];
            common.repeat(|_| outcome(socket.send_to(&payload, &(*to).into())))
        }
        What::Tcp { to, common, wait, disconnect } => common
            .repeat(|_| stream::connect(common, *to, Duration::from_millis(*wait), *disconnect)),
        What::Segment { to, common, flags } => raw::segments(common, *to, *flags),
        What::Sctp { to, common } => raw::sctp(common, *to),
        What::Icmp { to, common, kind, code, id } => raw::icmp(common, *to, *kind, *code, *id),
        What::Arp { device, target, sender, count } => frame::arp(device, *sender, *target, *count),
        What::Frame { device, bytes, count } => frame::send(device, &bytes.0, *count),
    }
}
