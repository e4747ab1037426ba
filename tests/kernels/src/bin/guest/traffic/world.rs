//! The network namespaces of one run: made, filled with rules, taken away.

use crate::generate::place::Node;
use crate::generate::slot::{Abilities, Ability, Column};
use anyhow::{Context, Result, ensure};
use nfscope_ruleset::netns;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Devices, in the order of their hardware addresses.
const DEVICES: [&str; 9] = ["s0", "r0", "r1", "d0", "s1", "p0", "d1", "p1", "br0"];

/// Links: device and namespace of both ends.
const LINKS: [[(&str, Node); 2]; 4] = [
    [("s0", Node::Sender), ("r0", Node::Router)],
    [("r1", Node::Router), ("d0", Node::Destination)],
    [("s1", Node::Sender), ("p0", Node::Bridge)],
    [("d1", Node::Destination), ("p1", Node::Bridge)],
];

/// Devices with their host part and subnet: `192.168.S.H/24` and `fd02:S::H`.
const ADDRESSES: [(Node, &str, u8, u8); 7] = [
    (Node::Sender, "s0", 0, 1),
    (Node::Router, "r0", 0, 2),
    (Node::Router, "r1", 1, 1),
    (Node::Destination, "d0", 1, 2),
    (Node::Bridge, "br0", 2, 1),
    (Node::Sender, "s1", 2, 2),
    (Node::Destination, "d1", 2, 3),
];

/// Neighbours: namespace, device, neighbour's device. Known from the start,
/// so that no packet waits for an answer.
const NEIGHBOURS: [(Node, &str, &str); 9] = [
    (Node::Sender, "s0", "r0"),
    (Node::Router, "r0", "s0"),
    (Node::Router, "r1", "d0"),
    (Node::Destination, "d0", "r1"),
    (Node::Bridge, "br0", "s1"),
    (Node::Bridge, "br0", "d1"),
    (Node::Sender, "s1", "br0"),
    (Node::Destination, "d1", "s1"),
    (Node::Destination, "d1", "br0"),
];

/// Routes: namespace, IPv4 net, IPv6 net, neighbour's device, own device;
/// without a neighbour the net's addresses are the namespace's own.
const ROUTES: [(Node, &str, &str, Option<&str>, &str); 11] = [
    (Node::Sender, "10.0.0.0/8", "fd01::/16", None, "lo"),
    (Node::Router, "172.20.0.0/16", "fd00:20::/32", None, "lo"),
    (Node::Destination, "172.21.0.0/16", "fd00:21::/32", None, "lo"),
    (Node::Bridge, "172.22.0.0/16", "fd00:22::/32", None, "lo"),
    (Node::Sender, "172.16.0.0/12", "fd00::/16", Some("r0"), "s0"),
    (Node::Router, "172.21.0.0/16", "fd00:21::/32", Some("d0"), "r1"),
    (Node::Router, "10.0.0.0/8", "fd01::/16", Some("s0"), "r0"),
    (Node::Destination, "10.0.0.0/16", "fd01:0::/32", Some("r1"), "d0"),
    (Node::Destination, "10.1.0.0/16", "fd01:1::/32", Some("s1"), "d1"),
    (Node::Bridge, "172.21.0.0/16", "fd00:21::/32", Some("d1"), "br0"),
    (Node::Bridge, "10.0.0.0/8", "fd01::/16", Some("s1"), "br0"),
];

/// Settings of every namespace: no rate limits, no noise, any source address.
const SETTINGS: [(&str, &str); 9] = [
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratemask", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
];

/// How long devices may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hardware address of a device.
pub fn mac(device: &str) -> [u8; 6] {
    let index = DEVICES.iter().position(|d| *d == device);
    [2, 0, 0, 0, 1, index.unwrap_or(DEVICES.len()) as u8]
}

fn mac_text(device: &str) -> String {
    mac(device).map(|byte| format!("{byte:02x}")).join(":")
}

