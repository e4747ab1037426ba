//! Sending: one process for each of several shares of the packets.

use super::backlog;
use super::frame;
use super::socket::{FrameSocket, RawSocket};
use super::world::mac;
use crate::generate::packet::PacketPlan;
use crate::generate::place::{Network, Node, Path};
use anyhow::{Context, Result, bail};
use clap::Args;
use nfscope_ruleset::netns;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

/// Sending processes in the sender's namespace.
const SENDERS: usize = 3;
/// Packets that each process sends before it looks whether the kernel keeps up.
const AT_ONCE: usize = 32;

/// One packet to send.
#[derive(Serialize, Deserialize)]
enum Send {
    /// A frame out of a device.
    Frame(String, Vec<u8>),
    /// A packet with its IP header to an address.
    Raw(IpAddr, Vec<u8>),
}

/// Sends the packets that `differential` writes to its standard input.
#[derive(Args)]
pub struct SendArguments {
    /// The network namespace to send from.
    netns: String,
}

/// The namespace that a packet starts in.
fn start(path: Path) -> Node {
    match path {
        Path::FromRouter => Node::Router,
        Path::FromBridge => Node::Bridge,
        _ => Node::Sender,
    }
}

fn prepare(plan: &PacketPlan) -> Send {
    let frame = |from: &str, to: &str| {
        Send::Frame(from.to_owned(), frame::ethernet(plan, (mac(from), mac(to))))
    };
    match plan.path {
        Path::ToRouter | Path::Through => frame("s0", "r0"),
        Path::Bridged => frame("s1", "d1"),
        Path::ToBridge => frame("s1", "br0"),
        Path::FromSender | Path::FromRouter | Path::FromBridge => {
            let network = match plan.network {
                Network::Arp => Network::V4,
                network => network,
            };
            Send::Raw(plan.path.destination(network, plan.selector), frame::ip(plan))
        }
    }
}

/// Sends all packets from several processes at once, and waits for them.
/// `name` gives a namespace's name.
pub fn send_all(packets: &[PacketPlan], name: impl Fn(Node) -> String) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let shares = (0..SENDERS)
        .map(|share| (Node::Sender, share, SENDERS))
        .chain([(Node::Router, 0, 1), (Node::Bridge, 0, 1)]);
    let mut children: Vec<(Child, Vec<u8>)> = Vec::new();
    for (node, share, of) in shares {
        let own = packets.iter().filter(|plan| start(plan.path) == node);
        let sends: Vec<Send> = own.skip(share).step_by(of).map(prepare).collect();
        let child = Command::new(&program)
            .args(["differential-send", &name(node)])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start a sender")?;
        children.push((child, serde_json::to_vec(&sends)?));
    }
    // A sender starts when it has all its packets.
    for (child, sends) in &mut children {
        if let Some(mut input) = child.stdin.take() {
            io::Write::write_all(&mut input, sends)?;
        }
    }
    for (child, _) in &mut children {
        if !child.wait()?.success() {
            bail!("a sender failed");
        }
    }
    Ok(())
}

/// The sending process.
pub fn run(arguments: &SendArguments) -> Result<()> {
    netns::Handle::named(&arguments.netns)?.enter()?;
    let sends: Vec<Send> = serde_json::from_reader(io::stdin().lock())?;
    let raw = RawSocket::open()?;
    let mut devices: Vec<(String, FrameSocket)> = Vec::new();
    for (index, send) in sends.into_iter().enumerate() {
        if index % AT_ONCE == 0 {
            backlog::await_room()?;
        }
        let sent = match send {
            Send::Raw(destination, packet) => raw.send(&packet, destination),
            Send::Frame(device, bytes) => {
                if !devices.iter().any(|(name, _)| *name == device) {
                    devices.push((device.clone(), FrameSocket::open(&device)?));
                }
                let known = devices.iter().find(|(name, _)| *name == device);
                known.map_or(Ok(()), |(_, socket)| socket.send(&bytes))
            }
        };
        match sent {
            // What the output and egress hooks say of a dropped packet.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EPERM | libc::ENOBUFS)) => {}
            sent => sent.context("cannot send a packet")?,
        }
    }
    Ok(())
}
