//! Who changed a firewall, or read it, and what that changed.

use serde::{Deserialize, Serialize};

use crate::{Family, Netns, Process};

/// A request that changed a firewall, was refused, or read one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it was made, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The namespace whose firewall it is.
    pub netns: Netns,
    /// Who asked; absent where nobody was seen to (the kernel itself).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The user of the process, as the first user namespace counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The process that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Process>,
    /// Its arguments, the program first, as they were at that moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// There were more arguments than are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub arguments_cut: bool,
    /// The kernel's refusal: nothing was changed, unless several things were
    /// asked for at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// It is not known whether the kernel refused it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outcome_unknown: bool,
    /// What was asked for.
    #[serde(flatten)]
    pub action: ChangeAction,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ChangeAction {
    /// A transaction of nftables.
    Nft(Transaction),
    /// A table of iptables-legacy or its like.
    Table(TableChange),
    /// A set of ipset.
    Ipset(IpsetChange),
    /// Connections that conntrack knows.
    Conntrack(ConntrackChange),
    /// A sysctl.
    Sysctl(SysctlChange),
    /// It only read.
    Read(FirewallRead),
}

/// A transaction of nftables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The ruleset's generation before; absent of a refused transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_before: Option<u32>,
    /// And after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// What it changed, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<RulesetChange>,
    /// Rules that it deleted and added again as they were, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<u64>,
    /// Why texts are missing in `changes`, or all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
}

/// How an object of a ruleset changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It went.
    Deleted,
    /// A rule that another took the place of, under its handle.
    Replaced,
    /// It was there already and was set anew (a chain's policy or name).
    Updated,
}

/// One object of a ruleset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesetChange {
    /// What became of it.
    pub change: ChangeKind,
    /// What it is, as nft calls it: `table`, `chain`, `rule`, `element`.
    pub object: String,
    /// What nft says of it: `add rule ip filter input tcp dport 22 accept`.
    pub line: String,
    /// Of a rule: its handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// Of a rule that was deleted or replaced: its text before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// What is done to a table of iptables-legacy or its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableOperation {
    /// Its rules are replaced.
    Replace,
    /// Something is added to its counters.
    AddCounters,
}

/// A table of iptables-legacy, ip6tables-legacy, arptables-legacy or
/// ebtables-legacy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableChange {
    /// Family; `bridge` for ebtables.
    pub family: Family,
    /// Table.
    pub table: String,
    /// What is done to it.
    pub operation: TableOperation,
    /// Entries of the table before: rules, and what begins and ends chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_before: Option<u32>,
    /// And after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u32>,
    /// Lines of the program's `-S` that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Lines that are new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// The difference is that of so many replacements, this the last of them:
    /// the table was not to be read in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<u32>,
    /// Why there is no difference, or lines are not whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unknown: Option<String>,
}

/// A command of ipset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpsetChange {
    /// Its word: `create`, `add`, `del`, `flush`, `destroy`, `rename`, `swap`.
    pub command: String,
    /// The set; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The other name of `rename` and `swap`, the type of `create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// The elements of `add` and `del`, as ipset writes them.
    #[serde(default, rename = "entries_of_set", skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
    /// Not all that was asked for is told: it is longer than what is kept, or
    /// of a form that is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// Connections that conntrack knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConntrackChange {
    /// `flush`, `delete`, `new` (create or update).
    pub operation: String,
    /// `conntrack`, or `expect` for expectations.
    pub table: String,
    /// Only this family; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Which connection: `src=10.0.0.1 dst=10.0.0.2 proto=6 sport=1 dport=2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuple: Option<String>,
    /// Only those with a mark, a zone or the like.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filtered: bool,
}

/// A sysctl of netfilter that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlChange {
    /// Its name: `net.netfilter.nf_conntrack_max`.
    pub name: String,
    /// What was written, without the end of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Requests that only read, of one process, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallRead {
    /// `nft`, `iptables`, `ip6tables`, `arptables`, `ebtables`, `ipset`,
    /// `conntrack`.
    pub of: String,
    /// What was asked for: `rules`, `chains`, a table's name.
    pub what: Vec<String>,
    /// How many requests.
    pub requests: u64,
}
