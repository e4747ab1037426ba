//! Rulesets that change all the time. Needs root and nft.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod skip;

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nfscope_event::Family;
use nfscope_ruleset::monotonic_ns;
use nfscope_ruleset::netlink::Socket;
use nfscope_ruleset::netns::{self, Handle};
use nfscope_ruleset::nft::{Lookup, Options, RuleQuery, RulesetCache};
use skip::skip;

/// How often the ruleset is replaced.
const ROUNDS: usize = 15;
/// Rules of each.
const RULES: usize = 40;

fn ruleset(round: usize) -> String {
    let mut script = String::from("flush ruleset\ntable inet t {\n chain c {\n");
    for rule in 0..RULES {
        writeln!(script, "  tcp dport {} drop comment \"round {round}\"", 1 + rule).unwrap();
    }
    script + " }\n}\n"
}

fn nft(script: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Every rule of every round keeps the text of its own round, though all
/// rounds use the same names and handles and follow each other at once.
#[test]
fn root_replaced_rulesets_are_not_mixed_up() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 || Options::default().nft.is_none() {
        skip("needs root and nft");
        return;
    }
    thread::spawn(|| {
        netns::unshare().unwrap();
        let handle = Handle::current().unwrap();
        let inode = handle.inode();
        nft(&ruleset(0));
        let cache = RulesetCache::new(Options::default());
        cache.watch_handle(handle);
        // Time for nft's monitor to begin: of what goes before that, nobody
        // has the text.
        while cache.chain(inode, Family::Inet, "t", "c") == Lookup::Pending {
            cache.wait(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_secs(1));
        let mut socket = Socket::open().unwrap();
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            nft(&ruleset(round));
            let table = socket.tables().unwrap().remove(0).handle;
            let handles: Vec<u64> = socket.rules().unwrap().iter().map(|r| r.handle).collect();
            assert_eq!(handles.len(), RULES);
            rounds.push((round, table, handles, monotonic_ns()));
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        for (round, table, handles, at) in rounds {
            for (n, handle) in handles.into_iter().enumerate() {
                let query = RuleQuery {
                    family: Family::Inet,
                    table: "t",
                    table_handle: Some(table),
                    handle,
                    at,
                };
                let rule = loop {
                    match cache.rule(inode, &query) {
                        Lookup::Pending => assert!(Instant::now() < deadline),
                        answer => break answer.known().unwrap(),
                    }
                    cache.wait(Duration::from_millis(20));
                };
                let expected = format!("tcp dport {} drop comment \"round {round}\"", n + 1);
                assert_eq!(rule.text, Some(expected));
                assert_eq!(rule.deleted, round < ROUNDS);
                let by_time = cache.rule(inode, &RuleQuery { table_handle: None, ..query });
                // Without the table's handle it may be in doubt, not wrong.
                assert!(by_time == Lookup::Known(rule) || by_time == Lookup::Unknown);
            }
        }
        assert_eq!(cache.take_notices(), [""; 0]);
    })
    .join()
    .unwrap();
}
