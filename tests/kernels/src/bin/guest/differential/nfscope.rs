//! nfscope as witness: `nfscope drops --json`, `nfscope trace --json`.

use crate::compare::{Decision, Drops, Outcome, PacketKey};
use crate::generate::place::Node;
use anyhow::{Context, Result, bail, ensure};
use nfscope_event::{Cause, Drop, Event, Lost, Packet};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long nfscope may take to attach, and to end: on an emulated processor it has tens
/// of thousands of steps to print then.
const PATIENCE: Duration = Duration::from_secs(150);

/// A running nfscope.
pub struct Nfscope {
    child: Child,
    events: Option<JoinHandle<Result<Vec<Event>>>>,
}

impl Nfscope {
    /// Starts it and waits until it watches.
    pub fn start(program: &str, command: &str, arguments: &[String]) -> Result<Self> {
        let mut child = Command::new(program)
            .args([command, "--json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let events = out.map(|out| thread::spawn(move || read_events(BufReader::new(out))));
        let nfscope = Self { child, events };
        let (sender, watching) = mpsc::channel();
        thread::spawn(move || {
            for line in err.into_iter().flat_map(|err| BufReader::new(err).lines()) {
                let Ok(line) = line else { break };
                eprintln!("{line}");
                if line.starts_with("nfscope: watching") {
                    // Nobody waits any more if this took too long.
                    let _ = sender.send(());
                }
            }
        });
        match watching.recv_timeout(PATIENCE) {
            Ok(()) => Ok(nfscope),
            Err(_) => bail!("nfscope ended, or did not say in time that it watches"),
        }
    }

    /// Interrupts it.
    pub fn interrupt(&self) {
        // SAFETY: no pointers are passed; the child has not been waited for,
        // so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGINT) };
    }

    /// Waits for its end, and hands out all that it said.
    pub fn finish(mut self) -> Result<Vec<Event>> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "nfscope does not end on SIGINT");
            thread::sleep(Duration::from_millis(20));
        };
        ensure!(status.success(), "nfscope ended with {status}");
        let Some(events) = self.events.take() else { return Ok(Vec::new()) };
        events.join().map_err(|_| anyhow::anyhow!("reading nfscope's events panicked"))?
    }
}

impl std::ops::Drop for Nfscope {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_events(lines: impl BufRead) -> Result<Vec<Event>> {
    let parse = |line: std::io::Result<String>| {
        let line = line?;
        serde_json::from_str(&line).with_context(|| format!("nfscope printed {line}"))
    };
    lines.lines().map(parse).collect()
}

/// What nfscope saw in the test's namespaces.
#[derive(Default)]
pub struct Seen {
    /// The drops by netfilter.
    pub drops: Drops,
    /// The losses that it admits.
    pub lost: Vec<Lost>,
    /// How many drops of the test's packets it puts into no namespace of the
    /// test.
    pub astray: usize,
}

/// Sorts events: those of `nodes`, which are namespaces by inode number.
pub fn seen(events: Vec<Event>, nodes: &HashMap<u32, Node>) -> Seen {
    let mut seen = Seen::default();
    for event in events {
        match event {
            Event::Notice(notice) => println!("nfscope says: {}", notice.text),
            Event::Lost(lost) => seen.lost.push(lost),
            // another command's events
            Event::Trace(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => {}
            Event::Drop(drop) => {
                let Some(decision) = decision(&drop) else { continue };
                let packet = |node| PacketKey::new(node, addresses(&drop.packet));
                match nodes.get(&drop.netns.inode) {
                    Some(node) => seen.drops.entry(packet(*node)).or_default().push(decision),
                    // Addresses of the test, in whatever namespace.
                    None => seen.astray += usize::from(packet(Node::Sender).tag != 0),
                }
            }
        }
    }
    seen
}

/// What nfscope says of a drop by netfilter; None for any other.
fn decision(drop: &Drop) -> Option<Decision> {
    let (place, outcome) = match &drop.cause {
        Cause::NftRule(rule) => (&rule.place, Outcome::Rule(rule.handle, rule.verdict.clone())),
        Cause::NftPolicy(policy) => (&policy.place, Outcome::Policy),
        Cause::Kernel(kernel) => {
            let by_netfilter = kernel.reason.as_deref() == Some("NETFILTER_DROP")
                || kernel.function.as_deref().is_some_and(in_netfilter);
            return by_netfilter.then(|| unattributed(drop));
        }
        // the generated rulesets have no such rules
        Cause::XtRule(_) | Cause::XtPolicy(_) => return Some(unattributed(drop)),
        Cause::Freed(freed) => {
            let by_netfilter = freed.function.as_deref().is_some_and(in_netfilter);
            return by_netfilter.then(|| unattributed(drop));
        }
    };
    let chain = place.chain.clone().unwrap_or_else(|| "?".to_owned());
    Some(Decision { place: Some((place.family, place.table.clone(), chain)), outcome })
}

fn unattributed(drop: &Drop) -> Decision {
    Decision { place: None, outcome: Outcome::Unattributed(format!("{:?}", drop.cause)) }
}

fn in_netfilter(function: &str) -> bool {
    ["nf_hook_slow", "nft_do_chain", "nf_queue"].iter().any(|name| function.starts_with(name))
}

/// Source and destination address, or ARP's sender and target.
pub fn addresses(packet: &Packet) -> Option<(IpAddr, IpAddr)> {
    match (&packet.ip, &packet.arp) {
        (Some(ip), _) => Some((ip.source, ip.destination)),
        (None, Some(arp)) => Some((arp.sender, arp.target)),
        (None, None) => None,
    }
}
