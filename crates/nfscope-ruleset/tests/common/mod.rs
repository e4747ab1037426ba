//! Rulesets in a namespace of the test's own. Needs root and nft.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::skip::skip;
use nfscope_event::Family;
use nfscope_ruleset::netns::{self, Handle, Inode};
use nfscope_ruleset::nft::{Lookup, Options, Rule, RuleQuery, RulesetCache};

pub fn in_namespace(test: impl FnOnce(Inode) + Send + 'static) {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("needs root for a network namespace");
        return;
    }
    if Options::default().nft.is_none() {
        skip("needs the nft program");
        return;
    }
    thread::spawn(|| {
        netns::unshare().unwrap();
        test(Handle::current().unwrap().inode());
    })
    .join()
    .unwrap();
}

/// Runs nft on a script in which a closing brace need not begin a line.
pub fn nft(script: &str) {
    let script = &script.replace("; }", "\n}\n").replace("} }", "}\n}");
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn cache_of(inode: Inode) -> RulesetCache {
    let cache = RulesetCache::new(Options::default());
    cache.watch_handle(Handle::current().unwrap());
    assert_eq!(Handle::current().unwrap().inode(), inode);
    cache
}

pub fn query(table: &str, handle: u64) -> RuleQuery<'_> {
    let at = nfscope_ruleset::monotonic_ns();
    RuleQuery { family: Family::Inet, table, table_handle: None, handle, at }
}

/// Asks until there is an answer.
pub fn settled<T>(cache: &RulesetCache, ask: impl Fn() -> Lookup<T>) -> Lookup<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask() {
            Lookup::Pending if Instant::now() < deadline => {
                cache.wait(Duration::from_millis(20));
            }
            Lookup::Pending => panic!("no answer in 30 seconds"),
            answer => return answer,
        }
    }
}

pub fn rule(cache: &RulesetCache, inode: Inode, query: &RuleQuery<'_>) -> Option<Arc<Rule>> {
    settled(cache, || cache.rule(inode, query)).known()
}

/// `nft -a list ruleset` in a simple way: handle and text of each rule, where
/// no comment is meant to deceive.
pub fn listed(text: &str) -> Vec<(u64, String)> {
    let lines = text.lines().filter(|line| line.starts_with("\t\t"));
    let rules = lines.filter_map(|line| line.trim().rsplit_once(" # handle "));
    rules.map(|(text, handle)| (handle.parse().unwrap(), text.to_owned())).collect()
}

/// Several hundred different rules.
pub fn many_rules() -> String {
    let mut script = String::from("table inet many {\n set s { type ipv4_addr; }\n");
    script.push_str(" chain last { drop; }\n");
    for chain in 0..8 {
        writeln!(script, " chain c{chain} {{").unwrap();
        for n in 0..60 {
            let port = 1000 + chain * 60 + n;
            let line = match n % 10 {
                0 => format!("tcp dport {port} counter drop comment \"rule {port}, # handle 3\""),
                1 => format!("ip saddr 10.{chain}.{n}.0/24 udp dport {{ {port}, 80-90 }} accept"),
                2 => format!("ip6 saddr fe80::{port:x} jump last"),
                3 => "ct state established,related accept".into(),
                4 => format!("tcp dport vmap {{ {port} : drop, 22 : goto last }}"),
                5 => format!("meta mark 0x{port:x} reject"),
                6 => "icmp type echo-request limit rate 10/second accept".into(),
                7 => format!("ip daddr @s tcp flags syn meta mark set {port}"),
                8 => format!("iifname \"eth{n}\" meta l4proto {{ tcp, udp }} return"),
                _ => format!("ip protocol icmp log prefix \"{port} # handle 7 {{ \" drop"),
            };
            writeln!(script, "  {line}").unwrap();
        }
        script.push_str(" }\n");
    }
    script + "}\n"
}
