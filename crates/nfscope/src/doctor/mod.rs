//! What this machine's firewall and kernel are set to, as far as it surprises
//! people: which tools' rules there are, whether logged packets are seen, what
//! happens before and behind the rules.

pub mod families;
mod logging;
pub mod modprobe;
mod sysctls;
mod tables;

use std::path::Path;

use nfscope_ruleset::netns::{self, Handle, Names};
use serde::Serialize;

pub use logging::{first_namespace_logs_all, loggers};
pub use sysctls::read as setting;
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
            for finding in &mut found {
                finding.fix = finding.fix.take().map(|fix| inside(&name, &fix));
                finding.netns = Some(name.clone());
            }
            found.retain(|finding| finding.level != Level::Ok || finding.topic == "rules");
        }
        all.extend(found);
    }
    all
}

/// Settings that all namespaces share, and only the first can change.
const SHARED: [&str; 2] = ["nf_log_all_netns", "nf_conntrack_max"];

/// A command that changes a setting of the namespace of this name.
fn inside(name: &str, command: &str) -> String {
    if SHARED.iter().any(|setting| command.contains(setting)) {
        return command.to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let known = name.chars().all(plain) && Path::new("/run/netns").join(name).exists();
    match known {
        true => command.replace("sysctl -w", &format!("ip netns exec {name} sysctl -w")),
        false => format!("in this namespace: {command}"),
    }
}

/// What is found in the calling thread's.
fn namespace() -> Vec<Finding> {
    let tables = Tables::read();
    let mut all = tables.findings();
    all.extend(logging::findings(&tables));
    all.extend(sysctls::findings(&tables, sysctls::read));
    all
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn commands_for_another_namespace() {
        let command = "sysctl -w net.ipv4.ip_forward=1";
        assert_eq!(inside("no such; name", command), format!("in this namespace: {command}"));
        let shared = "sysctl -w net.netfilter.nf_log_all_netns=1";
        assert_eq!(inside("blue", shared), shared);
    }
}
