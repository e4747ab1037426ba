//! Ways through tables of iptables-legacy, a line for each rule that matched and
//! one for each table's verdict, in the columns of the tool iptables-trace:
//!
//! ```text
//! [04:53:15] [0xffff8df50291d200] [4026531840] 0  1  enp0s8  08:00:27:39:de:94  52
//!   T_ACK,PSH:192.168.1.12:53030->192.168.1.138:22  ipttrace=[pf=PF_INET in=enp0s8 out= table=filter chain=INPUT hook=1 rulenum=1]
//!   …  iptables=[pf=PF_INET table=filter hook=INPUT verdict=ACCEPT cost=36.942µs]
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};

use nfscope_event::{
    EnterTable, Event, Family, Icmp, Packet, Step, Tcp, Trace, Transport, Verdict,
};

use super::text::loss;
use super::{Clock, Sink, escape};

/// So many passages through tables are remembered whose end was not seen.
const MOST_OPEN: usize = 65_536;
/// The hooks' numbers (`NF_INET_*`) are their places here.
const HOOKS: [&str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];
/// Letters of TCP's flags as packets have them, in the order of the names.
const FLAGS: [(char, &str); 8] = [
    ('W', "CWR"),
    ('E', "ECE"),
    ('U', "URG"),
    ('.', "ACK"),
    ('P', "PSH"),
    ('R', "RST"),
    ('S', "SYN"),
    ('F', "FIN"),
];

/// Writes the lines.
pub struct IptablesTrace<W> {
    writer: W,
    clock: Clock,
    begun: bool,
    /// By packet and passage.
    open: BTreeMap<(u64, u32), Open>,
}

/// What the lines of a passage have in common.
struct Open {
    packet: String,
    pf: &'static str,
    table: String,
    hook: Option<String>,
    input: String,
    output: String,
}

impl<W: Write> IptablesTrace<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W, clock: Clock) -> Self {
        Self { writer, clock, begun: false, open: BTreeMap::new() }
    }

    fn step(&mut self, trace: &Trace) -> io::Result<()> {
        let id = trace.packet_id;
        match &trace.step {
            Step::EnterTable(enter) => {
                if self.open.len() >= MOST_OPEN {
                    self.open.pop_first();
                }
                self.open.insert((id, enter.traversal), opened(trace, enter));
                Ok(())
            }
            Step::TableRule(rule) => {
                let chain = rule.place.chain.as_deref();
                let number = rule.number.map_or("?".into(), |n| n.to_string());
                self.rule(trace, rule.traversal, chain, &number)?;
                self.verdict(trace, rule.traversal, rule.verdict, rule.elapsed_ns)
            }
            Step::TablePolicy(policy) => {
                self.verdict(trace, policy.traversal, policy.verdict, policy.elapsed_ns)
            }
            Step::Missing(missing) => {
                let count = missing.count.map_or("some".into(), |n| n.to_string());
                writeln!(self.writer, "-- steps of a packet may be missing: {count}")
            }
            _ => Ok(()),
        }
    }

    fn line(&mut self, trace: &Trace, packet: &str, info: &str) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            writeln!(
                self.writer,
                "{:<10} {:<20} {:<12} {:<8} {:<6} {:<18} {:<18} {:<6} {:<54} IPTABLES_INFO",
                "TIME",
                "SKB",
                "NETWORK_NS",
                "PID",
                "CPU",
                "INTERFACE",
                "DEST_MAC",
                "IP_LEN",
                "PKT_INFO"
            )?;
        }
        let time = self.clock.time(trace.time_ns);
        let seconds = time.get(..8).unwrap_or(&time);
        writeln!(self.writer, "[{seconds}] {packet} {info}")
    }

    fn rule(
        &mut self,
        trace: &Trace,
        traversal: u32,
        chain: Option<&str>,
        number: &str,
    ) -> io::Result<()> {
        let Some(open) = self.open.get(&(trace.packet_id, traversal)) else { return Ok(()) };
        let Open { packet, pf, table, hook, input, output } = open;
        let hook = hook.as_deref().and_then(|hook| HOOKS.iter().position(|name| *name == hook));
        let hook = hook.map_or("?".into(), |n| n.to_string());
        let info = format!(
            "ipttrace=[pf={pf} in={} out={} table={} chain={} hook={hook} rulenum={number}]",
            escape(input),
            escape(output),
            escape(table),
            escape(chain.unwrap_or("?")),
        );
        let packet = packet.clone();
        self.line(trace, &packet, &info)
    }

    /// If it is the table's.
    fn verdict(
        &mut self,
        trace: &Trace,
        traversal: u32,
        verdict: Verdict,
        elapsed_ns: Option<u64>,
    ) -> io::Result<()> {
        let Some(elapsed) = elapsed_ns else { return Ok(()) };
        let Some(open) = self.open.remove(&(trace.packet_id, traversal)) else { return Ok(()) };
        let Open { packet, pf, table, hook, .. } = open;
        let info = format!(
            "iptables=[pf={pf} table={} hook={} verdict={} cost={}]",
            escape(&table),
            escape(hook.as_deref().unwrap_or("?")).to_uppercase(),
            verdict.as_str().to_uppercase(),
            cost(elapsed)
        );
        self.line(trace, &packet, &info)
    }
}

