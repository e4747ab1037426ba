//! `nfscope probe` for people: a line for each event, a table of counts, a
//! histogram.

use std::io::{self, Write};

use nfscope_event::{
    CallStack, Event, LossPlace, Lost, Probe, ProbeCount, ProbeField, ProbeHistogram, ProbeValue,
    StackContext, StackState,
};

use super::{Clock, Sink, escape, loss_text};

/// Columns of a histogram's longest bar.
const BAR: u64 = 50;

/// Writes events as text.
pub struct ProbeText<W> {
    writer: W,
    clock: Clock,
}

impl<W: Write> ProbeText<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W, clock: Clock) -> Self {
        Self { writer, clock }
    }

    fn probe(&mut self, probe: &Probe) -> io::Result<()> {
        let who = match (&probe.process, probe.context) {
            (Some(process), _) => format!("{}[{}]", escape(&process.command), process.pid),
            (None, StackContext::Interrupt) => "interrupt".into(),
            (None, _) => "unknown".into(),
        };
        let time = self.clock.time(probe.time_ns);
        write!(self.writer, "{time} {who} {}", escape(&probe.place))?;
        for field in &probe.fields {
            write!(self.writer, " {}", named(field))?;
        }
        if let Some(latency) = probe.latency_ns {
            write!(self.writer, " {}", duration(latency))?;
        }
        writeln!(self.writer)?;
        probe.stack.as_ref().map_or(Ok(()), |stack| self.stack(stack))
    }

    fn stack(&mut self, stack: &CallStack) -> io::Result<()> {
        for frame in &stack.frames {
            let module = frame.module.as_ref().map(|m| format!(" [{}]", escape(m)));
            let module = module.unwrap_or_default();
            match (&frame.function, frame.offset, frame.address) {
                (Some(name), Some(offset), _) => {
                    writeln!(self.writer, "    {}+{offset:#x}{module}", escape(name))?;
                }
                (_, _, Some(address)) => writeln!(self.writer, "    {address:#x}")?,
                _ => writeln!(self.writer, "    ?{module}")?,
            }
        }
        match stack.state {
            StackState::Whole => Ok(()),
            StackState::Cut => writeln!(self.writer, "    (it may go on)"),
            StackState::Missing | StackState::Unkept => writeln!(self.writer, "    (no stack)"),
        }
    }

    fn count(&mut self, count: &ProbeCount) -> io::Result<()> {
        let fields: Vec<String> = count.fields.iter().map(named).collect();
        writeln!(self.writer, "{:>10}  {}", count.count, fields.join(" "))
    }

    /// As bpftrace draws them.
    fn histogram(&mut self, histogram: &ProbeHistogram) -> io::Result<()> {
        writeln!(self.writer, "{}", escape(&histogram.name))?;
        let most = histogram.buckets.iter().map(|b| b.count).max().unwrap_or(0).max(1);
        for bucket in &histogram.buckets {
            let rows = if bucket.low == bucket.high {
                value(&bucket.low)
            } else {
                format!("{} to {}", value(&bucket.low), value(&bucket.high))
            };
            // of counts beyond u64::MAX / 50 the bar is of no matter
            let columns = usize::try_from(bucket.count.saturating_mul(BAR) / most).unwrap_or(0);
            let bar = "@".repeat(columns.min(BAR as usize));
            writeln!(self.writer, "{rows:>44} {:>10} |{bar:<50}|", bucket.count)?;
        }
        Ok(())
    }
}

/// `name=value`
fn named(field: &ProbeField) -> String {
    let value = match (&field.text, &field.value) {
        (Some(text), _) => escape(text).into_owned(),
        (None, Some(known)) => value(known),
        (None, None) => "?".into(),
    };
    let cut = if field.cut { "…" } else { "" };
    format!("{}={value}{cut}", escape(&field.name))
}

fn value(value_of: &ProbeValue) -> String {
    match value_of {
        ProbeValue::Bool(value) => value.to_string(),
        ProbeValue::Number(value) => value.to_string(),
        ProbeValue::Negative(value) => value.to_string(),
        ProbeValue::Text(text) => quoted(text),
        ProbeValue::List(list) => {
            let all: Vec<String> = list.iter().map(value).collect();
            format!("[{}]", all.join(", "))
        }
    }
}

