//! Changes of firewalls as text for people: who, and below that what.
//!
//! ```text
//! 14:03:22.104211  nft (pid 812, root) of sh (pid 640): nft -f /etc/nftables.conf
//!     nftables generation 4 -> 5: 1 added, 1 deleted
//!       + add rule ip filter input tcp dport 22 accept
//!       - delete rule ip filter input handle 7: tcp dport 23 accept
//! ```

use std::io::{self, Write};

use nfscope_event::{
    Change, ChangeAction, ChangeKind, ConntrackChange, Event, Family, FirewallRead, IpsetChange,
    RulesetChange, SysctlChange, TableChange, TableOperation, Transaction,
};

use super::color::{self, Tone, paint};
use super::text::loss;
use super::{Sink, TextOptions, escape, packet_text};

/// Lines of one difference that are shown without `-v`.
const FEW_LINES: usize = 20;

/// Writes changes as text for people.
pub struct ChangesText<W> {
    writer: W,
    options: TextOptions,
}

impl<W: Write> ChangesText<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W, options: TextOptions) -> Self {
        Self { writer, options }
    }

    /// Whether a change is only of interest to those who want to see all.
    pub fn leaves_out(change: &Change) -> bool {
        let counters = |t: &TableChange| t.operation == TableOperation::AddCounters;
        matches!(&change.action, ChangeAction::Table(t) if counters(t))
    }

    fn change(&mut self, change: &Change) -> io::Result<()> {
        let color = self.options.color;
        let time = self.options.clock.time(change.time_ns);
        write!(self.writer, "{}", paint(color, Tone::Faint, time))?;
        let netns = packet_text::netns(&change.netns, self.options.own_netns);
        if !netns.is_empty() {
            write!(self.writer, "  {netns}")?;
        }
        writeln!(self.writer, "  {}", who(change))?;
        let (what, lines) = what(&change.action);
        let tone = if change.error.is_some() { Tone::Warning } else { Tone::Verdict };
        write!(self.writer, "    {}", paint(color, tone, what))?;
        match &change.error {
            Some(error) => write!(self.writer, ": refused: {}", escape(error))?,
            None if change.outcome_unknown => {
                write!(self.writer, " (whether the kernel refused it was not seen)")?;
            }
            None => {}
        }
        writeln!(self.writer)?;
        let shown = if self.options.verbose { lines.len() } else { lines.len().min(FEW_LINES) };
        for line in &lines[..shown] {
            writeln!(self.writer, "      {}", paint(color, Tone::Rule, escape(line)))?;
        }
        if shown < lines.len() {
            let more = format!("… {} more (-v shows all)", lines.len() - shown);
            writeln!(self.writer, "      {}", paint(color, Tone::Faint, more))?;
        }
        Ok(())
    }

    fn aside(&mut self, text: &str) -> io::Result<()> {
        color::aside(&mut self.writer, self.options.color, text)
    }
}

