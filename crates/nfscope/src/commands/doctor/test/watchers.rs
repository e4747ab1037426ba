//! What each command sees of packets whose fate is known.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use nfscope_collect::changes::{ChangeCollector, ChangeRecord};
use nfscope_collect::drop::DropRecord;
use nfscope_collect::legacy::tables_loaded;
use nfscope_collect::nft::udp_port;
use nfscope_collect::resets::ResetOptions;
use nfscope_collect::trace::{Record, TraceOptions};
use nfscope_kernel::locate::ipt::Tables;
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::scratch::RuleSpec;

use super::place::{PATIENCE, Place, need, wait};
use super::proof::{Proof, Seen};
use crate::backend::{self, Leftover, Request, Started};
use crate::cli::BackendChoice;
use crate::commands::doctor::uses;
use crate::doctor::modprobe::Modprobe;
use crate::legacy::ATTEMPTS;
use crate::machine::Machine;
use crate::reset_backend;
use crate::trace_backend::{self, TraceRequest};

/// A packet that a rule drops, one that a rule accepts, one that meets no socket.
const DROPPED: u16 = 40111;
const ACCEPTED: u16 = 40112;
const NO_SOCKET: u16 = 40113;
/// How long one look for records takes.
const LOOK: Duration = Duration::from_millis(50);

/// All of them.
pub fn proofs(machine: &Machine, modprobe: &Modprobe) -> Vec<Proof> {
    let mut all = match machine.has_nf_tables {
        true => drops(machine, modprobe),
        false => vec![no_nf_tables("drops")],
    };
    if tables_loaded(Tables::Ipv4) {
        let claimed = "drops tells a rule of iptables-legacy that drops";
        all.push(Proof::of("drops", claimed, legacy_drop(machine, modprobe)));
    }
    all.push(if machine.has_nf_tables { trace(machine) } else { no_nf_tables("trace") });
    all.push(Proof::of("resets", "resets tells a reset and who made it", resets(machine)));
    let claimed = "changes tells who changes a ruleset";
    let seen = need(modprobe, &["nf_tables"]).and_then(|()| changes(machine));
    all.push(Proof::of("changes", claimed, seen));
    all.push(Proof::of("stacks", "stacks counts what is dropped", stacks(machine)));
    all
}

fn no_nf_tables(command: &'static str) -> Proof {
    let claimed = format!("{command} tells the rule");
    Proof::untested(command, claimed, "it would load the module nf_tables")
}

/// Each backend that works here.
fn drops(machine: &Machine, modprobe: &Modprobe) -> Vec<Proof> {
    let mut all = Vec::new();
    // what stays of a table goes with its namespace
    let request =
        Request { ruleset_change: Some(Leftover::Accepted), ..uses::drops_request(machine) };
    for choice in backend::order(&request) {
        let claimed = match choice {
            BackendChoice::Frame => "frame: drops tells the rule that drops",
            BackendChoice::Points => "points: drops tells the rule that drops",
            BackendChoice::TraceHook => "trace hook: drops tells the rule that drops",
            BackendChoice::NetlinkTrace => "netlink trace: drops tells the rule that drops",
            _ => "tracepoint: drops tells the packet that is dropped",
        };
        // it has a table for bridges, too
        let modules = match choice {
            BackendChoice::NetlinkTrace => &["nft_meta_bridge"][..],
            _ => &[],
        };
        let seen = need(modprobe, modules).and_then(|()| drop_by(*choice, &request, machine));
        all.push(Proof::of("drops", claimed, seen));
    }
    all
}

fn drop_by(choice: BackendChoice, request: &Request, machine: &Machine) -> Seen {
    let place = Place::new()?;
    let table = place.table(0, vec![RuleSpec::new().udp_to(DROPPED).verdict(Verdict::Drop)])?;
    let handle = table.handles("c").first().copied().context("the rule has no handle")?;
    let mut request = request.clone();
    request.options.netns = Some(place.inode());
    let mut started = backend::attempt(choice, &request, machine)?;
    let record = dropped(&mut started, &place)?;
    Ok(match record {
        None => (false, "nothing".into()),
        Some(DropRecord { nft: Some(part), .. }) => {
            let text = format!("rule {} of table ip {}", part.rule, part.table);
            (part.rule == handle, text)
        }
        Some(_) => (choice == BackendChoice::Tracepoint, "the packet, without a rule".into()),
    })
}

/// What is told of the packet that a rule drops.
fn dropped(started: &mut Started, place: &Place) -> anyhow::Result<Option<DropRecord>> {
    // it is wanted that it is dropped
    let _ = place.send(DROPPED)?;
    let begin = Instant::now();
    loop {
        let last = begin.elapsed() >= PATIENCE;
        let records = started.poll(LOOK, last)?;
        let ours = |record: &DropRecord| {
            record.netns == place.inode() && udp_port(&record.frame) == Some(DROPPED)
        };
        if let Some(record) = records.into_iter().find(ours) {
            return Ok(Some(record));
        }
        if last {
            return Ok(None);
        }
    }
}

