//! Sysctls of netfilter.

use nfscope_event::SysctlChange;

/// What was written, if the sysctl is one of netfilter's: those under
/// net.netfilter, conntrack's older names, and those that send bridged packets
/// through iptables.
pub fn change(name: &[String], value: Option<&[u8]>, cut: bool) -> Option<SysctlChange> {
    // where /proc/sys is mounted on its own, it is the root
    let name = if name.first().is_some_and(|first| first == "sys") { &name[1..] } else { name };
    let parts: Vec<&str> = name.iter().map(String::as_str).collect();
    let wanted = match parts.as_slice() {
        ["net", "netfilter", _, ..] | ["net", "ipv4" | "ipv6", "netfilter", _, ..] => true,
        ["net", last] => last.starts_with("nf_conntrack"),
        ["net", "bridge", last] => last.starts_with("bridge-nf-"),
        _ => false,
    };
    // sysctl(8): a dot in a part is written as a slash
    let name = parts.iter().map(|part| part.replace('.', "/")).collect::<Vec<_>>().join(".");
    let value = value.map(|bytes| {
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        format!("{}{}", text.trim_end_matches('\n'), if cut { "…" } else { "" })
    });
    wanted.then_some(SysctlChange { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_netfilters() {
        let of = |path: &str| {
            let name: Vec<String> = path.split('/').map(str::to_owned).collect();
            change(&name, Some(b"1\n"), false)
        };
        let log = of("sys/net/netfilter/nf_log/2").unwrap();
        assert_eq!(
            (log.name.as_str(), log.value.as_deref()),
            ("net.netfilter.nf_log.2", Some("1"))
        );
        assert!(of("net/nf_conntrack_max").is_some());
        assert!(of("sys/net/bridge/bridge-nf-call-iptables").is_some());
        assert!(of("sys/net/ipv4/ip_forward").is_none() && of("sys/kernel/panic").is_none());
    }
}
