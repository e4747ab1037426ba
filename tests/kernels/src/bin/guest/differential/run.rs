//! One run: fresh namespaces, the plan's rules and packets, the witnesses.

use super::nfscope::{self, Nfscope, Seen};
use crate::compare::Drops;
use crate::generate::Plan;
use crate::generate::place::Node;
use crate::generate::slot::Abilities;
use crate::generate::table::Table;
use crate::oracle::{self, Listeners, Rules};
use crate::traffic::backlog;
use crate::traffic::send::send_all;
use crate::traffic::world::World;
use anyhow::{Result, ensure};
use nfscope_event::Event;
use nfscope_ruleset::netlink::trace::TraceMessage;
use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

/// How long packets may be on their way after the last was sent.
const SETTLE: Duration = Duration::from_millis(1500);

/// How nfscope is started.
#[derive(Clone)]
pub struct NfscopeCommand {
    /// The program.
    pub program: String,
    /// `drops` or `trace`.
    pub command: &'static str,
    /// What follows `--json`.
    pub arguments: Vec<String>,
    /// Whether there is one for each namespace.
    pub each_namespace: bool,
}

impl NfscopeCommand {
    /// Starts one, or one for each namespace, and waits until all watch.
    fn start(&self, world: &World) -> Result<Vec<Nfscope>> {
        if !self.each_namespace {
            return Ok(vec![Nfscope::start(&self.program, self.command, &self.arguments)?]);
        }
        let start = |node| {
            let own = ["--netns".to_owned(), world.name(node)];
            Nfscope::start(&self.program, self.command, &[&self.arguments[..], &own].concat())
        };
        Node::ALL.into_iter().map(start).collect()
    }
}

/// What the witnesses of a run said, as they said it.
pub struct Said {
    /// The rules with their handles, and with their counters after the run.
    pub rules: Rules,
    /// The kernel's trace messages, if they were asked for.
    pub messages: Option<Vec<(Node, Vec<TraceMessage>)>>,
    /// nfscope's events, if it ran.
    pub events: Option<Vec<Event>>,
    /// The namespaces by inode number.
    pub nodes: HashMap<u32, Node>,
}

/// Who dropped what in a run.
pub struct Witnessed {
    /// The rules with their handles, and with their counters after the run.
    pub rules: Rules,
    /// The kernel's trace messages, if they were asked for.
    pub oracle: Option<Drops>,
    /// nfscope's events, if it ran.
    pub nfscope: Option<Seen>,
}

/// Runs the plan, for its drops; `trace` turns the kernel's trace messages on.
pub fn run(
    plan: &Plan,
    abilities: &Abilities,
    name: &str,
    trace: bool,
    command: Option<&NfscopeCommand>,
) -> Result<Witnessed> {
    let Said { rules, messages, events, nodes } = listen(plan, abilities, name, trace, command)?;
    let decide = |messages: Vec<(Node, Vec<_>)>| -> Result<Drops> {
        let mut drops = Drops::new();
        for (node, messages) in messages {
            oracle::decide(node, &messages, &rules, &mut drops)?;
        }
        Ok(drops)
    };
    let oracle = messages.map(decide).transpose()?;
    let nfscope = events.map(|events| nfscope::seen(events, &nodes));
    Ok(Witnessed { rules, oracle, nfscope })
}

/// Runs the plan; `trace` turns the kernel's trace messages on.
pub fn listen(
    plan: &Plan,
    abilities: &Abilities,
    name: &str,
    trace: bool,
    command: Option<&NfscopeCommand>,
) -> Result<Said> {
    let started = Instant::now();
    let world = World::create(name)?;
    for node in Node::ALL {
        let own: String = tables(plan, node).iter().map(|t| t.text()).collect();
        world.load(node, &own)?;
        if trace {
            world.load(node, &oracle::trace_tables(node, abilities))?;
        }
    }
    let nodes: HashMap<u32, Node> =
        Node::ALL.into_iter().map(|node| Ok((world.inode(node)?, node))).collect::<Result<_>>()?;
    let nfscope = command.map(|c| c.start(&world)).transpose()?;
    let listeners = trace.then(|| Listeners::start(&world)).transpose()?;

    let ready = started.elapsed();
    let dropped_before = backlog::dropped()?;
    send_all(&plan.packets, |node| world.name(node))?;
    let sent = started.elapsed();
    backlog::await_empty()?;
    let dropped = backlog::dropped()? - dropped_before;
    ensure!(dropped == 0, "{name} run: the kernel's queues had no room for {dropped} packets");
    let messages = listeners.map(Listeners::finish).transpose()?;
    if messages.is_none() {
        thread::sleep(SETTLE);
    }
    let settled = started.elapsed();
    let events = nfscope.map(finish).transpose()?;
    let ended = started.elapsed();

    let mut rules = Rules::default();
    for node in Node::ALL {
        rules.add(&tables(plan, node), &world.list(node)?)?;
    }
    let count: usize = messages.iter().flatten().map(|(_, messages)| messages.len()).sum();
    println!(
        "{name} run: ready in {ready:.1?}, packets sent in {:.1?}, {count} trace messages, \
         nfscope ended in {:.1?}, all in {:.1?}",
        sent - ready,
        ended - settled,
        started.elapsed(),
    );
    Ok(Said { rules, messages, events, nodes })
}

/// Ends all, and hands out all that they said.
fn finish(all: Vec<Nfscope>) -> Result<Vec<Event>> {
    all.iter().for_each(Nfscope::interrupt);
    let said: Vec<Vec<Event>> = all.into_iter().map(Nfscope::finish).collect::<Result<_>>()?;
    Ok(said.concat())
}

fn tables(plan: &Plan, node: Node) -> Vec<&Table> {
    plan.tables.iter().filter(|table| table.node == node).collect()
}
