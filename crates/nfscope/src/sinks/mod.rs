//! Where events go.

use nfscope_event::Event;
use std::io;

/// A consumer of the event stream.
pub trait Sink {
    /// Takes one event. A broken pipe comes back as the I/O error it is, for
    /// the caller to treat as the end of the reader's interest.
    ///
    /// # Errors
    /// What the underlying writer says.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// The stream has ended: closing lines are written and buffers flushed.
    ///
    /// # Errors
    /// What the underlying writer says.
    fn finish(&mut self) -> io::Result<()>;
}
