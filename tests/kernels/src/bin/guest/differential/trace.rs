//! Every decision about every packet, in order: the kernel's trace messages
//! against `nfscope trace --all`, and the rules that did not match against the
//! ruleset.

use super::nfscope::addresses;
use super::run::{NfscopeCommand, Said, listen};
use super::ways::{self, Decision, Told, What};
use crate::compare::PacketKey;
use crate::generate::Plan;
use crate::generate::place::Node;
use crate::generate::slot::Abilities;
use crate::oracle::{self, Rules};
use anyhow::{Context, Result, bail, ensure};
use nfscope_event::{ChainRef, Event, Passed, Step, Trace, Verdict as Word};
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceType};
use std::collections::{BTreeMap, HashMap};

/// Packets that are printed when they differ.
const SHOWN: usize = 5;
/// Fewer decisions than this prove nothing.
const ENOUGH: usize = 10_000;
/// Tables of the witnesses: the oracle's, and nfscope's where it listens, too.
const WITNESSES: [&str; 2] = ["trace", "nfscope-trace"];

/// All decisions about a packet in a namespace, in order.
type Ways = BTreeMap<PacketKey, Vec<Told>>;

/// Runs the plan with and without the oracle.
pub fn test(plan: &Plan, abilities: &Abilities, command: &NfscopeCommand) -> Result<()> {
    let traced = listen(plan, abilities, "traced", true, Some(command))?;
    let expected = expected(&traced)?;
    let total: usize = expected.values().map(Vec::len).sum();
    println!("{total} decisions about {} packets", expected.len());
    let listed = command.arguments.iter().any(|argument| argument == "--all");
    let mut problems = check("traced", &expected, &traced, listed)?;
    if total < ENOUGH {
        problems.push(format!("only {total} decisions"));
    }
    let quiet = listen(plan, abilities, "quiet", false, Some(command))?;
    problems.extend(check("quiet", &expected, &quiet, listed)?);
    problems.iter().for_each(|problem| println!("FAILED: {problem}"));
    ensure!(problems.is_empty(), "the differential test of trace failed");
    Ok(())
}

