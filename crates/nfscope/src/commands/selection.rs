//! Which packets a command is about, from the words of its command line.

use nfscope_filter::Compiled;
use nfscope_ruleset::netns;

use crate::cli::ColorWhen;
use crate::commands::Failure;
use crate::sinks::ColorChoice;

/// The compiled filter; a usage error with a caret if it is wrong.
pub fn filter(words: &[String]) -> Result<Option<Compiled>, Failure> {
    let expression = words.join(" ");
    if expression.trim().is_empty() {
        return Ok(None);
    }
    nfscope_filter::compile(&expression).map(Some).map_err(|e| Failure::Usage(e.to_string()))
}

/// A namespace by path, name, inode number or process id. A number that is
/// both is a process id, as with `nsenter` and `ip`.
pub fn find_netns(text: &str) -> Result<u32, Failure> {
    let by_path = |path: &str| netns::Handle::open(std::path::Path::new(path));
    if text.contains('/') {
        return by_path(text)
            .map(|h| h.inode())
            .map_err(|e| Failure::Usage(format!("--netns {text}: {e}")));
    }
    if let Ok(number) = text.parse::<u32>() {
        if let Ok(handle) = by_path(&format!("/proc/{number}/ns/net")) {
            return Ok(handle.inode());
        }
        if netns::all().contains(&number) {
            return Ok(number);
        }
        return Err(Failure::Usage(format!(
            "--netns {text}: no process has this id and no network namespace this inode; see lsns -t net"
        )));
    }
    netns::Handle::named(text).map(|h| h.inode()).map_err(|_| {
        Failure::Usage(format!("--netns {text}: no such namespace; ip netns lists the named ones"))
    })
}

/// Whether to use colour on standard output.
pub fn colored(when: ColorWhen, terminal: bool) -> bool {
    let choice = match when {
        ColorWhen::Auto => ColorChoice::Auto,
        ColorWhen::Always => ColorChoice::Always,
        ColorWhen::Never => ColorChoice::Never,
    };
    let no_color = std::env::var("NO_COLOR").ok();
    let term = std::env::var("TERM").ok();
    choice.resolve(terminal, no_color.as_deref(), term.as_deref())
}
