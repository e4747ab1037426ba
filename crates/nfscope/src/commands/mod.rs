//! The commands, one file each.

pub mod changes;
pub mod demo;
pub mod doctor;
pub mod drops;
pub mod functions;
pub mod probe;
pub mod resets;
mod selection;
pub mod stacks;
pub mod symbolize;
pub mod trace;

use std::fmt::Display;
use std::io::Write;

/// Tells the user something beside the output. Where nobody reads it any more,
/// nobody misses it.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An error with its causes, each told once: many an error's text has its cause in it.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if out.is_empty() {
            out = cause;
        } else if !out.contains(&cause) {
            out = format!("{out}: {cause}");
        }
    }
    out
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something that cannot be: exit status 2. The
    /// text may have several lines (a filter and a caret under its error).
    Usage(String),
    /// Anything else: exit status 1.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::sentence;

    #[test]
    fn a_cause_is_told_once() {
        let told = |text: &'static str| {
            let error = Err::<(), _>(anyhow::anyhow!("no such file")).context(text);
            error.map_err(|error| sentence(&error)).unwrap_err()
        };
        assert_eq!(told("cannot read /a"), "cannot read /a: no such file");
        assert_eq!(
            told("cannot read /a: no such file (is it there?)").matches("no such").count(),
            1
        );
    }
}