/// In quotes where it could be taken for something else. Within them a quote and a
/// backslash have a backslash in front, so that a text cannot end there by itself.
fn quoted(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || ['"', '\'', '\\', '=', '?', '…'].contains(&c);
    if !text.is_empty() && !text.contains(special) {
        return escape(text).into_owned();
    }
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escape(&text))
}

/// Three digits and a unit.
fn duration(ns: u64) -> String {
    let unit = |unit: u64, name: &str| {
        let value = ns as f64 / unit as f64;
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.digits$}{name}")
    };
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => unit(1_000, "us"),
        1_000_000..1_000_000_000 => unit(1_000_000, "ms"),
        _ => unit(1_000_000_000, "s"),
    }
}

/// What was lost, in words that fit this command.
fn loss(lost: &Lost) -> String {
    let events = if lost.count == 1 { "event" } else { "events" };
    let count = lost.count;
    match lost.place {
        LossPlace::Ring => {
            format!(
                "{count} {events} lost: more at a time than can be told; try a condition, or --count-by"
            )
        }
        LossPlace::Nested => {
            format!("{count} {events} lost: the kernel skipped the probe, which ran already")
        }
        LossPlace::Counts => {
            format!("{count} {events} not counted: there are too many different values")
        }
        _ => loss_text(lost),
    }
}

impl<W: Write> Sink for ProbeText<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Probe(probe) => self.probe(probe),
            Event::ProbeCount(count) => self.count(count),
            Event::ProbeHistogram(histogram) => self.histogram(histogram),
            Event::Lost(lost) => writeln!(self.writer, "-- {}", loss(lost)),
            Event::Notice(notice) => writeln!(self.writer, "-- {}", escape(&notice.text)),
            Event::Drop(_)
            | Event::Trace(_)
            | Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_) => Ok(()),
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
    use nfscope_event::{ProbeBucket, Process};

    use super::*;

    fn text(events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut sink = ProbeText::new(&mut out, Clock::utc());
        events.iter().for_each(|event| sink.event(event).unwrap());
        String::from_utf8(out).unwrap()
    }

    fn field(name: &str, value: Option<ProbeValue>, text: Option<&str>) -> ProbeField {
        ProbeField { name: name.into(), value, text: text.map(str::to_owned), cut: false }
    }

    #[test]
    fn an_event_is_a_line() {
        let probe = Probe {
            time_ns: 0,
            cpu: 0,
            place: "vfs_open".into(),
            module: None,
            context: StackContext::Process,
            process: Some(Process { pid: 7, command: "cat\x1b".into() }),
            thread: Some(7),
            fields: vec![
                field("name", Some(ProbeValue::Text("a b\n".into())), None),
                field("fam", Some(ProbeValue::Number(2)), Some("AF_INET")),
                field("x", None, None),
            ],
            latency_ns: Some(12_345),
            stack: None,
        };
        insta::assert_snapshot!(
            text(&[Event::Probe(Box::new(probe))]),
            @r#"00:00:00.000000 cat\x1b[7] vfs_open name="a b\n" fam=AF_INET x=? 12.3us"#
        );
    }

    #[test]
    fn a_text_forges_no_field() {
        assert_eq!(quoted("eth0"), "eth0");
        assert_eq!(quoted("a\u{1b}b"), r"a\x1bb");
        assert_eq!(quoted(r#"a" ret="0"#), r#""a\" ret=\"0""#);
        assert_eq!(quoted("a\\\" b\n"), r#""a\\\" b\n""#);
        assert_eq!(quoted("?"), r#""?""#);
        assert_eq!(quoted(""), r#""""#);
    }

    #[test]
    fn counts_and_histograms() {
        let bucket = |low, high, count| ProbeBucket {
            low: ProbeValue::Number(low),
            high: ProbeValue::Number(high),
            count,
        };
        let buckets = vec![bucket(1, 1, 1), bucket(2, 3, 50)];
        let histogram = ProbeHistogram { time_ns: 0, name: "ret".into(), buckets };
        let fields = vec![field("pid", Some(ProbeValue::Number(5)), None)];
        let count = ProbeCount { time_ns: 0, count: 3, fields };
        let text = text(&[Event::ProbeCount(count), Event::ProbeHistogram(histogram)]);
        assert!(text.starts_with("         3  pid=5\nret\n"));
        assert!(text.contains("2 to 3         50 |@@@"));
        assert_eq!(duration(999), "999ns");
        assert_eq!(duration(1_500_000), "1.50ms");
    }
}
