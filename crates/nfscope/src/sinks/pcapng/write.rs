//! Events into a pcapng file.

use std::collections::HashMap;
use std::io::{self, Write};

use nfscope_event::{Drop, Event};

use super::frame::{self, ETHERNET, Framed};
use super::{
    BYTE_ORDER_MAGIC, INTERFACE, MARK, NANOSECONDS, OPTION_COMMENT, OPTION_END,
    OPTION_INTERFACE_NAME, OPTION_TIME_RESOLUTION, OPTION_USER_APPLICATION, PACKET, SECTION,
    TAG_INSERTED,
};
use crate::sinks::{Sink, cause_text, packet_text, text};

/// Writes events as a pcapng file.
pub struct Pcapng<W> {
    writer: W,
    /// Interface numbers by name.
    interfaces: HashMap<String, u32>,
}

impl<W: Write> Pcapng<W> {
    /// Writes the file's head. `writer` should be buffered.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(writer: W) -> io::Result<Self> {
        let mut sink = Self { writer, interfaces: HashMap::new() };
        let mut body = Vec::new();
        body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        body.extend(1u16.to_le_bytes());
        body.extend(0u16.to_le_bytes());
        body.extend((-1i64).to_le_bytes());
        let program = concat!("nfscope ", env!("CARGO_PKG_VERSION"));
        option(&mut body, OPTION_USER_APPLICATION, program.as_bytes());
        option(&mut body, OPTION_END, &[]);
        sink.block(SECTION, &body)?;
        Ok(sink)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?.to_le_bytes();
        self.writer.write_all(&kind.to_le_bytes())?;
        self.writer.write_all(&length)?;
        self.writer.write_all(body)?;
        self.writer.write_all(&length)
    }

    /// The interface's number; it is written when it is first used.
    fn interface(&mut self, name: String) -> io::Result<u32> {
        if let Some(number) = self.interfaces.get(&name) {
            return Ok(*number);
        }
        let next = u32::try_from(self.interfaces.len()).map_err(io::Error::other)?;
        let mut body = Vec::new();
        body.extend(ETHERNET.to_le_bytes());
        body.extend([0; 6]);
        option(&mut body, OPTION_INTERFACE_NAME, name.as_bytes());
        option(&mut body, OPTION_TIME_RESOLUTION, &[NANOSECONDS]);
        option(&mut body, OPTION_END, &[]);
        self.block(INTERFACE, &body)?;
        self.interfaces.insert(name, next);
        Ok(next)
    }

    fn packet(
        &mut self,
        interface: u32,
        time_ns: u64,
        framed: &Framed,
        comments: [&str; 2],
    ) -> io::Result<()> {
        let captured = u32::try_from(framed.bytes.len()).map_err(io::Error::other)?;
        let mut body = Vec::with_capacity(64 + framed.bytes.len());
        body.extend(interface.to_le_bytes());
        // High half first, each half in the file's byte order.
        body.extend(((time_ns >> 32) as u32).to_le_bytes());
        body.extend((time_ns as u32).to_le_bytes());
        body.extend(captured.to_le_bytes());
        body.extend(framed.original.to_le_bytes());
        body.extend(&framed.bytes);
        pad(&mut body);
        for comment in comments {
            option(&mut body, OPTION_COMMENT, comment.as_bytes());
        }
        option(&mut body, OPTION_END, &[]);
        self.block(PACKET, &body)
    }

    fn drop(&mut self, drop: &Drop, json: &str) -> io::Result<()> {
        let framed = frame::frame(&drop.packet);
        let names = [packet_text::netns(&drop.netns, None), packet_text::device(drop)];
        let interface = self.interface(names.join(" ").trim().to_owned())?;
        let verdict = cause_text::describe(&drop.cause, true).to_string();
        let tag = if framed.tag_inserted { TAG_INSERTED } else { "" };
        let machine = format!("{MARK}{tag}{json}");
        self.packet(interface, drop.time_ns, &framed, [&verdict, &machine])
    }

    fn aside(&mut self, time_ns: u64, text: &str, json: &str) -> io::Result<()> {
        let interface = self.interface("nfscope".to_owned())?;
        let machine = format!("{MARK}{json}");
        self.packet(interface, time_ns, &Framed::default(), [text, &machine])
    }
}

impl<W: Write> Sink for Pcapng<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let json = serde_json::to_string(event)?;
        match event {
            Event::Drop(drop) => self.drop(drop, &json),
            Event::Trace(trace) => {
                let (_, text) = super::super::trace::describe(&trace.step);
                self.aside(trace.time_ns, &text, &json)
            }
            // neither is of a packet
            Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_) => Ok(()),
            Event::Lost(lost) => self.aside(lost.time_ns, &text::loss(lost), &json),
            Event::Notice(notice) => self.aside(notice.time_ns, &notice.text, &json),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Appends an option; values of more than 65,535 bytes are cut.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(&value[..usize::from(length)]);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