fn legacy_drop(machine: &Machine, modprobe: &Modprobe) -> Seen {
    need(modprobe, &["ip_tables", "iptable_filter"])?;
    let place = Place::new()?;
    place.run("iptables-legacy", &["-A", "OUTPUT", "-p", "udp", "-j", "DROP"], "")?;
    let mut request = uses::drops_request(machine);
    request.options.netns = Some(place.inode());
    let mut started = backend::attempt(BackendChoice::Tracepoint, &request, machine)?;
    for _ in 0..ATTEMPTS {
        started.attach_legacy();
    }
    Ok(match dropped(&mut started, &place)? {
        None => (false, "nothing".into()),
        Some(DropRecord { legacy: Some(part), .. }) if part.is_table_alone() => {
            (true, format!("table {}, not the rule", part.table))
        }
        Some(DropRecord { legacy: Some(part), .. }) => {
            (part.table == "filter", format!("a rule of table {}", part.table))
        }
        Some(_) => (false, "the packet, without a rule".into()),
    })
}

/// `trace`, with the rules that do not match if that works.
fn trace(machine: &Machine) -> Proof {
    let claimed = "trace --why tells the rule that matches and the one that does not";
    traced(machine, Some(true)).map_or_else(
        |_| Proof::of("trace", "trace tells the rule that matches", traced(machine, None)),
        |seen| Proof::of("trace", claimed, Ok(seen)),
    )
}

fn traced(machine: &Machine, misses: Option<bool>) -> Seen {
    let place = Place::new()?;
    let rule = |port, verdict| RuleSpec::new().udp_to(port).verdict(verdict);
    let rules = vec![rule(DROPPED, Verdict::Drop), rule(ACCEPTED, Verdict::Accept)];
    let table = place.table(0, rules)?;
    let &[other, wanted] = table.handles("c") else {
        anyhow::bail!("the rules have no handles");
    };
    let options =
        TraceOptions { netns: Some(place.inode()), ..uses::trace_options(machine, misses) };
    let mut started = trace_backend::start(&TraceRequest::automatic(&options), machine)?;
    place.send(ACCEPTED)??;
    let (mut matched, mut missed) = (false, false);
    wait(|| {
        for record in started.poll(LOOK)? {
            match record.what {
                Record::Decision(decision) => matched |= decision.rule == wanted,
                Record::Misses(all) => missed |= all.iter().any(|miss| miss.rule == other),
                _ => {}
            }
        }
        Ok((matched && (missed || misses.is_none())).then_some(()))
    })?;
    Ok(match (matched, missed) {
        (true, true) => (true, format!("rule {wanted}, and rule {other} that did not match")),
        (true, false) => (misses.is_none(), format!("rule {wanted}")),
        (false, _) => (false, "not the rule".into()),
    })
}

fn resets(machine: &Machine) -> Seen {
    let place = Place::new()?;
    let options = ResetOptions { netns: Some(place.inode()), ..uses::reset_options() };
    let mut started = reset_backend::start(&options, machine)?;
    place.within(|| {
        // refused: as it is wanted
        let _ =
            TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], NO_SOCKET)), PATIENCE);
    })?;
    let ours = |port: Option<u16>| port == Some(NO_SOCKET);
    let found = wait(|| {
        let mut records = started.collector.poll(LOOK)?.into_iter();
        Ok(records.find(|record| ours(record.source.map(|(_, port)| port))))
    })?;
    Ok(match found {
        Some(record) => (true, format!("a reset from port {NO_SOCKET} ({:?})", record.kind)),
        None => (false, "nothing".into()),
    })
}

fn changes(machine: &Machine) -> Seen {
    let place = Place::new()?;
    let inode = place.inode();
    let mut collector = ChangeCollector::start(false, machine.btf.kernel())?;
    // what programs do that nfscope runs itself is left out
    place.run("sh", &["-c", "nft add table ip changed || exit 1; exit 0"], "")?;
    let found = wait(|| {
        let mut records = collector.poll(LOOK)?.into_iter();
        Ok(records.find_map(|record| match record {
            ChangeRecord::Request(request) if request.netns == inode => Some(request.command),
            _ => None,
        }))
    })?;
    Ok(match found {
        Some(command) => (command == "nft", format!("a change by {command}")),
        None => (false, "nothing".into()),
    })
}

fn stacks(machine: &Machine) -> Seen {
    let place = Place::new()?;
    let counting = uses::count_drops(machine, &format!("udp dst port {NO_SOCKET}"))?;
    place.send(NO_SOCKET)??;
    let found = wait(|| {
        let events = counting.totals()?.events;
        Ok((events > 0).then_some(events))
    })?;
    Ok(match found {
        Some(_) => (true, "the packet was counted".into()),
        None => (false, "nothing was counted".into()),
    })
}
