//! Settings of a namespace that decide about packets beside the rules.

use super::{Finding, Level, Tables};

/// From so much of it on a table counts as full.
const NEARLY: f64 = 0.9;

/// Reads `net.NAME` of the calling thread's namespace.
pub fn read(name: &str) -> Option<String> {
    let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// What is to be said, by what `read` tells of `net.NAME`.
pub(super) fn findings(tables: &Tables, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let is = |name: &str, value: &str| read(name).is_some_and(|text| text == value);
    let number = |name: &str| read(name).and_then(|text| text.parse::<f64>().ok());
    let mut all = Vec::new();
    if let (Some(count), Some(most)) =
        (number("netfilter.nf_conntrack_count"), number("netfilter.nf_conntrack_max"))
        && most > 0.0
        && count >= most * NEARLY
    {
        let text = format!(
            "conntrack has {count} of at most {most} connections: packets of further ones are \
             dropped"
        );
        let command = format!("sysctl -w net.netfilter.nf_conntrack_max={}", most * 2.0);
        all.push(Finding::new("conntrack", Level::Note, text).fix(command));
    }
    if is("netfilter.nf_conntrack_tcp_be_liberal", "0") {
        let text = "packets that conntrack calls invalid are not translated (NAT): the local stack \
                    may answer them with a reset; drop them (ct state invalid drop), or let \
                    conntrack take those outside of the window";
        let command = "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1";
        all.push(Finding::new("conntrack", Level::Ok, text).fix(command).detail());
    }
    all.extend(invalid(&read));
    if tables.forwards && is("ipv4.ip_forward", "0") {
        let text = "there are rules for forwarded packets, and IPv4 forwards none";
        let command = "sysctl -w net.ipv4.ip_forward=1";
        all.push(Finding::new("forwarding", Level::Note, text).fix(command));
    }
    for (name, program) in [
        ("bridge.bridge-nf-call-iptables", "iptables and nftables' ip tables"),
        ("bridge.bridge-nf-call-ip6tables", "ip6tables and nftables' ip6 tables"),
    ] {
        if is(name, "1") {
            let text = format!("packets that a bridge only passes on go through {program}, too");
            let command = format!("sysctl -w net.{name}=0");
            all.push(Finding::new("bridge", Level::Note, text).fix(command));
        }
    }
    if is("ipv4.conf.all.rp_filter", "1") {
        let text = "packets whose answer would leave by another device are dropped (IP_RPFILTER), \
                    without any rule";
        let command = "sysctl -w net.ipv4.conf.all.rp_filter=2";
        all.push(Finding::new("rp_filter", Level::Note, text).fix(command));
    }
    all
}

/// Whether packets that conntrack calls invalid are logged.
fn invalid(read: &impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let topic = "conntrack";
    let setting = read("netfilter.nf_conntrack_log_invalid");
    let Some(logs) = setting.and_then(|text| text.parse::<u32>().ok()) else { return Vec::new() };
    if logs == 0 {
        let text = "packets that conntrack calls invalid are not logged";
        let command = "sysctl -w net.netfilter.nf_conntrack_log_invalid=255";
        return vec![Finding::new(topic, Level::Ok, text).fix(command).detail()];
    }
    let of = |(number, name): (u32, &str)| {
        let unbound = read(&format!("netfilter.nf_log.{number}")).is_some_and(|who| who == "NONE");
        unbound.then(|| {
            let text = format!(
                "nf_conntrack_log_invalid is on, and no logger is bound for {name}: nothing is \
                 logged"
            );
            let logger = format!("nf_log_{}", name.to_lowercase());
            let command = format!(
                "modprobe nf-logger-{number}-0; sysctl -w net.netfilter.nf_log.{number}={logger}"
            );
            Finding::new(topic, Level::Note, text).fix(command)
        })
    };
    [(2, "IPv4"), (10, "IPv6")].into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(tables: &Tables, settings: &[(&str, &str)]) -> Vec<&'static str> {
        let read = |name: &str| {
            settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let found = findings(tables, read).into_iter();
        found.filter(|finding| finding.level == Level::Note).map(|finding| finding.topic).collect()
    }

    #[test]
    fn traps() {
        let none = Tables::default();
        let forwards = Tables { forwards: true, ..Tables::default() };
        let off = ("ipv4.ip_forward", "0");
        assert!(topics(&none, &[off]).is_empty());
        assert_eq!(topics(&forwards, &[off]), ["forwarding"]);
        let count = |count| {
            [("netfilter.nf_conntrack_count", count), ("netfilter.nf_conntrack_max", "100")]
        };
        assert_eq!(topics(&none, &count("95")), ["conntrack"]);
        assert!(topics(&none, &count("5")).is_empty());
        assert_eq!(topics(&none, &[("bridge.bridge-nf-call-iptables", "1")]), ["bridge"]);
        assert_eq!(topics(&none, &[("ipv4.conf.all.rp_filter", "1")]), ["rp_filter"]);
        let invalid = [("netfilter.nf_conntrack_log_invalid", "6"), ("netfilter.nf_log.2", "NONE")];
        assert_eq!(topics(&none, &invalid), ["conntrack"]);
        let off = ["0", "255"]
            .map(|value| topics(&none, &[("netfilter.nf_conntrack_log_invalid", value)]));
        assert!(off.iter().all(Vec::is_empty));
    }
}
