//! Whether a rule that logs would be seen, and where.

use std::path::Path;

use super::families::{self, Bound, Loggers};
use super::modprobe::Modprobe;
use super::{Finding, Level, Tables};

/// Exists in the first namespace only (`net/netfilter/nf_log.c`).
const ALL_NAMESPACES: &str = "/proc/sys/net/netfilter/nf_log_all_netns";

/// What is to be said of the machine: whether there is somebody to log.
pub fn loggers() -> Vec<Finding> {
    let mut all = families::findings(&Loggers::read(), &Modprobe::read());
    let levels = std::fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    if let Some(level) = levels.split_whitespace().next() {
        let text = format!(
            "rules that log write into the kernel log (dmesg), as warnings unless told otherwise; \
             the console shows what is more urgent than level {level}; `limit` in a rule holds \
             back what comes too often"
        );
        all.push(Finding::new("kernel log", Level::Ok, text).detail());
    }
    let text = "TRACE of iptables-nft and `meta nftrace set 1` are never in the kernel log: \
                xtables-monitor --trace, nft monitor trace, or nfscope trace, which needs no rule";
    all.push(Finding::new("tracing", Level::Ok, text).detail());
    all
}

/// What is to be said of a namespace.
pub(super) fn findings(tables: &Tables) -> Vec<Finding> {
    let here = std::fs::read_to_string(ALL_NAMESPACES).is_ok();
    // Seen from elsewhere, the first namespace's setting is read by its process.
    let hidden = !here && first_namespace_logs_all() == Some(false);
    let mut all = traces(tables, &Loggers::read());
    if (tables.logs || !tables.legacy_traces.is_empty()) && hidden {
        let text =
            "rules here log, and the kernel log leaves out all network namespaces but the first";
        let command = "sysctl -w net.netfilter.nf_log_all_netns=1";
        all.push(Finding::new("log in namespace", Level::Note, text).fix(command));
    }
    all
}

/// Where rules' TRACE goes, if not where it is looked for.
fn traces(tables: &Tables, loggers: &Loggers) -> Vec<Finding> {
    let mut all = Vec::new();
    if tables.nft_traces {
        let text = "rules of iptables-nft trace (TRACE): that is told by netlink, never in the \
                    kernel log";
        let found = Finding::new("tracing", Level::Note, text);
        all.push(found.fix("xtables-monitor --trace"));
    }
    for family in families::ALL.iter().filter(|f| tables.legacy_traces.contains(&f.number)) {
        let who = match loggers.bound(family.number) {
            Bound::Unknown | Bound::KernelLog => continue,
            Bound::Nobody => "nobody is bound to be told".to_owned(),
            Bound::Other(name) => format!("{name} is told, the kernel log is not"),
        };
        let (name, number) = (family.name, family.number);
        let text = format!("rules of iptables-legacy trace (TRACE) {name}, and {who}");
        let command = format!(
            "modprobe {}; sysctl -w net.netfilter.nf_log.{number}=nf_log_{}",
            family.alias(),
            name.to_lowercase()
        );
        all.push(Finding::new("tracing", Level::Note, text).fix(command));
    }
    all
}

/// `nf_log_all_netns`; `None`: not known.
pub fn first_namespace_logs_all() -> Option<bool> {
    let first = nfscope_ruleset::netns::Handle::open(Path::new("/proc/1/ns/net")).ok()?;
    let text = first.within(|| std::fs::read_to_string(ALL_NAMESPACES)).ok()?.ok()?;
    Some(text.trim() != "0")
}