/// Compares a run with the oracle, and with itself spoiled. `listed`: the rules that
/// did not match are to be there.
fn check(name: &str, expected: &Ways, said: &Said, listed: bool) -> Result<Vec<String>> {
    let events = said.events.as_deref().context("nfscope did not run")?;
    let mut problems = Vec::new();
    let mut steps: Vec<&Trace> = Vec::new();
    for event in events {
        match event {
            Event::Trace(trace) => steps.push(trace),
            Event::Lost(lost) => problems.push(format!("{name} run: {lost:?}")),
            Event::Notice(notice) => println!("nfscope says: {}", notice.text),
            Event::Drop(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => {}
        }
    }
    let seen = seen(&steps, &said.nodes);
    let differing = differing(expected, &seen);
    for key in differing.iter().take(SHOWN) {
        println!("DIFFERS: {key}");
        for (who, ways) in [("expected", expected), ("nfscope", &seen)] {
            for told in ways.get(key).into_iter().flatten() {
                println!("    {who}: {}", told.decision);
            }
        }
    }
    let total: usize = seen.values().map(Vec::len).sum();
    println!("{name} run: {total} decisions seen by nfscope, {} packets differ", differing.len());
    if !differing.is_empty() {
        problems.push(format!("{name} run: {} packets differ", differing.len()));
    } else if !spoiled_is_found(expected, seen) {
        problems.push(format!("{name} run: two decisions changed places, and that was not found"));
    }
    if !listed {
        return Ok(problems);
    }
    let (listed, wrong) = listing(&steps, said);
    println!("{name} run: {listed} rules that did not match");
    problems.extend(wrong.into_iter().take(SHOWN));
    if listed < ENOUGH {
        problems.push(format!("{name} run: only {listed} rules did not match"));
    }
    Ok(problems)
}

fn differing(expected: &Ways, seen: &Ways) -> Vec<PacketKey> {
    let mut keys: Vec<PacketKey> = expected.keys().chain(seen.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| {
        let [expected, seen] = [expected, seen].map(|ways| ways.get(key).map(Vec::as_slice));
        !ways::same(expected.unwrap_or_default(), seen.unwrap_or_default())
    });
    keys
}

/// Whether the order matters: two neighbouring decisions are exchanged.
fn spoiled_is_found(expected: &Ways, mut seen: Ways) -> bool {
    let middle = seen.len() / 2;
    let two = |way: &&mut Vec<Told>| {
        way.len() > 1 && way[0].decision != way[1].decision && way[0].packet == way[1].packet
    };
    if let Some(way) = seen.values_mut().skip(middle).find(two) {
        way.swap(0, 1);
    }
    differing(expected, &seen).len() == 1
}

/// What the kernel's messages tell.
fn expected(said: &Said) -> Result<Ways> {
    let mut ways = Ways::new();
    for (node, messages) in said.messages.iter().flatten() {
        let mut packets: HashMap<u32, PacketKey> = HashMap::new();
        for message in messages {
            if !message.network_header.is_empty() {
                let key = PacketKey::new(*node, oracle::addresses(&message.network_header));
                packets.insert(message.id, key);
            }
            let Some(key) = packets.get(&message.id) else {
                bail!("a trace message without headers before it: {message:?}");
            };
            if key.tag != 0 && !WITNESSES.contains(&message.table.as_str()) {
                let decision = of_message(message)?;
                let packet = message.id.into();
                ways.entry(*key).or_default().push(Told { packet, passage: 0, decision });
            }
        }
    }
    Ok(ways)
}

/// The end of a chain is of type "return" on 5.10 and 6.1, of type "rule"
/// later, and has no rule; an explicit `return` has one.
fn of_message(message: &TraceMessage) -> Result<Decision> {
    let verdict = || message.verdict.as_ref().with_context(|| format!("{message:?}"));
    let what = match (message.kind, message.rule_handle) {
        (TraceType::Policy, _) => match message.policy {
            Some(Verdict::Accept) => What::Policy("accept"),
            Some(Verdict::Drop) => What::Policy("drop"),
            _ => bail!("a policy of no kind: {message:?}"),
        },
        (_, None) => What::End,
        (_, Some(handle)) => {
            let (word, target) = match verdict()? {
                Verdict::Drop => ("drop", None),
                Verdict::Accept => ("accept", None),
                Verdict::Stolen => ("stolen", None),
                Verdict::Queue(_) => ("queue", None),
                Verdict::Continue => ("continue", None),
                Verdict::Return => ("return", None),
                Verdict::Jump(chain) => ("jump", Some(chain.clone())),
                Verdict::Goto(chain) => ("goto", Some(chain.clone())),
                other => bail!("a verdict of no kind: {other:?}"),
            };
            What::Rule(handle, word, target)
        }
    };
    let (table, chain) = (message.table.clone(), message.chain.clone());
    Ok(Decision { family: message.family, table, chain, what })
}

/// What nfscope tells.
fn seen(steps: &[&Trace], nodes: &HashMap<u32, Node>) -> Ways {
    let mut ways = Ways::new();
    let mut packets: HashMap<(Node, u64, u32), PacketKey> = HashMap::new();
    for trace in steps {
        let Some(node) = nodes.get(&trace.netns.inode) else { continue };
        let (traversal, place, what) = match &trace.step {
            Step::Enter(enter) => {
                let key = PacketKey::new(*node, addresses(&enter.packet));
                packets.insert((*node, trace.packet_id, enter.traversal), key);
                continue;
            }
            Step::Rule(rule) => {
                let what = What::Rule(rule.handle, rule.verdict.as_str(), rule.target.clone());
                (rule.traversal, &rule.place, what)
            }
            Step::End(end) => (end.traversal, &end.place, What::End),
            Step::Policy(policy) => {
                (policy.traversal, &policy.place, What::Policy(policy.verdict.as_str()))
            }
            _ => continue,
        };
        let Some(key) = packets.get(&(*node, trace.packet_id, traversal)) else { continue };
        if key.tag != 0 && !WITNESSES.contains(&place.table.as_str()) {
            let decision = Decision {
                family: place.family,
                table: place.table.clone(),
                chain: place.chain.clone().unwrap_or_default(),
                what,
            };
            let packet = trace.packet_id;
            ways.entry(*key).or_default().push(Told { packet, passage: traversal, decision });
        }
    }
    ways
}

/// Walks each passage through the ruleset: each rule of each chain, in order,
/// either matches or does not, and how many do not is what the step says that
/// ends a chain. Gives the number of rules that did not, and sentences about
/// what is wrong.
fn listing(steps: &[&Trace], said: &Said) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    let mut missed = 0;
    let mut passages = Passages::default();
    let mut walks: HashMap<(u64, u32), Vec<Position>> = HashMap::new();
    for trace in steps {
        let Some(node) = said.nodes.get(&trace.netns.inode) else { continue };
        let id = trace.packet_id;
        let mut next = |traversal: u32, place: &ChainRef, handle: Option<u64>| {
            let walk = walks.get_mut(&(id, traversal))?;
            let position = walk.last_mut()?;
            let told = (position.next(), place.chain.as_deref() == Some(position.chain.as_str()));
            if told != (handle, true) && !WITNESSES.contains(&place.table.as_str()) {
                wrong.push(format!(
                    "packet {id}: rule {handle:?} of {place:?} where {:?} of {} comes next",
                    told.0, position.chain
                ));
            }
            position.at += 1;
            Some(())
        };
        match &trace.step {
            Step::Enter(enter) => {
                let start = Position::new(&said.rules, *node, &enter.place, &enter.place.chain);
                walks.insert((id, enter.traversal), vec![start]);
            }
            Step::NoMatch(rule) => {
                let counted = next(rule.traversal, &rule.place, Some(rule.handle));
                missed += usize::from(counted.is_some());
                let walk = walks.get_mut(&(id, rule.traversal)).and_then(|w| w.last_mut());
                walk.into_iter().for_each(|position| position.missed += 1);
            }
            Step::Rule(rule) => {
                next(rule.traversal, &rule.place, Some(rule.handle));
                let Some(walk) = walks.get_mut(&(id, rule.traversal)) else { continue };
                let left = match rule.verdict {
                    Word::Continue | Word::Jump => 0,
                    Word::Goto | Word::Return => 1,
                    _ => walk.len(),
                };
                passages.end(id, walk, left, &rule.not_matched, &rule.place);
                if matches!(rule.verdict, Word::Goto | Word::Return) {
                    walk.pop();
                }
                if matches!(rule.verdict, Word::Jump | Word::Goto) {
                    walk.push(Position::new(&said.rules, *node, &rule.place, &rule.target));
                }
            }
            Step::End(end) => {
                next(end.traversal, &end.place, None);
                if let Some(walk) = walks.get_mut(&(id, end.traversal)) {
                    passages.end(id, walk, 1, &end.not_matched, &end.place);
                    walk.pop();
                }
            }
            _ => {}
        }
    }
    wrong.extend(passages.judge());
    (missed, wrong)
}

