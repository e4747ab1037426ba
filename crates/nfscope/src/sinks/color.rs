//! Colour, and when it is used.

use std::fmt;
use std::io::{self, Write};

/// The value of `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is `dumb`.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl ColorChoice {
    /// Whether to use colour. `no_color` and `term` are the environment's
    /// `NO_COLOR` (<https://no-color.org>: set and not empty) and `TERM`.
    pub fn resolve(self, is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb"),
        }
    }
}

/// What a piece of text is; the colours follow from it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    /// What happened to the packet.
    Verdict,
    /// The user's own words: a rule's text.
    Rule,
    /// What can be overlooked: time, addresses in the kernel.
    Faint,
    /// Advice.
    Hint,
    /// Something is wrong with the stream itself.
    Warning,
}

/// Text with a tone, coloured when displayed if `on`.
pub(super) struct Painted<T> {
    on: bool,
    tone: Tone,
    text: T,
}

/// Gives the text a tone.
pub(super) fn paint<T: fmt::Display>(on: bool, tone: Tone, text: T) -> Painted<T> {
    Painted { on, tone, text }
}

/// A line between events: what was lost, or a notice.
pub(super) fn aside(writer: &mut impl Write, color: bool, text: &str) -> io::Result<()> {
    writeln!(writer, "{}", paint(color, Tone::Warning, format!("-- {text}")))
}

/// A line below an event: what it is about, and that.
pub(super) fn fact(
    writer: &mut impl Write,
    color: bool,
    label: &str,
    text: &str,
) -> io::Result<()> {
    writeln!(writer, "    {}  {text}", paint(color, Tone::Faint, format!("{label:<8}")))
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.on {
            return write!(f, "{}", self.text);
        }
        let code = match self.tone {
            Tone::Verdict => "31",
            Tone::Rule => "1",
            Tone::Faint => "2",
            Tone::Hint => "36",
            Tone::Warning => "33",
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_means_a_terminal_that_wants_it() {
        let auto = ColorChoice::Auto;
        assert!(auto.resolve(true, None, Some("xterm")));
        assert!(auto.resolve(true, Some(""), None));
        assert!(!auto.resolve(false, None, None));
        assert!(!auto.resolve(true, Some("1"), None));
        assert!(!auto.resolve(true, None, Some("dumb")));
        assert!(ColorChoice::Always.resolve(false, Some("1"), Some("dumb")));
        assert!(!ColorChoice::Never.resolve(true, None, None));
    }

    #[test]
    fn off_is_plain() {
        assert_eq!(paint(false, Tone::Rule, "drop").to_string(), "drop");
        assert_eq!(paint(true, Tone::Rule, "drop").to_string(), "\x1b[1mdrop\x1b[0m");
    }
}
