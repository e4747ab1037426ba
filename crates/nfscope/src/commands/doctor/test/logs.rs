//! Rules that log and trace: whether they are seen, and where.

use nfscope_ruleset::netlink::trace::TraceSocket;

use super::kernel_log::KernelLog;
use super::place::{PATIENCE, Place, TABLE, need, wait};
use super::proof::{Proof, Seen};
use crate::doctor::families::{self, Logger, Loggers};
use crate::doctor::first_namespace_logs_all;
use crate::doctor::modprobe::{Modprobe, loaded};

/// The packet's port; a line in the kernel log has it.
const PORT: u16 = 40101;
const PORT_WORD: &str = "DPT=40101 ";
/// What lines that a rule logs begin with, before the program's name: xt_LOG has room for 29
/// bytes (`xt_log_info`).
const PREFIX: &str = "nfscope ";
/// Modules of rules that log, by program, beside the logger's.
const NFT: (&str, &[&str]) = ("nft", &["nf_tables", "nft_log"]);
const IPTABLES_NFT: (&str, &[&str]) =
    ("iptables-nft", &["nf_tables", "nft_counter", "nft_compat", "x_tables", "xt_LOG"]);
const IPTABLES_LEGACY: (&str, &[&str]) =
    ("iptables-legacy", &["ip_tables", "iptable_filter", "x_tables", "xt_LOG"]);
/// The same of those that trace.
const NFT_TRACE: (&str, &[&str]) = ("nft", &["nf_tables"]);
const IPTABLES_NFT_TRACE: (&str, &[&str]) =
    ("iptables-nft", &["nf_tables", "nft_counter", "nft_compat", "x_tables", "xt_TRACE"]);
const IPTABLES_LEGACY_TRACE: (&str, &[&str]) =
    ("iptables-legacy", &["ip_tables", "iptable_raw", "x_tables", "xt_TRACE"]);

/// All of them.
pub fn proofs(modprobe: &Modprobe) -> Vec<Proof> {
    let (loggers, all) = (Loggers::read(), first_namespace_logs_all());
    let mut proofs = match families::logger(families::ALL[0], &loggers, modprobe) {
        Logger::There => logged(modprobe, all),
        Logger::Refused(module, why, _) => {
            vec![refused(modprobe, &format!("{module} is not loaded, and {why}"))]
        }
        Logger::Missing => vec![refused(modprobe, "no module logs IPv4's packets")],
        Logger::Loads(module) => {
            let claimed = format!("{module} is not loaded; the first rule that logs loads it");
            vec![Proof::untested("logger", claimed, format!("it would load the module {module}"))]
        }
        Logger::Unknown => {
            vec![Proof::untested("logger", "rules that log", "what modules there are is not known")]
        }
    };
    proofs.extend(traced(modprobe));
    proofs.push(legacy_traced(modprobe, &loggers, all));
    proofs
}

/// By each program, a rule whose packets are in the kernel log, or not.
fn logged(modprobe: &Modprobe, all: Option<bool>) -> Vec<Proof> {
    let topic = "log";
    let Some(all) = all else {
        let why = "whether nf_log_all_netns is on is not known here";
        return vec![Proof::untested(topic, "rules that log are seen in the kernel log", why)];
    };
    let mut proofs = Vec::new();
    for (program, modules) in [NFT, IPTABLES_NFT, IPTABLES_LEGACY] {
        let claimed = match all {
            true => format!("what a rule of {program} logs in a namespace is in the kernel log"),
            false => format!(
                "what a rule of {program} logs in a namespace is not in the kernel log: \
                 nf_log_all_netns is 0"
            ),
        };
        let seen = need(modprobe, modules).and_then(|()| log(program, all));
        proofs.push(Proof::of(topic, claimed, seen));
    }
    if !all {
        let claimed = "what a rule logs in the first namespace is in the kernel log";
        let why = "the rule would have to be made there";
        proofs.push(Proof::untested(topic, claimed, why));
    }
    proofs
}

/// A rule that logs, and a packet for it.
fn log(program: &'static str, expected: bool) -> Seen {
    let mut kernel_log = KernelLog::open()?;
    let place = Place::new()?;
    let prefix = format!("{PREFIX}{program} ");
    match program {
        "nft" => nft_rule(&place, &format!("log prefix \"{prefix}\""))?,
        _ => {
            let words = ["-A", "OUTPUT", "-p", "udp", "-j", "LOG", "--log-prefix", &prefix];
            place.run(program, &words, "")?;
        }
    }
    in_kernel_log(&place, &mut kernel_log, &[&prefix, PORT_WORD], expected)
}

fn nft_rule(place: &Place, what: &str) -> anyhow::Result<()> {
    let rules = format!(
        "table ip {TABLE} {{ chain c {{ type filter hook output priority 0; \
         udp dport {PORT} {what}; }}; }}\n"
    );
    place.run("nft", &["-f", "-"], &rules).map(|_| ())
}

