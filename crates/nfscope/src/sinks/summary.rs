//! The table by cause at the end, and the closing line.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};

use nfscope_event::{Cause, Drop, Event, LossPlace, NftRule, XtRule};

use super::cause_text::describe;
use super::packet_text::netns;
use super::{Clock, Sink};

/// Collects causes and writes them when the stream ends:
///
/// ```text
/// count  first            last             cause
///     3  14:03:22.104211  14:03:25.000001  dropped by rule: ip filter input handle 7: tcp dport 10000 drop
///     1  14:03:23.000000  14:03:23.000000  dropped by policy: ip filter input (policy drop)
///
/// 4 drops, 0 lost
/// ```
pub struct Summary<W> {
    writer: W,
    table: bool,
    own_netns: Option<u32>,
    clock: Clock,
    causes: HashMap<Identity, Row>,
    drops: u64,
    freed: u64,
    lost: u64,
    without_rule: u64,
}

/// What makes a cause the same cause: namespace inode, and for a rule its
/// handle rather than its text, which holds counters that change.
type Identity = (u32, String);

/// What is known of one cause.
#[derive(Debug)]
struct Row {
    /// As last seen with the rule's text.
    text: String,
    count: u64,
    first_ns: u64,
    last_ns: u64,
}

impl<W: Write> Summary<W> {
    /// With `table` the table (`--summary`), without it the closing line only.
    /// Packets of the namespace `own_netns` are shown without a namespace.
    pub fn new(writer: W, table: bool, own_netns: Option<u32>, clock: Clock) -> Self {
        Self {
            writer,
            table,
            own_netns,
            clock,
            causes: HashMap::new(),
            drops: 0,
            freed: 0,
            lost: 0,
            without_rule: 0,
        }
    }

    fn count(&mut self, drop: &Drop) {
        let cause = describe(&drop.cause, false).to_string();
        let identity = match &drop.cause {
            Cause::NftRule(NftRule { place, handle, element, .. }) => {
                format!("{} {} {handle} {element:?}", place.family, place.table)
            }
            _ => cause.clone(),
        };
        let netns_text = netns(&drop.netns, self.own_netns);
        let text = if netns_text.is_empty() { cause } else { format!("{netns_text}  {cause}") };
        let time_ns = drop.time_ns;
        let row = self.causes.entry((drop.netns.inode, identity)).or_insert_with(|| Row {
            text: String::new(),
            count: 0,
            first_ns: time_ns,
            last_ns: time_ns,
        });
        if row.text.is_empty() || has_text(&drop.cause) {
            row.text = text;
        }
        row.count += 1;
        // Events of several CPUs may come out of order.
        row.first_ns = row.first_ns.min(time_ns);
        row.last_ns = row.last_ns.max(time_ns);
    }

    fn write_table(&mut self) -> io::Result<()> {
        let mut rows: Vec<_> = self.causes.values().collect();
        rows.sort_by_key(|row| (Reverse(row.count), &row.text));
        let width = rows.first().map_or(0, |row| row.count.to_string().len()).max(5);
        writeln!(self.writer, "{:>width$}  {:<15}  {:<15}  cause", "count", "first", "last")?;
        for Row { text, count, first_ns, last_ns } in rows {
            let (first, last) = (self.clock.time(*first_ns), self.clock.time(*last_ns));
            writeln!(self.writer, "{count:>width$}  {first}  {last}  {text}")?;
        }
        writeln!(self.writer)
    }

    fn closing_line(&self) -> String {
        let mut line = format!("{}, ", counted(self.drops, "drop"));
        if self.freed > 0 {
            line += &format!("{} freed and not known to be drops, ", self.freed);
        }
        line += &format!("{} lost", self.lost);
        if self.without_rule > 0 {
            line += &format!(", {} without a rule", self.without_rule);
        }
        line
    }
}

impl<W: Write> Sink for Summary<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Drop(drop) => {
                match drop.cause {
                    Cause::Freed(_) => self.freed += 1,
                    _ => self.drops += 1,
                }
                if self.table {
                    self.count(drop);
                }
            }
            Event::Lost(lost) => match lost.place {
                LossPlace::Ring | LossPlace::Nested => self.lost += lost.count,
                LossPlace::Attribution | LossPlace::Netlink => self.without_rule += lost.count,
                LossPlace::Packets | LossPlace::Entries => {}
                // of commands without this closing table
                LossPlace::Counts
                | LossPlace::Stacks
                | LossPlace::Transactions
                | LossPlace::Calls
                | LossPlace::Unread => {}
            },
            Event::Notice(_)
            | Event::Trace(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.table && !self.causes.is_empty() {
            self.write_table()?;
        }
        let line = self.closing_line();
        writeln!(self.writer, "{line}")?;
        self.writer.flush()
    }
}

