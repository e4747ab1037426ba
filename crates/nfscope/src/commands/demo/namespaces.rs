//! Two private network namespaces with a cable between them.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use nfscope_collect::nft::Scratch;

use super::packets;

/// The client's and the firewall's addresses (TEST-NET-1, RFC 5737).
pub const CLIENT: &str = "192.0.2.1";
/// See [`CLIENT`].
pub const FIREWALL: &str = "192.0.2.2";

/// The namespaces. They belong to threads of this process and end with it.
pub struct Lab {
    client: Scratch,
    firewall: Scratch,
}

impl Lab {
    /// Makes both and connects them.
    pub fn new() -> anyhow::Result<Self> {
        let lab = Self { client: Scratch::new()?, firewall: Scratch::new()? };
        let thread = lab.firewall.run(|| rustix::thread::gettid().as_raw_nonzero().get())?;
        let thread = thread.to_string();
        let client: Vec<Vec<String>> = [
            format!("link add eth0 type veth peer name eth0 netns {thread}"),
            // no IPv6 chatter between the packets that matter
            "link set eth0 addrgenmode none".into(),
            format!("addr add {CLIENT}/24 dev eth0"),
            "link set eth0 up".into(),
        ]
        .iter()
        .map(|line| line.split(' ').map(str::to_string).collect())
        .collect();
        let firewall: Vec<Vec<String>> = [
            "link set eth0 addrgenmode none".into(),
            format!("addr add {FIREWALL}/24 dev eth0"),
            "link set eth0 up".into(),
        ]
        .iter()
        .map(|line: &String| line.split(' ').map(str::to_string).collect())
        .collect();
        for words in client {
            lab.client.run(move || execute("ip", &words, ""))??;
        }
        for words in firewall {
            lab.firewall.run(move || execute("ip", &words, ""))??;
        }
        Ok(lab)
    }

    /// Loads a ruleset into the firewall's namespace.
    pub fn load(&self, ruleset: &'static str) -> anyhow::Result<()> {
        self.firewall.run(move || execute("nft", &["-f".into(), "-".into()], ruleset))?
    }

    /// Starts a program in the firewall's namespace.
    pub fn spawn_in_firewall(&self, mut command: Command) -> anyhow::Result<Child> {
        let child = self.firewall.run(move || command.spawn())?;
        child.context("cannot start nfscope drops")
    }

    /// Sends the packets from the client.
    pub fn send(&self) -> anyhow::Result<()> {
        self.client.run(packets::send)?
    }
}

fn execute(program: &str, words: &[String], input: &str) -> anyhow::Result<()> {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("cannot start {program}; install it (Debian: iproute2, nftables)")
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let words = words.join(" ");
        bail!("{program} {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
