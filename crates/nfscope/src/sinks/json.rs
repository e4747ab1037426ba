//! JSON Lines: one event, one object, one line (`docs/events.md`).

use std::io::{self, Write};

use nfscope_event::Event;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::Sink;
use super::escape::is_harmful;

/// Writes events as JSON Lines.
pub struct Json<W> {
    writer: W,
}

impl<W: Write> Json<W> {
    /// `writer` should be buffered.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// Writes one object as one line that is harmless on a terminal.
///
/// # Errors
/// What the writer says.
pub fn json_line<W: Write>(mut writer: W, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut writer, Harmless))?;
    writer.write_all(b"\n")
}

impl<W: Write> Sink for Json<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        json_line(&mut self.writer, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Compact JSON that is also harmless when it lands on a terminal: JSON itself
/// asks to escape C0 control characters only.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_harmful) {
            let (harmless, harmful) = rest.split_at(at);
            writer.write_all(harmless.as_bytes())?;
            let mut characters = harmful.chars();
            for unit in characters.next().iter().flat_map(|c| utf16(*c)) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// A character as JSON's `\u` wants it.
fn utf16(character: char) -> Vec<u16> {
    character.encode_utf16(&mut [0; 2]).to_vec()
}

#[cfg(test)]
mod tests {
    use nfscope_event::{Event, Notice};

    use super::super::samples;
    use super::*;

    fn lines(events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut sink = Json::new(&mut out);
        events.iter().for_each(|event| sink.event(event).unwrap());
        sink.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_object_a_line_that_reads_back() {
        let events = samples::all();
        let text = lines(&events);
        assert_eq!(text.lines().count(), events.len());
        for (line, mut event) in text.lines().zip(events) {
            if let Event::Drop(drop) = &mut event {
                drop.packet.bytes.clear();
            }
            assert_eq!(serde_json::from_str::<Event>(line).unwrap(), event);
        }
    }

    #[test]
    fn a_rule_drop() {
        insta::assert_snapshot!(lines(&[samples::rule()]), @r#"{"type":"drop","time_ns":1700000000104211000,"cpu":1,"netns":{"inode":4026532281,"name":"blue"},"device":{"index":2,"name":"eth0"},"in_device":{"index":2,"name":"eth0"},"cause":{"kind":"nft_rule","family":"ip","table":"filter","chain":"input","hook":"input","priority":0,"handle":7,"verdict":"drop","rule":"tcp dport 10000 drop"},"backend":"points","packet":{"skb":18446612682089121024,"length":60,"mark":16,"ethertype":2048,"ip":{"source":"10.0.0.1","destination":"10.0.0.2","protocol":6,"ttl":64,"id":1,"length":60},"transport":{"protocol":"tcp","source":43210,"destination":10000,"flags":"S","seq":123,"ack":0,"window":64240}}}"#);
    }

    #[test]
    fn nothing_harmful_reaches_a_terminal() {
        let text = "\x1b[31m\u{9b}1m\u{7f}\u{202e}\u{e0001}\nend".to_owned();
        let event = Event::Notice(Notice { time_ns: 1, text });
        let line = lines(std::slice::from_ref(&event));
        assert!(!line.trim_end().contains(is_harmful), "{line:?}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn a_broken_pipe_is_passed_up() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = Json::new(Gone).event(&samples::rule()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