impl<W: Write> Sink for ChangesText<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Change(change) => self.change(change),
            Event::Lost(lost) => self.aside(&loss(lost)),
            Event::Notice(notice) => self.aside(&escape(&notice.text)),
            Event::Drop(_)
            | Event::Trace(_)
            | Event::Stack(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The process, who it works for, who started it, and its command line.
fn who(change: &Change) -> String {
    let Some(process) = &change.process else { return "unknown process".into() };
    let mut out = format!("{} (pid {}", escape(&process.command), process.pid);
    match change.uid {
        Some(0) => out.push_str(", root"),
        Some(uid) => out.push_str(&format!(", uid {uid}")),
        None => {}
    }
    out.push(')');
    if let Some(parent) = &change.parent {
        out.push_str(&format!(" of {} (pid {})", escape(&parent.command), parent.pid));
    }
    if !change.arguments.is_empty() {
        let words: Vec<String> = change.arguments.iter().map(|word| quoted(word)).collect();
        out.push_str(&format!(": {}", words.join(" ")));
        if change.arguments_cut {
            out.push('…');
        }
    }
    out
}

/// A word as a shell would want it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    let word = escape(word);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What was done, and its lines.
fn what(action: &ChangeAction) -> (String, Vec<String>) {
    match action {
        ChangeAction::Nft(transaction) => nft(transaction),
        ChangeAction::Table(table) => (table_head(table), table_lines(table)),
        ChangeAction::Ipset(change) => ipset(change),
        ChangeAction::Conntrack(change) => (conntrack(change), Vec::new()),
        ChangeAction::Sysctl(SysctlChange { name, value }) => {
            let value = value.as_deref().map_or("unknown".into(), escape);
            (format!("sysctl {} = {value}", escape(name)), Vec::new())
        }
        ChangeAction::Read(FirewallRead { of, what, requests }) => {
            let what: Vec<_> = what.iter().map(|word| escape(word)).collect();
            let requests =
                if *requests == 1 { "1 request".into() } else { format!("{requests} requests") };
            (format!("read {of}: {} ({requests})", what.join(", ")), Vec::new())
        }
    }
}

fn nft(t: &Transaction) -> (String, Vec<String>) {
    let mut head = "nftables".to_owned();
    match (t.generation_before, t.generation) {
        (Some(before), Some(after)) => head.push_str(&format!(" generation {before} -> {after}")),
        (None, Some(after)) => head.push_str(&format!(" generation {after}")),
        _ => {}
    }
    let count = |kind| t.changes.iter().filter(|c| c.change == kind).count() as u64;
    use ChangeKind::{Added, Deleted, Replaced, Updated};
    let counts = [
        (count(Added), "added"),
        (count(Deleted), "deleted"),
        (count(Replaced), "replaced"),
        (count(Updated), "updated"),
        (t.unchanged.unwrap_or(0), "unchanged"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if !told.is_empty() {
        head.push_str(&format!(": {}", told.join(", ")));
    }
    if let Some(why) = &t.text_unknown {
        head.push_str(&format!(" ({})", escape(why)));
    }
    (head, t.changes.iter().map(nft_line).collect())
}

fn nft_line(change: &RulesetChange) -> String {
    let sign = match change.change {
        ChangeKind::Added => '+',
        ChangeKind::Deleted => '-',
        ChangeKind::Replaced | ChangeKind::Updated => '~',
    };
    match (&change.before, change.change) {
        (Some(before), ChangeKind::Replaced) => {
            format!("{sign} {} (was: {before})", change.line)
        }
        (Some(before), _) => format!("{sign} {}: {before}", change.line),
        (None, _) => format!("{sign} {}", change.line),
    }
}

fn table_head(t: &TableChange) -> String {
    let program = match t.family {
        Family::Ip => "iptables-legacy",
        Family::Ip6 => "ip6tables-legacy",
        Family::Arp => "arptables-legacy",
        _ => "ebtables-legacy",
    };
    let mut head = format!("{program} table {}", escape(&t.table));
    match t.operation {
        TableOperation::AddCounters => head.push_str(" counters set"),
        TableOperation::Replace => {
            head.push_str(" replaced");
            match (t.entries_before, t.entries) {
                (Some(before), Some(after)) => {
                    head.push_str(&format!(", entries {before} -> {after}"));
                }
                (None, Some(after)) => head.push_str(&format!(", {after} entries")),
                _ => {}
            }
        }
    }
    if !t.added.is_empty() || !t.removed.is_empty() {
        let lines = if t.added.len() == 1 { "line" } else { "lines" };
        head.push_str(&format!(": {} {lines} added, {} removed", t.added.len(), t.removed.len()));
    }
    if let Some(count) = t.together {
        head.push_str(&format!(" by {count} replacements together"));
    }
    if let Some(why) = &t.text_unknown {
        head.push_str(&format!(" ({})", escape(why)));
    }
    head
}

fn table_lines(t: &TableChange) -> Vec<String> {
    let removed = t.removed.iter().map(|line| format!("- {line}"));
    removed.chain(t.added.iter().map(|line| format!("+ {line}"))).collect()
}

fn ipset(change: &IpsetChange) -> (String, Vec<String>) {
    let mut head = format!("ipset {}", escape(&change.command));
    for word in change.set.iter().chain(&change.other) {
        head.push(' ');
        head.push_str(&escape(word));
    }
    if change.set.is_none() {
        head.push_str(" (all sets)");
    }
    let mut lines = Vec::new();
    match change.entries.as_slice() {
        [] => {}
        [one] => head.push_str(&format!(" {}", escape(one))),
        several => {
            head.push_str(&format!(": {} elements", several.len()));
            lines.extend(several.iter().cloned());
        }
    }
    if change.incomplete {
        head.push_str(" (not all of it is shown)");
    }
    (head, lines)
}

fn conntrack(change: &ConntrackChange) -> String {
    let mut out = format!("conntrack {} {}", change.operation, change.table);
    if let Some(family) = change.family {
        out.push_str(&format!(" {}", family.as_str()));
    }
    if let Some(tuple) = &change.tuple {
        out.push_str(&format!(" {}", escape(tuple)));
    }
    if change.filtered {
        out.push_str(" (some of them: by mark, zone or state)");
    }
    out
}

#[cfg(test)]
mod tests {
    use nfscope_event::{Netns, Process};

    use super::super::Clock;
    use super::*;

    fn text(action: ChangeAction, verbose: bool) -> String {
        let change = Change {
            time_ns: 0,
            netns: Netns { inode: 1, name: Some("blue".into()) },
            process: Some(Process { pid: 7, command: "nft\x1b".into() }),
            uid: Some(0),
            parent: Some(Process { pid: 6, command: "sh".into() }),
            arguments: vec!["nft".into(), "add rule\n".into()],
            arguments_cut: false,
            error: None,
            outcome_unknown: false,
            action,
        };
        let options =
            TextOptions { color: false, verbose, own_netns: Some(2), clock: Clock::utc() };
        let mut out = Vec::new();
        let mut sink = ChangesText::new(&mut out, options);
        sink.event(&Event::Change(Box::new(change))).unwrap();
        sink.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn rule(change: ChangeKind, before: Option<&str>) -> RulesetChange {
        let line = "add rule ip f c drop".into();
        let before = before.map(str::to_owned);
        RulesetChange { change, object: "rule".into(), line, handle: Some(1), before }
    }

    #[test]
    fn a_transaction() {
        let changes =
            vec![rule(ChangeKind::Added, None), rule(ChangeKind::Replaced, Some("accept\u{9b}"))];
        let transaction = Transaction {
            generation_before: Some(4),
            generation: Some(5),
            changes,
            unchanged: Some(3),
            text_unknown: None,
        };
        insta::assert_snapshot!(text(ChangeAction::Nft(transaction), false), @r"
        00:00:00.000000  netns blue  nft\x1b (pid 7, root) of sh (pid 6): nft 'add rule\n'
            nftables generation 4 -> 5: 1 added, 1 replaced, 3 unchanged
              + add rule ip f c drop
              ~ add rule ip f c drop (was: accept\u{9b})
        ");
    }

    #[test]
    fn long_differences_are_cut_unless_asked_for() {
        let changes = vec![rule(ChangeKind::Added, None); 30];
        let transaction = Transaction { changes, ..Transaction::default() };
        let short = text(ChangeAction::Nft(transaction.clone()), false);
        assert!(short.contains("… 10 more") && short.lines().count() == 23, "{short}");
        assert_eq!(text(ChangeAction::Nft(transaction), true).lines().count(), 32);
    }
}