/// Passages through chains that have ended, and what nfscope told of them.
#[derive(Default)]
struct Passages {
    ended: usize,
    told: usize,
    wrong: Vec<String>,
}

impl Passages {
    /// The innermost `left` passages end: what is told of them must be so.
    fn end(&mut self, id: u64, walk: &[Position], left: usize, told: &[Passed], place: &ChainRef) {
        if WITNESSES.contains(&place.table.as_str()) {
            return;
        }
        let ending = walk.iter().rev().take(left);
        let counted: Vec<Passed> =
            ending.map(|p| Passed { chain: p.chain.clone(), rules: p.missed }).collect();
        let mut rest = counted.iter();
        if !told.iter().all(|passed| rest.any(|counted| counted == passed)) {
            self.wrong.push(format!(
                "packet {id} leaves {place:?}: {told:?}, where {counted:?} did not match"
            ));
        }
        self.ended += counted.len();
        self.told += told.len();
    }

    /// What is wrong. nfscope leaves out what it does not know, as of steps that
    /// it cannot let wait for the ruleset; here that is not much.
    fn judge(self) -> Vec<String> {
        let Self { ended, told, mut wrong } = self;
        println!("of {told} of {ended} passages it is told how many rules did not match");
        if told * 100 < ended * 99 {
            wrong.push(format!("of {} passages it is not told", ended - told));
        }
        wrong
    }
}

/// Where a packet is in a chain.
struct Position {
    chain: String,
    handles: Vec<u64>,
    at: usize,
    missed: u32,
}

impl Position {
    fn new(rules: &Rules, node: Node, place: &ChainRef, chain: &Option<String>) -> Self {
        let chain = chain.clone().unwrap_or_default();
        let handles = rules.chain(node, place.family, &place.table, &chain);
        Self { chain, handles, at: 0, missed: 0 }
    }

    fn next(&self) -> Option<u64> {
        self.handles.get(self.at).copied()
    }
}
