//! Settings that decide about packets, at the values that namespaces here have.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use etherparse::PacketBuilder;
use nfscope_ruleset::netns::{self, Handle, Names};

use super::place::{Place, need, wait};
use super::proof::{Proof, Seen};
use crate::doctor::modprobe::Modprobe;
use crate::doctor::setting;

/// Addresses for documentation (RFC 5737): who sends, and who is not here.
const SOURCE: [u8; 4] = [192, 0, 2, 1];
const ELSEWHERE: [u8; 4] = [203, 0, 113, 9];
const LOCAL: [u8; 4] = [127, 0, 0, 1];
const PORT: u16 = 40121;
/// Enough to be forwarded once.
const HOPS: u8 = 2;
/// Namespaces that are named, of those with one value.
const NAMED: usize = 3;

/// All of them.
pub fn proofs(modprobe: &Modprobe) -> Vec<Proof> {
    let mut all = Vec::new();
    for (value, whose) in values("ipv4.conf.all.rp_filter") {
        all.push(rp_filter(&value, &whose, modprobe));
    }
    for (value, whose) in values("ipv4.ip_forward") {
        let claimed = match value.as_str() {
            "0" => format!("ip_forward is 0 ({whose}): packets for others are dropped"),
            _ => format!("ip_forward is {value} ({whose}): packets for others are forwarded"),
        };
        all.push(Proof::of("forwarding", claimed, forward(&value)));
    }
    all
}

/// The values that a setting has in the namespaces that can be seen, and in which.
pub fn values(name: &str) -> BTreeMap<String, String> {
    let (names, home) = (Names::scan(), Handle::current().map(|handle| handle.inode()).ok());
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for inode in netns::all() {
        let value = Handle::find(inode).and_then(|handle| handle.within(|| setting(name)));
        let Ok(Some(value)) = value else { continue };
        let whose = match (home == Some(inode), names.get(inode)) {
            (true, _) => "here".to_owned(),
            (false, Some(name)) => format!("netns {name}"),
            (false, None) => format!("netns {inode}"),
        };
        found.entry(value).or_default().push(whose);
    }
    let joined = |all: Vec<String>| match all.len().checked_sub(NAMED) {
        None | Some(0) => all.join(", "),
        Some(more) => format!("{} and {more} more", all[..NAMED].join(", ")),
    };
    found.into_iter().map(|(value, whose)| (value, joined(whose))).collect()
}

/// With a second device the packet's answer would leave there, else nowhere.
fn rp_filter(value: &str, whose: &str, modprobe: &Modprobe) -> Proof {
    let other = ["veth", "dummy"].into_iter().find(|kind| need(modprobe, &[kind]).is_ok());
    let (way, taken) = match (other, value) {
        (Some(_), "1") => ("whose answer would leave by another device", false),
        (Some(_), _) => ("whose answer would leave by another device", true),
        (None, "0") => ("without a way for an answer", true),
        (None, _) => ("without a way for an answer", false),
    };
    let fate = if taken { "are taken" } else { "are dropped" };
    // the higher of this and the device's own counts
    let claimed = format!(
        "conf.all.rp_filter is {value} ({whose}): packets {way} {fate} at devices whose own is 0"
    );
    Proof::of("rp_filter", claimed, arrives(value, other, taken))
}

fn arrives(value: &str, other: Option<&str>, expected: bool) -> Seen {
    let place = Place::new()?;
    if let Some(kind) = other {
        place.lines(
            "ip",
            &[
                format!("link add other type {kind}"),
                "link set other up".into(),
                "route add 192.0.2.0/24 dev other".into(),
            ],
        )?;
    }
    // The higher of both counts; without the third nothing for 127.0.0.1 arrives from outside.
    place.set("ipv4.conf.all.rp_filter", value)?;
    place.set("ipv4.conf.lo.rp_filter", "0")?;
    place.set("ipv4.conf.lo.route_localnet", "1")?;
    let counted = || place.counter("netstat", "TcpExt", "IPReversePathFilter");
    let before = counted()?;
    let socket = place.within(|| UdpSocket::bind(("0.0.0.0", PORT)))??;
    socket.set_nonblocking(true)?;
    place.arrive(frame(LOCAL)?)?;
    let mut byte = [0];
    let taken = wait(|| {
        if socket.recv(&mut byte).is_ok() {
            return Ok(Some(true));
        }
        Ok((counted()? > before).then_some(false))
    })?;
    Ok(match taken {
        Some(true) => (expected, "taken".into()),
        Some(false) => (!expected, "dropped, counted as IPReversePathFilter".into()),
        None => (false, "neither taken nor counted".into()),
    })
}

fn forward(value: &str) -> Seen {
    let place = Place::new()?;
    place.lines("ip", &["route add 203.0.113.0/24 dev lo".into()])?;
    for name in ["ipv4.ip_forward", "ipv4.conf.lo.forwarding"] {
        place.set(name, value)?;
    }
    for name in ["ipv4.conf.all.rp_filter", "ipv4.conf.lo.rp_filter"] {
        place.set(name, "0")?;
    }
    let counted = || -> anyhow::Result<[u64; 2]> {
        let of = |name| place.counter("snmp", "Ip", name);
        Ok([of("ForwDatagrams")?, of("InAddrErrors")?])
    };
    let before = counted()?;
    place.arrive(frame(ELSEWHERE)?)?;
    let forwarded = wait(|| {
        let now = counted()?;
        Ok(match (now[0] > before[0], now[1] > before[1]) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        })
    })?;
    Ok(match forwarded {
        Some(true) => (value != "0", "forwarded".into()),
        Some(false) => (value == "0", "dropped, counted as InAddrErrors".into()),
        None => (false, "neither forwarded nor counted".into()),
    })
}

/// A datagram as the loopback device takes it.
fn frame(destination: [u8; 4]) -> anyhow::Result<Vec<u8>> {
    let builder =
        PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4(SOURCE, destination, HOPS).udp(PORT, PORT);
    let payload = b"nfscope";
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload)?;
    Ok(frame)
}
