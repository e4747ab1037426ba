//! What conntrack calls invalid, whether that is logged, and its table when it is full.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Context, bail};
use etherparse::PacketBuilder;
use socket2::{Domain, Protocol, Socket, Type};

use super::kernel_log::KernelLog;
use super::place::{Place, TABLE, need, wait};
use super::proof::{Proof, Seen};
use super::settings::values;
use crate::doctor::families::{self, Loggers};
use crate::doctor::modprobe::{Modprobe, loaded};
use crate::doctor::{first_namespace_logs_all, setting};

const TOPIC: &str = "conntrack";
/// What a rule needs that asks for a connection's state.
const MODULES: [&str; 3] = ["nf_tables", "nf_conntrack", "nft_ct"];
/// Two numbers, at least one of which is far behind any window.
const NUMBERS: [u32; 2] = [1, 1 << 31 | 1];
const WINDOW: u16 = 1024;
const HOPS: u8 = 64;
/// `IPPROTO_TCP`, and `nf_conntrack_log_invalid` for all protocols.
const TCP: u32 = 6;
const ALL: u32 = 255;
/// Tables that can be filled by connections.
const SMALL: usize = 64;

/// All of them; nothing is claimed of a conntrack that is not there.
pub fn proofs(modprobe: &Modprobe) -> Vec<Proof> {
    if !loaded("nf_conntrack") {
        return Vec::new();
    }
    let ready = || need(modprobe, &MODULES);
    let mut all = Vec::new();
    for (value, whose) in values("netfilter.nf_conntrack_tcp_be_liberal") {
        let fate = if value == "0" { "invalid" } else { "not invalid" };
        let claimed = format!(
            "nf_conntrack_tcp_be_liberal is {value} ({whose}): segments behind the window are {fate}"
        );
        all.push(Proof::of(TOPIC, claimed, ready().and_then(|()| liberal(&value))));
    }
    let registered = matches!(Loggers::read().kernel_log(families::ALL[0].number), Some(Some(_)));
    let seen_at_all = registered && first_namespace_logs_all() == Some(true);
    for (value, whose) in values("netfilter.nf_conntrack_log_invalid") {
        let on = value.parse().is_ok_and(|number: u32| number == TCP || number == ALL);
        let claimed =
            format!("nf_conntrack_log_invalid is {value} ({whose}): invalid segments are ");
        let claimed = claimed
            + match (on, seen_at_all) {
                (true, true) => "in the kernel log, where its logger is bound",
                (true, false) => {
                    "not in the kernel log but for the first namespace: no logger, or \
                     nf_log_all_netns is 0"
                }
                (false, _) => "not in the kernel log",
            };
        let seen = ready().and_then(|()| logged(&value, on && seen_at_all));
        all.push(Proof::of(TOPIC, claimed, seen));
    }
    // 0 is no limit
    let number = |name: &str| setting(name)?.parse::<usize>().ok();
    if let Some(most) =
        number("netfilter.nf_conntrack_max").filter(|most| (1..=SMALL).contains(most))
    {
        let claimed =
            format!("nf_conntrack_max is {most}: packets of further connections are dropped");
        all.push(Proof::of(TOPIC, claimed, ready().and_then(|()| full(most))));
    }
    all
}

/// A namespace in which connections are followed.
fn place() -> anyhow::Result<Place> {
    let place = Place::new()?;
    let rules = format!(
        "table ip {TABLE} {{ chain c {{ type filter hook input priority 0; ct state new accept; \
         }}; }}\n"
    );
    place.run("nft", &["-f", "-"], &rules)?;
    Ok(place)
}

fn liberal(value: &str) -> Seen {
    let place = place()?;
    place.set("netfilter.nf_conntrack_tcp_be_liberal", value)?;
    let before = invalid(&place)?;
    stray_segments(&place)?;
    // On the way out they are judged before this goes on.
    let count = invalid(&place)? - before;
    let text = if count > 0 { "the kernel counted invalid" } else { "none was counted invalid" };
    Ok(((count > 0) == (value == "0"), text.into()))
}

fn logged(value: &str, expected: bool) -> Seen {
    let mut kernel_log = KernelLog::open()?;
    let place = place()?;
    place.set("netfilter.nf_conntrack_tcp_be_liberal", "0")?;
    place.set("netfilter.nf_conntrack_log_invalid", value)?;
    let port = format!("DPT={} ", stray_segments(&place)?);
    let parts = ["nf_ct_proto_6", port.as_str()];
    let found = match expected {
        true => wait(|| Ok(kernel_log.find(&parts)?.map(|_| ())))?.is_some(),
        false => kernel_log.find(&parts)?.is_some(),
    };
    let text = if found { "a line in the kernel log" } else { "no line in the kernel log" };
    Ok((found == expected, text.into()))
}

/// So many connections as there is room for, and one packet more.
fn full(most: usize) -> Seen {
    let place = place()?;
    let dropped = place.within(move || -> anyhow::Result<bool> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let mut all = Vec::new();
        for _ in 0..most {
            all.push((TcpStream::connect(address)?, listener.accept()?));
        }
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(socket.send_to(b"nfscope", address).is_err())
    })??;
    let text = if dropped { "the packet was dropped" } else { "the packet was sent" };
    Ok((dropped, text.into()))
}

/// A connection, and segments of it that are behind its window, one of them at least. Its
/// port.
fn stray_segments(place: &Place) -> anyhow::Result<u16> {
    place.within(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let _accepted = listener.accept()?;
        let own = stream.local_addr()?.port();
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))
            .context("cannot open a raw socket")?;
        let local = Ipv4Addr::LOCALHOST;
        for number in NUMBERS {
            let builder = PacketBuilder::ipv4(local.octets(), local.octets(), HOPS)
                .tcp(own, port, number, WINDOW)
                .ack(number);
            let mut packet = Vec::with_capacity(builder.size(1));
            builder.write(&mut packet, b"x")?;
            socket.send_to(&packet, &SocketAddrV4::new(local, 0).into())?;
        }
        Ok(port)
    })?
}

/// How many packets conntrack called invalid: the column of that name, of each processor.
fn invalid(place: &Place) -> anyhow::Result<u64> {
    let text = place.read("stat/nf_conntrack")?;
    let mut lines = text.lines();
    let at = lines.next().and_then(|names| names.split_whitespace().position(|n| n == "invalid"));
    let Some(at) = at else { bail!("conntrack counts nothing invalid") };
    let number = |line: &str| u64::from_str_radix(line.split_whitespace().nth(at)?, 16).ok();
    Ok(lines.filter_map(number).sum())
}