/// Whether the text is worth more than what an earlier event said: a rule may
/// be listed after its first packets.
fn has_text(cause: &Cause) -> bool {
    !matches!(
        cause,
        Cause::NftRule(NftRule { rule: None, iptables: None, .. })
            | Cause::XtRule(XtRule { rule: None, .. })
    )
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn summary(table: bool, events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut sink = Summary::new(&mut out, table, None, Clock::utc());
        events.iter().for_each(|event| sink.event(event).unwrap());
        sink.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sorted_by_count() {
        let mut events = samples::all();
        let mut later = samples::drop_of(samples::policy());
        later.time_ns += 3_000_000_000;
        events.push(Event::Drop(Box::new(later)));
        events.push(samples::lost(LossPlace::Attribution, 2));
        insta::assert_snapshot!(summary(true, &events), @r"
        count  first            last             cause
            2  22:13:20.104211  22:13:23.104211  netns blue  dropped by policy: inet filter input (policy drop)
            1  22:13:20.104211  22:13:20.104211  netns blue  dropped by kernel: NETFILTER_DROP: a netfilter hook dropped it (hook function nf_conntrack_in, nf_hook_slow)
            1  22:13:20.104211  22:13:20.104211  netns blue  dropped by kernel: NO_SOCKET: no socket listens on this port (tcp_v4_rcv)
            1  22:13:20.104211  22:13:20.104211  netns blue  dropped by rule: ip filter INPUT handle 4: -A INPUT -p tcp --dport 10000 -j DROP
            1  22:13:20.104211  22:13:20.104211  netns blue  dropped by rule: ip filter input handle 7: tcp dport 10000 drop
            1  22:13:20.104211  22:13:20.104211  netns blue  dropped by rule: ip filter ports handle 12: tcp dport vmap @verdicts (element 10000 : drop)
            1  22:13:20.104211  22:13:20.104211  netns blue  ended by rule: ip filter ? handle 8: (text unknown: the rule was gone or replaced before its text was known)
            1  22:13:20.104211  22:13:20.104211  netns blue  freed at: skb_release (not known to be a drop)
            1  22:13:20.104211  22:13:20.104211  netns blue  rejected by rule: inet filter input handle 9: tcp dport 22 reject with tcp reset (sent tcp reset)

        9 drops, 1 freed and not known to be drops, 12 lost, 2 without a rule
        ");
    }

    #[test]
    fn the_closing_line_alone() {
        assert_eq!(summary(false, &[]), "0 drops, 0 lost\n");
        assert_eq!(summary(true, &[]), "0 drops, 0 lost\n");
        assert_eq!(summary(false, &[samples::rule()]), "1 drop, 0 lost\n");
        let lost = samples::lost(LossPlace::Ring, 5);
        assert_eq!(summary(false, &[lost]), "0 drops, 5 lost\n");
    }

    #[test]
    fn a_rule_stays_one_cause_when_its_counter_moves() {
        let mut other = samples::drop_of(samples::rule());
        if let Cause::NftRule(rule) = &mut other.cause {
            rule.rule = Some("tcp dport 10000 counter packets 2 bytes 120 drop".into());
        }
        let text = summary(true, &[samples::rule(), Event::Drop(Box::new(other))]);
        assert_eq!(text.matches("handle 7").count(), 1, "{text}");
        assert!(text.contains("packets 2"), "{text}");
    }

    #[test]
    fn places_in_one_function_are_one_cause() {
        let mut other = samples::drop_of(samples::no_socket());
        if let Cause::Kernel(kernel) = &mut other.cause {
            kernel.function = Some("tcp_v4_rcv+0x200".into());
        }
        let text = summary(true, &[samples::no_socket(), Event::Drop(Box::new(other))]);
        assert_eq!(text.matches("NO_SOCKET").count(), 1, "{text}");
    }
}
