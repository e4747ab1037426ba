//! Trace rules in tables of their own, and a listener in each namespace.

use crate::generate::place::Node;
use crate::generate::slot::{Abilities, Column};
use crate::traffic::world::{World, devices};
use anyhow::{Context, Result, anyhow};
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceSocket};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// No message for so long after the last packet means that there is none.
const QUIET: Duration = Duration::from_millis(500);

/// A table for each family that marks every packet first in every hook. Being
/// tables of their own they leave the handles of all others alone.
pub fn trace_tables(node: Node, abilities: &Abilities) -> String {
    let layer3 = ["prerouting", "input", "forward", "output", "postrouting"];
    let mut text = String::new();
    let mut table = |family: &str, chains: Vec<(String, String)>| {
        let _ = writeln!(text, "table {family} trace {{");
        for (name, hook) in chains {
            let header = format!("type filter hook {hook} priority -2000000;");
            let _ = writeln!(text, "chain {name} {{\n{header}\nmeta nftrace set 1\n}}");
        }
        let _ = writeln!(text, "}}");
    };
    let plain = |hooks: &[&str]| hooks.iter().map(|h| ((*h).into(), (*h).into())).collect();
    for family in ["ip", "ip6", "bridge"] {
        table(family, plain(&layer3));
    }
    table("arp", plain(&["input", "output"]));
    let mut netdev = Vec::new();
    for (column, hook) in [(Column::NetdevIngress, "ingress"), (Column::NetdevEgress, "egress")] {
        if abilities.get(&column).is_some_and(|a| a.chain) {
            let chain =
                |device| (format!("{hook}_{device}"), format!("{hook} device \"{device}\""));
            netdev.extend(devices(node).map(chain));
        }
    }
    table("netdev", netdev);
    text
}

/// A thread in each namespace that collects its trace messages.
pub struct Listeners {
    stop: Arc<AtomicBool>,
    threads: Vec<(Node, JoinHandle<Result<Vec<TraceMessage>>>)>,
}

impl Listeners {
    /// Starts listening. Every message from now on is collected.
    pub fn start(world: &World) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for node in Node::ALL {
            let socket = world.within(node, TraceSocket::open)??;
            let stop = Arc::clone(&stop);
            threads.push((node, thread::spawn(move || collect(socket, &stop))));
        }
        Ok(Self { stop, threads })
    }

    /// Waits until no more messages come and hands them out. Any loss is an
    /// error.
    pub fn finish(self) -> Result<Vec<(Node, Vec<TraceMessage>)>> {
        self.stop.store(true, Ordering::Release);
        let finish = |(node, thread): (Node, JoinHandle<Result<_>>)| {
            let messages = thread.join().map_err(|_| anyhow!("a listener panicked"))?;
            Ok((node, messages.with_context(|| format!("the oracle in the {}", node.name()))?))
        };
        self.threads.into_iter().map(finish).collect()
    }
}

fn collect(mut socket: TraceSocket, stop: &AtomicBool) -> Result<Vec<TraceMessage>> {
    let mut messages = Vec::new();
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let came = socket.receive(QUIET, &mut messages)?;
        if stopping && !came {
            return Ok(messages);
        }
    }
}
