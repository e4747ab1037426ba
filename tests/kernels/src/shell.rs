//! Running the tools that do the work.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Run a tool to its end; what it says is only shown when it fails.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<()> {
    let mut command = tool(program);
    command.args(arguments);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}; install it (`make setup` does)"))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}): {}", output.status, last_lines(&output.stderr));
    }
    Ok(())
}

/// A command that is also found in the folders of administrators' tools, which
/// an ordinary user's search path leaves out.
pub fn tool(program: &str) -> Command {
    let full = ["/usr/sbin", "/sbin"].map(|folder| format!("{folder}/{program}"));
    let found = full.iter().find(|file| std::path::Path::new(file).exists());
    Command::new(found.map_or(program, String::as_str))
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