/// The namespaces of one run. Dropping it removes them.
pub struct World {
    prefix: String,
}

impl World {
    /// Makes the namespaces, devices, addresses and routes. `run` tells the
    /// runs of one process apart.
    pub fn create(run: &str) -> Result<Self> {
        let world = Self { prefix: prefix(run) };
        let mut lines: Vec<String> =
            Node::ALL.iter().map(|node| format!("netns add {}", world.name(*node))).collect();
        for [(near, home), (far, away)] in LINKS {
            let end = |device: &str, node| {
                format!("name {device} address {} netns {}", mac_text(device), world.name(node))
            };
            lines.push(format!("link add {} type veth peer {}", end(near, home), end(far, away)));
        }
        run_with_input(Command::new("ip").args(["-batch", "-"]), &lines.join("\n"))?;
        for node in Node::ALL {
            world.within(node, || configure(node))??;
        }
        for node in Node::ALL {
            world.within(node, || await_links(node))??;
        }
        Ok(world)
    }

    /// A namespace's name.
    pub fn name(&self, node: Node) -> String {
        format!("{}-{}", self.prefix, node.name())
    }

    /// A namespace's inode number.
    pub fn inode(&self, node: Node) -> Result<u32> {
        Ok(netns::Handle::named(&self.name(node))?.inode())
    }

    /// Runs `work` in a namespace.
    pub fn within<T>(&self, node: Node, work: impl FnOnce() -> T) -> Result<T> {
        Ok(netns::Handle::named(&self.name(node))?.within(work)?)
    }

    /// Loads rules into a namespace.
    pub fn load(&self, node: Node, text: &str) -> Result<()> {
        self.within(node, || nft(text))?
            .with_context(|| format!("in the namespace {}:\n{text}", node.name()))
    }

    /// `nft -j -a list ruleset` of a namespace.
    pub fn list(&self, node: Node) -> Result<serde_json::Value> {
        let listed = self
            .within(node, || Command::new("nft").args(["-j", "-a", "list", "ruleset"]).output())?;
        let listed = listed.context("cannot run nft")?;
        ensure!(listed.status.success(), "nft: {}", String::from_utf8_lossy(&listed.stderr));
        Ok(serde_json::from_slice(&listed.stdout)?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        remove(&self.prefix);
    }
}

/// Removes the namespaces of all runs of this process.
pub fn remove_all() {
    remove(&prefix(""));
}

/// What the names of this process's namespaces start with.
fn prefix(run: &str) -> String {
    format!("nfscope-{}-{run}", std::process::id())
}

fn remove(prefix: &str) {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(prefix) {
            // Whether it worked or not, there is no more to be done.
            let _ = Command::new("ip").args(["netns", "delete"]).arg(&name).status();
        }
    }
}

