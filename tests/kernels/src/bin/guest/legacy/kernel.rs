//! What the kernel logs of packets that TRACE marked.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::told::{Chain, Identity, Kind, Matched};

/// Reads what was read from /dev/kmsg: `priority,sequence,time,flags;message`.
/// A gap in the sequence is an error.
pub fn read(file: &Path) -> Result<Vec<Matched>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut matched = Vec::new();
    let mut before: Option<u64> = None;
    // continuation lines with a message's properties begin with a space
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        let (head, message) = line.split_once(';').with_context(|| line.to_owned())?;
        let sequence = head.split(',').nth(1).and_then(|n| n.parse().ok());
        let sequence: u64 = sequence.with_context(|| line.to_owned())?;
        if before.is_some_and(|before| before + 1 != sequence) {
            bail!("the kernel's log lost lines before {sequence}");
        }
        before = Some(sequence);
        if let Some((_, traced)) = message.split_once("TRACE: ") {
            matched.push(parse(traced).with_context(|| format!("not understood: {line}"))?);
        }
    }
    Ok(matched)
}

/// `filter:INPUT:rule:3 IN=eth0 … SRC=10.0.0.1 DST=10.0.0.2 … PROTO=UDP SPT=1 DPT=2 …`
fn parse(text: &str) -> Option<Matched> {
    let (place, rest) = text.split_once(' ')?;
    // a packet inside of an ICMP error stands in brackets
    let outer = rest.split('[').next()?;
    let field = |name: &str| {
        outer.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let mut parts = place.split(':');
    let (table, name, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let number = parts.next()?.parse().ok()?;
    let kind = match kind {
        "rule" => Kind::Rule,
        "return" => Kind::Return,
        "policy" => Kind::Policy,
        _ => return None,
    };
    let source: std::net::IpAddr = field("SRC")?.parse().ok()?;
    let port = |name| field(name)?.parse().ok();
    let packet = Identity {
        source,
        destination: field("DST")?.parse().ok()?,
        ports: port("SPT").zip(port("DPT")),
    };
    let chain = Chain { ipv6: source.is_ipv6(), table: table.into(), name: name.into() };
    Some(Matched { chain, number, kind, packet })
}
