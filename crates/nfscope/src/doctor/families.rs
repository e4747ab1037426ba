//! Who writes logged packets into the kernel log, family by family (`net/netfilter/nf_log.c`).

use std::collections::BTreeMap;

use super::modprobe::{Modprobe, Refusal};
use super::{Finding, Level};

/// Where each namespace lists loggers: `NUMBER BOUND (ALL,OF,THEM)`.
const LIST: &str = "/proc/thread-self/net/netfilter/nf_log";
/// What the names of loggers into the kernel log begin with; `nfnetlink_log` is the other.
const KERNEL_LOG: &str = "nf_log_";

/// A family whose packets are logged by a logger of its own. Rules of `inet` use those of
/// IPv4 and IPv6.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// `NFPROTO_*`
    pub number: u32,
    /// For people.
    pub name: &'static str,
}

/// All that have one.
pub const ALL: [Family; 5] = [
    Family { number: 2, name: "IPv4" },
    Family { number: 10, name: "IPv6" },
    Family { number: 3, name: "ARP" },
    Family { number: 7, name: "bridge" },
    Family { number: 5, name: "netdev" },
];

impl Family {
    /// What the kernel asks modprobe for when a rule wants to log (`nf_logger_find_get`).
    pub fn alias(self) -> String {
        format!("nf-logger-{}-0", self.number)
    }
}

/// Who gets what has no rule of its own to say where to: TRACE of iptables-legacy, and what
/// conntrack calls invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// The kernel does not tell.
    Unknown,
    /// Nobody.
    Nobody,
    /// The kernel log.
    KernelLog,
    /// Another one, by its name.
    Other(String),
}

/// The loggers of a namespace.
#[derive(Debug, Clone, Default)]
pub struct Loggers(Option<BTreeMap<u32, (String, String)>>);

impl Loggers {
    /// Those of the calling thread's.
    pub fn read() -> Self {
        Self(std::fs::read_to_string(LIST).ok().map(|text| parse(&text)))
    }

    /// Who is bound.
    pub fn bound(&self, number: u32) -> Bound {
        match self.0.as_ref().map(|all| all.get(&number)) {
            None => Bound::Unknown,
            Some(None) => Bound::Nobody,
            Some(Some((bound, _))) => match bound.as_str() {
                "NONE" => Bound::Nobody,
                name if name.starts_with(KERNEL_LOG) => Bound::KernelLog,
                name => Bound::Other(name.to_owned()),
            },
        }
    }

    /// The one into the kernel log, where there is one; `None`: the kernel does not tell.
    pub fn kernel_log(&self, number: u32) -> Option<Option<&str>> {
        let all = self.0.as_ref()?;
        let names = all.get(&number).map_or("", |(_, names)| names);
        Some(names.split(',').find(|name| name.starts_with(KERNEL_LOG)))
    }
}

fn parse(text: &str) -> BTreeMap<u32, (String, String)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (number, bound) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        let names = words.next().unwrap_or_default();
        Some((number, (bound, names.trim_matches(['(', ')']).to_owned())))
    };
    text.lines().filter_map(line).collect()
}

/// What becomes of a rule that logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Logger {
    /// Its packets are logged.
    There,
    /// The first one loads this module.
    Loads(String),
    /// This module is kept from being loaded: who, and what loads it.
    Refused(String, String, Option<String>),
    /// There is no module for it.
    Missing,
    /// What modules there are is not known.
    Unknown,
}

/// What becomes of a family's.
pub fn logger(family: Family, loggers: &Loggers, modprobe: &Modprobe) -> Logger {
    if let Some(Some(_)) = loggers.kernel_log(family.number) {
        return Logger::There;
    }
    let alias = family.alias();
    match modprobe.module(&alias) {
        Some(module) if !modprobe.has(&module) => Logger::Missing,
        Some(module) => match modprobe.refusal(&alias, &module) {
            Some(Refusal { why, fix }) => Logger::Refused(module, why, fix),
            None => Logger::Loads(module),
        },
        None if modprobe.known() => Logger::Missing,
        None => Logger::Unknown,
    }
}

/// What is to be said of the machine, families of one kind together.
pub(super) fn findings(loggers: &Loggers, modprobe: &Modprobe) -> Vec<Finding> {
    let mut kinds: BTreeMap<Logger, Vec<&str>> = BTreeMap::new();
    for family in ALL {
        kinds.entry(logger(family, loggers, modprobe)).or_default().push(family.name);
    }
    kinds.into_iter().map(|(kind, names)| finding(kind, &names.join(", "))).collect()
}

fn finding(kind: Logger, names: &str) -> Finding {
    let topic = "logger";
    let refused = "rules that log their packets are refused (iptables: RULE_APPEND failed)";
    match kind {
        Logger::There => {
            let text = format!("{names}: packets that rules log are written into the kernel log");
            Finding::new(topic, Level::Ok, text).detail()
        }
        Logger::Loads(module) => {
            let text =
                format!("{names}: {module} is not loaded; the first rule that logs loads it");
            Finding::new(topic, Level::Ok, text).detail()
        }
        Logger::Refused(module, why, fix) => {
            let text = format!("{names}: {module} is not loaded, and {why}: {refused}");
            let found = Finding::new(topic, Level::Note, text);
            match fix {
                Some(command) => found.fix(command),
                None => found,
            }
        }
        Logger::Missing => {
            let text = format!(
                "{names}: the kernel's package has no module that logs (nf_log_syslog; before 5.13 \
                 nf_log_ipv4 and such): {refused}; nft's `log group 1` goes to programs such as \
                 ulogd"
            );
            Finding::new(topic, Level::Note, text)
        }
        Logger::Unknown => {
            let text = format!(
                "{names}: no logger is loaded, and what modules there are is not to be found"
            );
            Finding::new(topic, Level::Note, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = " 0 NONE ()\n 2 nf_log_ipv4 (nf_log_ipv4,nfnetlink_log)\n\
        10 NONE (nf_log_ipv6)\n 3 nfnetlink_log (nfnetlink_log)\n";

    #[test]
    fn lists() {
        let loggers = Loggers(Some(parse(TEXT)));
        assert_eq!(loggers.bound(2), Bound::KernelLog);
        assert_eq!(loggers.bound(10), Bound::Nobody);
        assert_eq!(loggers.bound(3), Bound::Other("nfnetlink_log".into()));
        assert_eq!(Loggers::default().bound(2), Bound::Unknown);
        assert_eq!(loggers.kernel_log(2), Some(Some("nf_log_ipv4")));
        assert_eq!(loggers.kernel_log(10), Some(Some("nf_log_ipv6")));
        assert_eq!((loggers.kernel_log(3), loggers.kernel_log(7)), (Some(None), Some(None)));
        assert_eq!(Loggers::default().kernel_log(2), None);
    }

    #[test]
    fn families_of_one_kind_are_told_together() {
        let all = findings(&Loggers(Some(parse(TEXT))), &Modprobe::default());
        let texts: Vec<(&str, Level)> =
            all.iter().map(|f| (f.text.split(':').next().unwrap_or_default(), f.level)).collect();
        assert_eq!(texts, [("IPv4, IPv6", Level::Ok), ("ARP, bridge, netdev", Level::Note)]);
    }
}