fn opened(trace: &Trace, enter: &EnterTable) -> Open {
    let name = |device: &Option<nfscope_event::Device>| {
        device.as_ref().map(|device| device.name.clone()).unwrap_or_default()
    };
    let (input, output) = (name(&enter.in_device), name(&enter.out_device));
    // the packet's own device: behind routing the one that it leaves by
    let leaves = enter.place.hook.as_deref() == Some("postrouting");
    let own = if leaves { &output } else { &input };
    let Packet { skb, link, ip, .. } = &enter.packet;
    let mac = link.as_ref().map_or("00:00:00:00:00:00", |link| &link.destination);
    let packet = format!(
        "{:<20} {:<12} {:<8} {:<6} {:<18} {:<18} {:<6} {:<54}",
        skb.map_or("[-]".to_owned(), |skb| format!("[{skb:#x}]")),
        format!("[{}]", trace.netns.inode),
        enter.process.as_ref().map_or(0, |process| process.pid),
        trace.cpu.map_or("-".to_owned(), |cpu| cpu.to_string()),
        escape(own),
        escape(mac),
        ip.as_ref().map_or(0, |ip| ip.length),
        headers(&enter.packet)
    );
    let pf = if enter.place.family == Family::Ip6 { "PF_INET6" } else { "PF_INET" };
    let (table, hook) = (enter.place.table.clone(), enter.place.hook.clone());
    Open { packet, pf, table, hook, input, output }
}

/// `T_ACK,PSH:192.168.1.12:53030->192.168.1.138:22`
fn headers(packet: &Packet) -> String {
    let Some(ip) = &packet.ip else { return "?".into() };
    let (from, to) = (ip.source, ip.destination);
    let kind = |icmp: &Icmp| match icmp.kind {
        8 | 128 => "I_request",
        0 | 129 => "I_reply",
        _ => "I",
    };
    match &packet.transport {
        Some(Transport::Tcp(tcp)) => {
            format!("{}:{from}:{}->{to}:{}", flags(tcp), tcp.ports.source, tcp.ports.destination)
        }
        Some(Transport::Udp(ports)) => {
            format!("U:{from}:{}->{to}:{}", ports.source, ports.destination)
        }
        Some(Transport::Icmp(icmp) | Transport::Icmpv6(icmp)) => {
            format!("{}:{from}->{to}", kind(icmp))
        }
        _ => format!("{}:{from}->{to}", ip.protocol),
    }
}

