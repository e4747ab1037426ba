//! A private network namespace to try things in. Nothing outside of it changes, and it is
//! gone with the process, however that ends.

use std::io::{self, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nfscope_collect::nft::Scratch;
use nfscope_event::Family;
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::scratch::{ChainSpec, HookSpec, RuleSpec, Table, TableSpec};
use nfscope_ruleset::netns::Handle;

use crate::doctor::modprobe::Modprobe;

/// How long what must come may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// What tables are called.
pub const TABLE: &str = "nfscope-doctor";
/// `NF_INET_LOCAL_OUT`
const LOCAL_OUT: u32 = 3;

/// The namespace, with its loopback device up.
pub struct Place(Scratch);

impl Place {
    /// Makes it.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Scratch::new()?))
    }

    /// Its inode.
    pub fn inode(&self) -> u32 {
        self.0.inode()
    }

    /// Does something inside.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        Ok(self.0.run(work)?)
    }

    /// Runs a program inside; what it printed.
    pub fn run(
        &self,
        program: &'static str,
        words: &[&str],
        input: &str,
    ) -> anyhow::Result<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let input = input.to_owned();
        self.within(move || execute(program, &words, &input))?
    }

    /// The same with words between single blanks, for each line.
    pub fn lines(&self, program: &'static str, lines: &[String]) -> anyhow::Result<()> {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            self.run(program, &words, "")?;
        }
        Ok(())
    }

    /// Sends a datagram over the loopback device. It has passed the output hook when this
    /// returns: an error is a drop there.
    pub fn send(&self, port: u16) -> anyhow::Result<io::Result<()>> {
        self.within(move || {
            let socket = UdpSocket::bind(("127.0.0.1", 0))?;
            socket.send_to(b"nfscope", ("127.0.0.1", port)).map(|_| ())
        })
    }

    /// Lets a frame arrive on the loopback device.
    pub fn arrive(&self, frame: Vec<u8>) -> anyhow::Result<()> {
        Ok(self.0.arrive(frame)??)
    }

    /// Writes `net.NAME` of this namespace.
    pub fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let (name, value, own) = (name.to_owned(), value.to_owned(), self.inode());
        self.within(move || {
            // The files show the namespace of whoever looks.
            ensure!(Handle::current()?.inode() == own, "not in the private namespace");
            let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
            std::fs::write(&path, value).with_context(|| format!("cannot write {path}"))
        })?
    }

    /// Reads `/proc/net/NAME` of this namespace.
    pub fn read(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/thread-self/net/{name}");
        self.within(move || {
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        })?
    }

    /// A counter of `/proc/net/snmp` or `/proc/net/netstat`: `Ip`, `ForwDatagrams`.
    pub fn counter(&self, file: &str, group: &str, name: &str) -> anyhow::Result<u64> {
        let text = self.read(file)?;
        counter(&text, group, name)
            .with_context(|| format!("the kernel counts no {group} {name} in /proc/net/{file}"))
    }

    /// A table of ours with one chain for packets that are sent; its rules in order. Rules'
    /// handles are those of [`Table::handles`] of `c`.
    pub fn table(&self, priority: i32, rules: Vec<RuleSpec>) -> anyhow::Result<Table> {
        let hook = HookSpec { number: LOCAL_OUT, priority, policy: Verdict::Accept, device: None };
        let spec = TableSpec {
            family: Family::Ip,
            name: TABLE.into(),
            owned: false,
            chains: vec![ChainSpec { name: "c".into(), hook: Some(hook), rules }],
            maps: Vec::new(),
        };
        Ok(self.within(move || Table::create(&spec))??)
    }
}

fn execute(program: &str, words: &[String], input: &str) -> anyhow::Result<String> {
    let child = Command::new(program)
        .args(words)
        // iptables-legacy would leave a file for its lock
        .env("XTABLES_LOCKFILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{program} is not installed")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot start {program}")),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // a program that reads nothing may be gone already
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", words.join(" "), said.trim().replace('\n', "; "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Two lines a group: names, and numbers.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.split(':').next() == Some(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|word| word == name)?;
    numbers.split_whitespace().nth(at)?.parse().ok()
}

/// Looks until something is there; `None` if it does not come.
pub fn wait<T>(mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if begin.elapsed() >= PATIENCE {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// An error if one of these modules would have to be loaded.
pub fn need(modprobe: &Modprobe, modules: &[&str]) -> anyhow::Result<()> {
    match modprobe.missing(modules) {
        Some(module) => bail!("it would load the module {module}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn counters() {
        let text = "Ip: Forwarding InAddrErrors\nIp: 2 7\nTcpExt: A B\nTcpExt: 1 2\n";
        assert_eq!(counter(text, "Ip", "InAddrErrors"), Some(7));
        assert_eq!(counter(text, "TcpExt", "B"), Some(2));
        assert_eq!(counter(text, "TcpExt", "InAddrErrors"), None);
    }
}
