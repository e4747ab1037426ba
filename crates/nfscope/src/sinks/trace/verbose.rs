//! Facts below a step's line, with `--verbose`.

use std::io::{self, Write};

use nfscope_event::{Conntrack, Packet, Process, Step, Trace, Tuple};

use super::super::text::TextOptions;
use super::super::{escape, packet_text};
use super::lines::fact;

/// What is known of a packet that enters a chain or a table.
struct Arrival<'a> {
    packet: &'a Packet,
    conntrack: Option<&'a Conntrack>,
    hash: Option<u32>,
    process: Option<&'a Process>,
}

/// Writes them.
pub(super) fn verbose<W: Write>(
    writer: &mut W,
    options: &TextOptions,
    trace: &Trace,
    level: usize,
) -> io::Result<()> {
    let mut fact = |label: &str, text: String| fact(writer, options, level, label, text);
    let arrival = match &trace.step {
        Step::Enter(enter) => Arrival {
            packet: &enter.packet,
            conntrack: enter.conntrack.as_ref(),
            hash: enter.hash,
            process: enter.process.as_ref(),
        },
        Step::EnterTable(enter) => Arrival {
            packet: &enter.packet,
            conntrack: enter.conntrack.as_ref(),
            hash: enter.hash,
            process: enter.process.as_ref(),
        },
        Step::Rule(rule) => {
            if let (Some(_), Some(text)) = (&rule.text.iptables, &rule.text.rule) {
                fact("nft rule", escape(text).into_owned())?;
            }
            return comment(rule.text.comment.as_deref(), fact);
        }
        Step::TableRule(rule) => return comment(rule.comment.as_deref(), fact),
        Step::TableNoMatch(rule) => return comment(rule.comment.as_deref(), fact),
        _ => return Ok(()),
    };
    let Arrival { packet, conntrack, hash, process } = arrival;
    fact("packet", packet_text::Headers(packet).to_string())?;
    if let Some(conntrack) = conntrack {
        let id = conntrack.id.map_or("id unknown".to_owned(), |id| format!("id {id}"));
        let mut text = format!("{id}, mark {:#x}, zone {}", conntrack.mark, conntrack.zone);
        for (name, t) in [("original", &conntrack.original), ("reply", &conntrack.reply)] {
            if let Some(t) = t {
                text += &format!(", {name} {}", tuple(t));
            }
        }
        fact("ct", text)?;
    }
    let mut text = packet_text::skb(packet);
    if let Some(hash) = hash {
        text += &format!(", hash {hash:#010x}");
    }
    fact("skb", text)?;
    if let Some(process) = process {
        fact("process", format!("{} (pid {})", escape(&process.command), process.pid))?;
    }
    let cpu = trace.cpu.map_or("cpu unknown".to_owned(), |cpu| format!("cpu {cpu}"));
    fact("seen by", format!("{}, {cpu}", trace.backend.as_str()))
}

fn comment(
    comment: Option<&str>,
    mut fact: impl FnMut(&str, String) -> io::Result<()>,
) -> io::Result<()> {
    comment.map_or(Ok(()), |comment| fact("comment", escape(comment).into_owned()))
}

fn tuple(tuple: &Tuple) -> String {
    let Tuple { source, source_port, destination, destination_port, .. } = tuple;
    format!("{source}.{source_port} > {destination}.{destination_port}")
}