fn flags(tcp: &Tcp) -> String {
    let letters = tcp.flags.as_deref().unwrap_or_default();
    let set = FLAGS.iter().filter(|(letter, _)| letters.contains(*letter));
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    if names.is_empty() { "T".into() } else { format!("T_{}", names.join(",")) }
}

/// `36.942µs`, `1.2ms`
fn cost(ns: u64) -> String {
    let (unit, name, digits) = match ns {
        0..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (1_000, "µs", 3),
        1_000_000..1_000_000_000 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let rest = format!("{:0digits$}", ns % unit);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{}{point}{rest}{name}", ns / unit)
}

impl<W: Write> Sink for IptablesTrace<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Trace(trace) => self.step(trace),
            Event::Lost(lost) => writeln!(self.writer, "-- {}", loss(lost)),
            Event::Notice(notice) => writeln!(self.writer, "-- {}", escape(&notice.text)),
            Event::Drop(_)
            | Event::Stack(_)
            | Event::Change(_)
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

#[cfg(test)]
mod tests {
    use nfscope_event::{Backend, Device, Netns, TableRule, XtPlace};

    use super::super::samples;
    use super::*;

    fn place(chain: &str) -> XtPlace {
        XtPlace {
            family: Family::Ip,
            table: "filter".into(),
            chain: Some(chain.into()),
            hook: Some("input".into()),
        }
    }

    fn trace(step: Step) -> Event {
        Event::Trace(Box::new(Trace {
            time_ns: samples::TIME,
            cpu: Some(1),
            packet_id: 1,
            sequence: 1,
            parent: None,
            netns: Netns { inode: 4_026_531_840, name: None },
            backend: Backend::Points,
            step,
        }))
    }

    #[test]
    fn a_rule_and_its_table() {
        let packet = samples::drop_of(samples::rule()).packet;
        let enter = EnterTable {
            traversal: 1,
            place: place("INPUT"),
            conntrack: None,
            in_device: Some(Device { index: 2, name: "e\x1b0".into() }),
            out_device: None,
            packet,
            hash: None,
            process: None,
        };
        let rule = TableRule {
            traversal: 1,
            depth: 1,
            place: place("web"),
            number: Some(3),
            verdict: Verdict::Accept,
            target: Some("ACCEPT".into()),
            queue: None,
            rule: None,
            outline: false,
            text_unknown: None,
            comment: None,
            sent: None,
            elapsed_ns: Some(36_940),
        };
        let mut out = Vec::new();
        let mut sink = IptablesTrace::new(&mut out, Clock::utc());
        for step in [Step::EnterTable(Box::new(enter)), Step::TableRule(Box::new(rule))] {
            sink.event(&trace(step)).unwrap();
        }
        assert!(sink.open.is_empty());
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
        let [heading, rule, verdict] = &lines[..] else { panic!("{text}") };
        assert_eq!(heading.len(), 10);
        let common = [
            "[22:13:20]",
            "[0xffff888012345600]",
            "[4026531840]",
            "0",
            "1",
            "e\\x1b0",
            "00:00:00:00:00:00",
            "60",
            "T_SYN:10.0.0.1:43210->10.0.0.2:10000",
        ];
        assert_eq!((&rule[2..9], &verdict[..1]), (&common[2..], &common[..1]), "{text}");
        assert_eq!(
            rule[9..].join(" "),
            "ipttrace=[pf=PF_INET in=e\\x1b0 out= table=filter chain=web hook=1 rulenum=3]"
        );
        assert_eq!(
            verdict[9..].join(" "),
            "iptables=[pf=PF_INET table=filter hook=INPUT verdict=ACCEPT cost=36.94µs]"
        );
    }

    #[test]
    fn costs() {
        assert_eq!([0, 999, 1_000, 36_942].map(cost), ["0ns", "999ns", "1µs", "36.942µs"]);
        assert_eq!([1_200_000, 3_000_000_001].map(cost), ["1.2ms", "3.000000001s"]);
    }
}
