//! The closing line of a trace.

use std::io::{self, Write};

use nfscope_event::{Event, LossPlace, Step};

use super::super::Sink;

/// Counts, and writes one line at the end: `3 packets, 41 steps, 0 lost`.
pub struct TraceSummary<W> {
    writer: W,
    packets: u64,
    steps: u64,
    missing: u64,
    lost: u64,
    events: u64,
}

impl<W: Write> TraceSummary<W> {
    /// `writer` should be another than the one of the events.
    pub fn new(writer: W) -> Self {
        Self { writer, packets: 0, steps: 0, missing: 0, lost: 0, events: 0 }
    }
}

impl<W: Write> Sink for TraceSummary<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Trace(trace) => {
                self.packets = self.packets.max(trace.packet_id);
                match &trace.step {
                    Step::Missing(missing) => self.missing += missing.count.map_or(0, u64::from),
                    _ => self.steps += 1,
                }
            }
            Event::Lost(lost) if lost.place == LossPlace::Packets => self.lost += lost.count,
            Event::Lost(lost) => self.events += lost.count,
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let (packets, steps) = (counted(self.packets, "packet"), counted(self.steps, "step"));
        // most events that the kernel lost leave gaps that were seen, too
        write!(self.writer, "{packets}, {steps}, {} lost", self.missing.max(self.events))?;
        if self.lost > 0 {
            write!(self.writer, ", {} not followed", counted(self.lost, "packet"))?;
        }
        writeln!(self.writer)?;
        self.writer.flush()
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
