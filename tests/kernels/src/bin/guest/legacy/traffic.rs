//! Packets for the random tables.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};

use super::rules::PORTS;
use crate::generate::random::Random;

/// Send UDP packets, and begin TCP connections that nobody need accept, to random
/// ports, slowly: the kernel's log holds only so much.
#[derive(clap::Args)]
pub struct Arguments {
    /// Same seed, same packets.
    #[arg(long)]
    seed: u64,
    /// How many.
    #[arg(long)]
    packets: usize,
    /// Milliseconds between two.
    #[arg(long, default_value_t = 20)]
    pause: u64,
    /// Where they go, without ports.
    #[arg(required = true)]
    addresses: Vec<std::net::IpAddr>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut random = Random::new(arguments.seed);
    let four = UdpSocket::bind("0.0.0.0:0").context("an IPv4 socket")?;
    let six = UdpSocket::bind("[::]:0").context("an IPv6 socket")?;
    let span = (PORTS.end() - PORTS.start()) as usize + 1;
    for _ in 0..arguments.packets {
        let address = *random.pick(&arguments.addresses);
        let to = SocketAddr::new(address, PORTS.start() + random.below(span) as u16);
        // that it is refused or dropped is what the rules are for
        if random.chance(85) {
            let socket = if to.is_ipv4() { &four } else { &six };
            let _ = socket.send_to(b"nfscope", to);
        } else {
            let _ = TcpStream::connect_timeout(&to, Duration::from_millis(30));
        }
        std::thread::sleep(Duration::from_millis(arguments.pause));
    }
    Ok(())
}
