//! Where events go: text for people, JSON Lines for programs, pcapng files, a
//! summary.

mod cause_text;
mod changes;
mod clock;
mod color;
mod escape;
mod iptables_trace;
mod json;
mod packet_text;
pub mod pcapng;
mod probe;
mod resets;
mod source_text;
pub mod stacks;
mod summary;
mod text;
mod trace;

pub use changes::ChangesText;
pub use clock::Clock;
pub use color::ColorChoice;
pub use escape::{escape, escape_bytes};
pub use iptables_trace::IptablesTrace;
pub use json::{Json, json_line};
pub use probe::ProbeText;
pub use resets::ResetText;
pub use source_text::source_text;
pub use summary::Summary;
pub use text::loss as loss_text;
pub use text::{Text, TextOptions};
pub use trace::{TraceSummary, TraceTree, TreeOptions};

use source_text::stack_lines;
use std::io;

use nfscope_event::Event;

/// A consumer of the event stream.
///
/// A broken pipe comes back as the I/O error it is, for the caller to treat
/// as the end of the reader's interest.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// What the underlying writer says.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Hands everything taken so far to the reader. To be called when no more
    /// events wait, so that a live stream is live without a write for each.
    ///
    /// # Errors
    /// What the underlying writer says.
    fn flush(&mut self) -> io::Result<()>;

    /// The stream has ended: closing lines are written and buffers flushed.
    ///
    /// # Errors
    /// What the underlying writer says.
    fn finish(&mut self) -> io::Result<()>;
}

#[cfg(test)]
mod samples;
