//! What this machine's firewall and kernel are set to, as far as it surprises
//! people: which tools' rules there are, whether logged packets are seen, what
//! happens before and behind the rules.

mod logging;
mod sysctls;
mod tables;

use nfscope_ruleset::netns::{self, Handle, Names};
use serde::Serialize;

pub use logging::loggers;
pub use tables::Tables;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It may surprise.
    Note,
    /// It stops a command.
    Problem,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub topic: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The network namespace that it was found in: its name, or its inode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// What was found, and what follows.
    pub text: String,
    /// The command that changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// It is shown with `-v` only.
    #[serde(skip)]
    pub detail: bool,
}

impl Finding {
    /// Of a level, with a text.
    pub fn new(topic: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self { topic, level, netns: None, text: text.into(), fix: None, detail: false }
    }

    /// With the command that changes it.
    pub fn fix(self, command: impl Into<String>) -> Self {
        Self { fix: Some(command.into()), ..self }
    }

    /// For `-v`.
    pub fn detail(self) -> Self {
        Self { detail: true, ..self }
    }
}

/// What is found in all network namespaces that can be seen.
pub fn namespaces() -> Vec<Finding> {
    let names = Names::scan();
    let home = Handle::current().map(|handle| handle.inode());
    let mut all = Vec::new();
    for inode in netns::all() {
        let found = Handle::find(inode).and_then(|handle| handle.within(namespace));
        let mut found = found.unwrap_or_else(|error| {
            vec![Finding::new("namespace", Level::Note, format!("not looked at: {error}"))]
        });
        // Findings of this one need no name; nor is anything said of empty others.
        if home.as_ref().is_ok_and(|home| *home != inode) {
            let name = names.get(inode).map_or_else(|| inode.to_string(), str::to_owned);
            found.iter_mut().for_each(|finding| finding.netns = Some(name.clone()));
            found.retain(|finding| finding.level != Level::Ok || finding.topic == "rules");
        }
        all.extend(found);
    }
    all
}

/// What is found in the calling thread's.
fn namespace() -> Vec<Finding> {
    let tables = Tables::read();
    let mut all = tables.findings();
    all.extend(logging::findings(&tables));
    all.extend(sysctls::findings(&tables, sysctls::read));
    all
}