/// Devices, addresses, routes and settings of the namespace that the thread
/// is in.
fn configure(node: Node) -> Result<()> {
    for (name, value) in SETTINGS {
        let path = format!("/proc/sys/net/{name}");
        fs::write(&path, value).with_context(|| format!("cannot write {path}"))?;
    }
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"]
    {
        // There only if br_netfilter is.
        let _ = fs::write(format!("/proc/sys/net/bridge/{name}"), "0");
    }
    if node == Node::Router {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
        fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
    }
    let mut lines = vec!["link set lo up".to_owned()];
    if node == Node::Bridge {
        let address = mac_text("br0");
        lines.push(format!("link add br0 address {address} type bridge mcast_snooping 0"));
    }
    for device in devices(node) {
        let port = if device.starts_with('p') { "master br0" } else { "" };
        lines.push(format!("link set {device} addrgenmode none"));
        lines.push(format!("link set {device} {port} up"));
    }
    for (_, device, net, host) in ADDRESSES.iter().filter(|a| a.0 == node) {
        lines.push(format!("addr add 192.168.{net}.{host}/24 dev {device}"));
        lines.push(format!("addr add fd02:{net}::{host}/64 dev {device} nodad"));
    }
    for (_, device, neighbour) in NEIGHBOURS.iter().filter(|n| n.0 == node) {
        for address in addresses(neighbour) {
            let mac = mac_text(neighbour);
            lines.push(format!("neigh add {address} lladdr {mac} dev {device} nud permanent"));
        }
    }
    for (_, v4, v6, neighbour, device) in ROUTES.iter().filter(|r| r.0 == node) {
        let nets = [*v4, *v6].into_iter().enumerate();
        lines.extend(nets.map(|(index, net)| match neighbour {
            None => format!("route add local {net} dev {device}"),
            Some(neighbour) => {
                format!("route add {net} via {} dev {device}", addresses(neighbour)[index])
            }
        }));
    }
    run_with_input(Command::new("ip").args(["-batch", "-"]), &lines.join("\n"))?;
    if node == Node::Bridge {
        let entry = |device: &str, port: &str| {
            format!("fdb replace {} dev {port} master static", mac_text(device))
        };
        let lines = [entry("s1", "p0"), entry("d1", "p1")].join("\n");
        run_with_input(Command::new("bridge").args(["-batch", "-"]), &lines)?;
    }
    Ok(())
}

/// Waits until all devices carry packets: the kernel notices the other end of
/// a cable up to a second later, and drops until then.
fn await_links(node: Node) -> Result<()> {
    let up = |program: &str, state: &str| -> Result<usize> {
        let shown = Command::new(program).args(["-o", "link", "show"]).output()?;
        Ok(String::from_utf8_lossy(&shown.stdout).matches(state).count())
    };
    let deadline = Instant::now() + PATIENCE;
    while up("ip", "state UP")? < devices(node).count()
        || node == Node::Bridge && up("bridge", "state forwarding")? < 2
    {
        ensure!(Instant::now() < deadline, "devices of the {} do not come up", node.name());
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The devices of a namespace but `lo`.
pub fn devices(node: Node) -> impl Iterator<Item = &'static str> {
    let ends = LINKS.iter().flatten().filter(move |(_, home)| *home == node);
    ends.map(|(device, _)| *device).chain((node == Node::Bridge).then_some("br0"))
}

/// IPv4 and IPv6 address of a device.
fn addresses(device: &str) -> [String; 2] {
    let found = ADDRESSES.iter().find(|(_, name, _, _)| *name == device);
    let (net, host) = found.map_or((0, 0), |(_, _, net, host)| (*net, *host));
    [format!("192.168.{net}.{host}"), format!("fd02:{net}::{host}")]
}

/// Loads rules into the namespace that the thread is in.
fn nft(text: &str) -> Result<()> {
    run_with_input(Command::new("nft").args(["-f", "-"]), text)
}

fn run_with_input(command: &mut Command, input: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("cannot run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that has already failed says why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {said}");
    Ok(())
}

/// Asks the running kernel what it takes, in a namespace that goes away.
pub fn abilities() -> Result<Abilities> {
    let trial = thread::spawn(|| -> Result<Abilities> {
        netns::unshare()?;
        let ability = |column: Column| {
            let (hook, device) = column.trial();
            let takes = |rule: &str| {
                let chain = format!("type filter hook {hook} {device} priority 0;");
                let family = column.family();
                nft(&format!("table {family} trial {{\nchain {hook} {{\n{chain}\n{rule}\n}}\n}}\n"))
                    .is_ok()
            };
            let chain = takes("");

            Ability {
                chain,
                reject: chain && takes("reject"),
                queue: chain && takes("queue num 7"),
            }
        };
        Ok(Column::ALL.into_iter().map(|column| (column, ability(column))).collect())
    });
    trial.join().map_err(|_| anyhow::anyhow!("asking the kernel what it takes panicked"))?
}
