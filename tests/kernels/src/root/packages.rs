//! Which packages the guest has.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};

use crate::{archive::package::Package, kernel::spec::Architecture};

/// What a shell script needs, and the network tools of the scenarios.
const COMMON: &[&str] = &[
    "base-files",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "gawk",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "libc-bin",
    "libpcap0.8t64",
    "mount",
    "ncat",
    "netbase",
    "nftables",
    "procps",
    "python3-minimal",
    "sed",
    "socat",
    "tar",
    "tcpdump",
    "util-linux",
    "xz-utils",
    "conntrack",
    "ipset",
    "hping3",
    "bpftool",
    "strace",
    "libelf1t64",
];
/// Old rule programs, and the tools that nfscope is compared with.
const AMD64: &[&str] = &["arptables", "bpftrace", "ebtables", "pwru"];

/// The packages to have, their dependencies apart.
pub fn wanted(architecture: Architecture) -> Vec<&'static str> {
    let more: &[&str] = match architecture {
        Architecture::Amd64 => AMD64,
        Architecture::Arm64 => &[],
    };
    COMMON.iter().chain(more).copied().collect()
}

/// These packages and all that they depend on, the needed ones first.
///
/// # Errors
/// When a wanted package is not in the index.
pub fn closure<'a>(all: &'a [Package], wanted: &[&str]) -> Result<Vec<&'a Package>> {
    let by_name: HashMap<&str, &Package> =
        all.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut providers: HashMap<&str, &Package> = HashMap::new();
    for package in all {
        for name in &package.provides {
            providers.entry(name).or_insert(package);
        }
    }
    let mut search = Search { by_name, providers, seen: HashSet::new(), order: Vec::new() };
    for name in wanted {
        let package = search.by_name.get(name).with_context(|| format!("no package {name}"))?;
        search.visit(package);
    }
    Ok(search.order)
}

struct Search<'a> {
    by_name: HashMap<&'a str, &'a Package>,
    providers: HashMap<&'a str, &'a Package>,
    seen: HashSet<&'a str>,
    order: Vec<&'a Package>,
}

impl<'a> Search<'a> {
    /// One suite fits together, so versions need no check; a dependency that
    /// the index lacks only serves maintainer scripts, which do not run.
    fn visit(&mut self, package: &'a Package) {
        if !self.seen.insert(&package.name) {
            return;
        }
        for group in &package.depends {
            let names = || group.iter().map(String::as_str);
            let chosen = names()
                .find(|name| self.seen.contains(name))
                .and_then(|name| self.by_name.get(name))
                .or_else(|| names().find_map(|name| self.by_name.get(name)))
                .or_else(|| names().find_map(|name| self.providers.get(name)))
                .copied();
            if let Some(next) = chosen {
                self.visit(next);
            }
        }
        self.order.push(package);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_alternatives_and_provides() {
        let parse = |text: &str| Package::parse(text.lines()).unwrap();
        let all = [
            parse("Package: a\nFilename: a\nDepends: x | b, mail-agent"),
            parse("Package: b\nFilename: b\nDepends: a, c"),
            parse("Package: c\nFilename: c"),
            parse("Package: d\nFilename: d\nProvides: mail-agent"),
        ];
        let names = |wanted: &[&str]| -> Vec<String> {
            closure(&all, wanted).unwrap().iter().map(|package| package.name.clone()).collect()
        };
        assert_eq!(names(&["a"]), ["c", "b", "d", "a"]);
        assert_eq!(names(&["c"]), ["c"]);
        assert!(closure(&all, &["missing"]).is_err());
    }
}
