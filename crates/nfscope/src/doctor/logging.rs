//! Whether a rule that logs would be seen, and where.

use std::path::Path;

use super::{Finding, Level, Tables};

/// Exists in the first namespace only (`net/netfilter/nf_log.c`).
const ALL_NAMESPACES: &str = "/proc/sys/net/netfilter/nf_log_all_netns";
/// What writes logged packets into the kernel log: since 5.13, and before.
const LOGGERS: [&str; 2] = ["nf_log_syslog", "nf_log_ipv4"];
/// Where modprobe is told what not to load.
const MODPROBE: [&str; 3] = ["/etc/modprobe.d", "/run/modprobe.d", "/lib/modprobe.d"];

/// What is to be said of the machine: whether there is somebody to log.
pub fn loggers() -> Vec<Finding> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = format!("/lib/modules/{}", release.trim());
    let list = |name: &str| std::fs::read_to_string(format!("{modules}/{name}"));
    let loaded = LOGGERS.iter().find(|name| Path::new("/sys/module").join(name).exists());
    let files = [list("modules.dep"), list("modules.builtin")].map(Result::unwrap_or_default);
    let known = files.iter().any(|text| !text.is_empty());
    let there = LOGGERS.iter().find(|name| {
        let file = format!("/{name}.ko");
        files.iter().any(|text| text.contains(&file))
    });
    let mut all = vec![logger(loaded.copied(), there.copied(), known, &refused())];
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

/// The loggers that modprobe was told not to load.
fn refused() -> Vec<String> {
    let folders = MODPROBE.iter().flat_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let texts = folders.flatten().filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.flat_map(|text| told_not_to_load(&text)).collect()
}

/// `install nf_log_syslog /bin/false`, `blacklist nf_log_syslog`
fn told_not_to_load(text: &str) -> Vec<String> {
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let (what, name) = (words.next()?, words.next()?);
        let told = matches!(what, "install" | "blacklist") && LOGGERS.contains(&name);
        told.then(|| line.trim().to_owned())
    };
    text.lines().filter_map(one).collect()
}

fn logger(loaded: Option<&str>, there: Option<&str>, known: bool, refused: &[String]) -> Finding {
    let topic = "logger";
    match (loaded, there) {
        (Some(name), _) => {
            Finding::new(topic, Level::Ok, format!("{name} writes logged packets")).detail()
        }
        (None, Some(name)) if !refused.is_empty() => {
            let text = format!(
                "modprobe is told not to load {name} ({}): where it is not loaded a rule that logs \
                 is refused (iptables: RULE_APPEND failed)",
                refused.join("; ")
            );
            let command = format!("modprobe --ignore-install {name}");
            Finding::new(topic, Level::Note, text).fix(command)
        }
        (None, Some(name)) => {
            let text = format!("{name} is not loaded; the first rule that logs loads it");
            Finding::new(topic, Level::Ok, text).detail()
        }
        (None, None) if known => {
            let text = "the kernel's package has no module nf_log_syslog (nf_log_ipv4 before 5.13): \
                        rules that log are refused (iptables: RULE_APPEND failed); nft's `log \
                        group 1` goes to programs such as ulogd";
            Finding::new(topic, Level::Note, text)
        }
        (None, None) => {
            let text = "no logger is loaded, and what modules there are is not to be found";
            Finding::new(topic, Level::Note, text)
        }
    }
}

/// What is to be said of a namespace.
pub(super) fn findings(tables: &Tables) -> Vec<Finding> {
    let here = std::fs::read_to_string(ALL_NAMESPACES).is_ok();
    // Seen from elsewhere, the first namespace's setting is read by its process.
    let allowed = first_namespace_logs_all();
    if here || !tables.logs || allowed != Some(false) {
        return Vec::new();
    }
    let text = "rules here log, and the kernel log leaves out all network namespaces but the first";
    let command = "sysctl -w net.netfilter.nf_log_all_netns=1";
    vec![Finding::new("log in namespace", Level::Note, text).fix(command)]
}

/// `nf_log_all_netns`; `None`: not known.
fn first_namespace_logs_all() -> Option<bool> {
    let first = nfscope_ruleset::netns::Handle::open(Path::new("/proc/1/ns/net")).ok()?;
    let text = first.within(|| std::fs::read_to_string(ALL_NAMESPACES)).ok()?.ok()?;
    Some(text.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes() {
        let level = |loaded, there, refused: &[String]| logger(loaded, there, true, refused).level;
        let name = Some("nf_log_syslog");
        assert_eq!(level(name, name, &[]), Level::Ok);
        assert_eq!(level(None, name, &[]), Level::Ok);
        assert_eq!(level(None, None, &[]), Level::Note);
        let refused =
            told_not_to_load("# no\ninstall nf_log_syslog /bin/false\nblacklist pcspkr\n");
        assert_eq!(refused, ["install nf_log_syslog /bin/false"]);
        assert_eq!(level(None, name, &refused), Level::Note);
        assert_eq!(level(name, name, &refused), Level::Ok);
    }
}
