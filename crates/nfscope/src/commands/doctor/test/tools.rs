//! Rules of two tools at once, and bridges that call rules.

use std::net::UdpSocket;

use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::scratch::RuleSpec;

use super::place::{Place, TABLE, need, wait};
use super::proof::{Proof, Seen};
use super::settings::values;
use crate::doctor::modprobe::{Modprobe, loaded};

const PORT: u16 = 40131;
/// Addresses on both sides of the bridge.
const LEFT: &str = "192.0.2.1";
const RIGHT: &str = "192.0.2.2";

/// All of them; nothing is claimed of what is not there.
pub fn proofs(modprobe: &Modprobe) -> Vec<Proof> {
    let mut all = Vec::new();
    if loaded("iptable_filter") && loaded("nf_tables") {
        let claimed = "what a rule of nftables accepts, one of iptables-legacy may drop";
        all.push(Proof::of("both at once", claimed, both()));
    }
    for (value, whose) in values("bridge.bridge-nf-call-iptables") {
        let go = if value == "0" { "do not go" } else { "go" };
        let claimed = format!(
            "bridge-nf-call-iptables is {value} ({whose}): packets that a bridge passes on {go} \
             through nftables' ip tables"
        );
        let modules = ["nf_tables", "nft_counter", "bridge", "veth"];
        let seen = need(modprobe, &modules).and_then(|()| bridged(&value));
        all.push(Proof::of("bridge", claimed, seen));
    }
    all
}

fn both() -> Seen {
    let place = Place::new()?;
    let _table = place.table(-10, vec![RuleSpec::new().udp_to(PORT).verdict(Verdict::Accept)])?;
    place.run("iptables-legacy", &["-A", "OUTPUT", "-p", "udp", "-j", "DROP"], "")?;
    let dropped = place.send(PORT)?.is_err();
    Ok((dropped, if dropped { "dropped" } else { "sent" }.into()))
}

fn bridged(value: &str) -> Seen {
    let (left, bridge, right) = (Place::new()?, Place::new()?, Place::new()?);
    let thread = |place: &Place| {
        place.within(|| rustix::thread::gettid().as_raw_nonzero().get().to_string())
    };
    let words = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    bridge.lines(
        "ip",
        &[
            "link add br0 type bridge".into(),
            format!("link add left type veth peer name eth0 netns {}", thread(&left)?),
            format!("link add right type veth peer name eth0 netns {}", thread(&right)?),
        ],
    )?;
    for port in ["left", "right"] {
        bridge.lines("ip", &[format!("link set {port} master br0 up")])?;
    }
    bridge.lines("ip", &words(&["link set br0 up"]))?;
    for (place, address) in [(&left, LEFT), (&right, RIGHT)] {
        let lines = [format!("addr add {address}/24 dev eth0"), "link set eth0 up".into()];
        place.lines("ip", &lines)?;
    }
    bridge.set("bridge.bridge-nf-call-iptables", value)?;
    let rules = format!(
        "table ip {TABLE} {{ chain c {{ type filter hook forward priority 0; \
         udp dport {PORT} counter drop; }}; }}\n"
    );
    bridge.run("nft", &["-f", "-"], &rules)?;
    let receiver = right.within(|| UdpSocket::bind(("0.0.0.0", PORT)))??;
    receiver.set_nonblocking(true)?;
    let sender = left.within(|| UdpSocket::bind((LEFT, 0)))??;
    let mut byte = [0];
    let passed = wait(|| {
        // the ports of a bridge need a moment
        let _ = sender.send_to(b"nfscope", (RIGHT, PORT));
        if receiver.recv(&mut byte).is_ok() {
            return Ok(Some(true));
        }
        let listed = bridge.run("nft", &["list", "table", "ip", TABLE], "")?;
        Ok((!listed.contains("packets 0 ")).then_some(false))
    })?;
    Ok(match passed {
        Some(true) => (value == "0", "passed on, no rule was asked".into()),
        Some(false) => (value != "0", "dropped by a rule".into()),
        None => (false, "neither passed on nor dropped by a rule".into()),
    })
}
