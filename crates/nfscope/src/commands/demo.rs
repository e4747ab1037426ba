//! `nfscope demo`: a firewall in private namespaces, real packets, and what
//! `drops` says of them.

mod namespaces;
mod packets;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::DemoArguments;
use crate::commands::{Failure, say};
use crate::lockdown::Lockdown;
use crate::machine;
use namespaces::Lab;

/// The ruleset of a small server, in the classic shape.
const RULESET: &str = "\
table ip filter {
  chain services {
    tcp dport 8080 drop comment \"web is down for repair\"
  }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    tcp dport 10000 drop
    iifname \"lo\" accept
    iifname \"management\" accept
    ip protocol icmp accept
    udp dport vmap { 53 : drop, 123 : accept }
    tcp dport 113 reject with tcp reset
    tcp dport 8000-8999 jump services
  }
}
";

/// How long `drops` may take to be ready.
const READY: Duration = Duration::from_secs(30);
/// How long its last events may take.
const SETTLE: Duration = Duration::from_millis(1500);

/// Runs the demonstration.
pub fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    machine::check_privileges()?;
    Lockdown::check()?;
    let lab = Lab::new()?;
    lab.load(RULESET)?;
    if !arguments.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "# a firewall in a private namespace, with this ruleset:\n")?;
        write!(out, "{RULESET}")?;
        writeln!(out, "\n# nfscope drops, while {} packets come in:\n", packets::COUNT)?;
    }
    let mut drops = start_drops(&lab, arguments)?;
    let stderr = drops.stderr.take().context("no standard error of nfscope drops")?;
    let ready = wait_ready(stderr);
    let result = match ready.recv_timeout(READY) {
        Ok(true) => lab.send(),
        Ok(false) => Err(anyhow::anyhow!("nfscope drops ended early")),
        Err(_) => Err(anyhow::anyhow!("nfscope drops was not ready in {READY:?}")),
    };
    if result.is_ok() {
        std::thread::sleep(SETTLE);
    }
    let ended = end(&mut drops);
    result?;
    if !ended?.success() {
        return Err(anyhow::anyhow!("nfscope drops failed; its words are above").into());
    }
    Ok(())
}

fn start_drops(lab: &Lab, arguments: &DemoArguments) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command
        .args(["drops", "--netns", "/proc/self/ns/net", "--allow-ruleset-change", "--summary"])
        .args(arguments.verbose.then_some("--verbose"))
        .args(arguments.json.then_some("--json"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    lab.spawn_in_firewall(command)
}

/// Passes the child's standard error on and tells when it watches.
fn wait_ready(stderr: impl Read + Send + 'static) -> Receiver<bool> {
    let (sender, ready) = channel();
    std::thread::spawn(move || {
        let mut told = false;
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let watching = line.starts_with("nfscope: watching");
            say(&line);
            if watching && !told {
                told = true;
                // the asker may have given up
                let _ = sender.send(true);
            }
        }
        if !told {
            let _ = sender.send(false);
        }
    });
    ready
}

fn end(drops: &mut Child) -> anyhow::Result<std::process::ExitStatus> {
    let pid = i32::try_from(drops.id()).ok().and_then(rustix::process::Pid::from_raw);
    let Some(pid) = pid else { bail!("nfscope drops has no process id") };
    // it may have ended by itself already
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    Ok(drops.wait()?)
}