/// Sends the packet. A line is there when it is sent; still it is given time if it must come.
fn in_kernel_log(
    place: &Place,
    kernel_log: &mut KernelLog,
    parts: &[&str],
    expected: bool,
) -> Seen {
    place.send(PORT)??;
    let found = match expected {
        true => wait(|| Ok(kernel_log.find(parts)?.map(|_| ())))?.is_some(),
        false => kernel_log.find(parts)?.is_some(),
    };
    let text = if found { "a line in the kernel log" } else { "no line in the kernel log" };
    Ok((found == expected, text.into()))
}

/// That modprobe loads no logger, and that the rule is refused where that loads no other.
fn refused(modprobe: &Modprobe, claimed: &str) -> Proof {
    let claimed = format!("{claimed}: rules that log IPv4's packets are refused");
    let seen = || -> Seen {
        let place = Place::new()?;
        let alias = families::ALL[0].alias();
        if let Some(module) = modprobe.module(&alias) {
            let would = place.run("modprobe", &["-n", "-v", "--", &alias], "")?;
            let loads = || would.lines().filter(|line| line.contains("insmod")).map(str::trim);
            let file = format!("/{module}.ko");
            if let Some(line) = loads().find(|line| line.replace('-', "_").contains(&file)) {
                return Ok((false, format!("modprobe would load it: {line}")));
            }
            // to ask for it would load what it needs all the same
            if let Some(line) = loads().next() {
                return Ok((true, format!("modprobe would load only what it needs: {line}")));
            }
        }
        if !loaded("nft_log") {
            return Ok((true, "modprobe would load nothing".into()));
        }
        Ok(match nft_rule(&place, "log") {
            Ok(()) => (false, "nft takes such a rule".into()),
            Err(error) => (true, format!("{error:#}")),
        })
    };
    Proof::of("logger", claimed, seen())
}

/// Rules of nftables that trace: by netlink, and not in the kernel log.
fn traced(modprobe: &Modprobe) -> Vec<Proof> {
    let one = |(program, modules): (&'static str, &[&str])| {
        let claimed =
            format!("a rule of {program} that traces is told by netlink, not in the kernel log");
        let seen = need(modprobe, modules).and_then(|()| trace(program));
        Proof::of("tracing", claimed, seen)
    };
    [NFT_TRACE, IPTABLES_NFT_TRACE].into_iter().map(one).collect()
}

fn trace(program: &'static str) -> Seen {
    let mut kernel_log = KernelLog::open()?;
    let place = Place::new()?;
    match program {
        "nft" => nft_rule(&place, "meta nftrace set 1")?,
        _ => {
            let words = ["-t", "raw", "-A", "OUTPUT", "-p", "udp", "-j", "TRACE"];
            place.run(program, &words, "")?;
        }
    }
    let mut socket = place.within(TraceSocket::open)??;
    place.send(PORT)??;
    let mut messages = Vec::new();
    socket.receive(PATIENCE, &mut messages)?;
    let logged = kernel_log.find(&["TRACE: ", PORT_WORD])?.is_some();
    let text = match (messages.is_empty(), logged) {
        (false, false) => "told by netlink, no line in the kernel log",
        (false, true) => "told by netlink, and a line in the kernel log",
        (true, false) => "nowhere",
        (true, true) => "a line in the kernel log, not told by netlink",
    };
    Ok((!messages.is_empty() && !logged, text.into()))
}

/// Rules of iptables-legacy that trace: into the kernel log, where that has the namespace's.
fn legacy_traced(modprobe: &Modprobe, loggers: &Loggers, all: Option<bool>) -> Proof {
    let topic = "tracing";
    let registered = matches!(loggers.kernel_log(families::ALL[0].number), Some(Some(_)));
    let expected = registered && all == Some(true);
    let claimed = match (expected, registered) {
        (true, _) => "a rule of iptables-legacy that traces is told in the kernel log",
        (false, true) => {
            "a rule of iptables-legacy that traces in a namespace is not told: nf_log_all_netns \
             is 0"
        }
        (false, false) => "a rule of iptables-legacy that traces is told nowhere: no logger",
    };
    let (program, modules) = IPTABLES_LEGACY_TRACE;
    let seen = || -> Seen {
        anyhow::ensure!(all.is_some(), "whether nf_log_all_netns is on is not known here");
        need(modprobe, modules)?;
        // kernels before 5.13 ask for one with the rule, others refuse it
        anyhow::ensure!(registered, "such a rule would ask for a logger, or is refused");
        let mut kernel_log = KernelLog::open()?;
        let place = Place::new()?;
        place.run(program, &["-t", "raw", "-A", "OUTPUT", "-p", "udp", "-j", "TRACE"], "")?;
        in_kernel_log(&place, &mut kernel_log, &["TRACE: raw:OUTPUT", PORT_WORD], expected)
    };
    Proof::of(topic, claimed, seen())
}
