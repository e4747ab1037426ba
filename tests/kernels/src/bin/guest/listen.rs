//! `nfscope-guest listen`

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use anyhow::{Context, Result};
use clap::ValueEnum;

/// Take connections or datagrams until killed; what comes is thrown away.
/// Prints `listening` once packets are taken.
#[derive(clap::Args)]
pub struct Arguments {
    /// What to listen for.
    #[arg(value_enum)]
    protocol: Protocol,
    /// Where.
    address: SocketAddr,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
}

/// Run it.
///
/// # Errors
/// When the address cannot be had.
pub fn run(arguments: &Arguments) -> Result<()> {
    let address = arguments.address;
    let context = || format!("cannot listen on {address}");
    match arguments.protocol {
        Protocol::Tcp => {
            let listener = TcpListener::bind(address).with_context(context)?;
            announce()?;
            for stream in listener.incoming().flatten() {
                thread::spawn(move || drain(stream));
            }
        }
        Protocol::Udp => {
            let socket = UdpSocket::bind(address).with_context(context)?;
            announce()?;
            let mut buffer = [0; 2048];
            while socket.recv_from(&mut buffer).is_ok() {}
        }
    }
    Ok(())
}

fn announce() -> Result<()> {
    println!("listening");
    io::stdout().flush()?;
    Ok(())
}

fn drain(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
}
