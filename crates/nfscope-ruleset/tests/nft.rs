//! Rules as text, against what nft and iptables-nft list, in a namespace of
//! the test's own. Needs root and nft.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod skip;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use nfscope_event::Family;
use nfscope_ruleset::netlink::{Ending, Verdict};
use nfscope_ruleset::netns::Handle;
use nfscope_ruleset::nft::{Options, RuleQuery, RulesetCache};
use skip::skip;

#[test]
fn root_every_handle_has_the_text_that_nft_lists() {
    in_namespace(|inode| {
        nft(&many_rules());
        let expected = listed(&output("nft", &["-a", "list", "ruleset"]));
        assert_eq!(expected.len(), 481);
        let cache = cache_of(inode);
        for (handle, text) in &expected {
            let rule = rule(&cache, inode, &query("many", *handle)).unwrap();
            assert_eq!(rule.text.as_ref(), Some(text));
            assert_eq!(rule.comment.is_some(), text.contains("comment"));
        }
        assert_eq!(cache.take_notices(), [""; 0]);
    });
}

#[test]
fn root_rules_that_come_and_go_keep_their_text() {
    in_namespace(|inode| {
        nft("table inet t { chain c { tcp dport 1 drop; }; chain d { } }");
        let cache = cache_of(inode);
        assert!(rule(&cache, inode, &query("t", 3)).is_some());
        // Time for nft's monitor to begin.
        thread::sleep(Duration::from_millis(500));
        // A rule that lives for one transaction only is never in a listing.
        for port in 2..20 {
            let echo = output(
                "nft",
                &["-a", "-e", "add", "rule", "inet", "t", "c", &format!("tcp dport {port} drop")],
            );
            let handle = listed(&format!("\t\t{}", echo.lines().next().unwrap())).remove(0).0;
            nft(&format!("delete rule inet t c handle {handle}"));
            let rule = rule(&cache, inode, &query("t", handle)).unwrap();
            assert_eq!(rule.text, Some(format!("tcp dport {port} drop")));
        }
        // A replacement keeps the handle (or not: then the old rule is gone).
        for port in 99..120 {
            let before = query("t", 3);
            let old = rule(&cache, inode, &before).unwrap();
            nft(&format!("replace rule inet t c handle 3 tcp dport {port} drop"));
            let new = rule(&cache, inode, &query("t", 3)).unwrap();
            assert_eq!(new.text, Some(format!("tcp dport {port} drop")));
            assert_eq!((new.chain.as_str(), new.deleted), ("c", false));
            assert_eq!(rule(&cache, inode, &before).unwrap().text, old.text);
        }
        assert_eq!(rule(&cache, inode, &query("t", 4000)), None);
    });
}

#[test]
fn root_a_table_made_anew_is_another_one() {
    in_namespace(|inode| {
        nft("table inet t { chain c { tcp dport 1 drop; } }");
        let listing = output("nft", &["-a", "list", "ruleset"]);
        let table = listing.lines().next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        let cache = cache_of(inode);
        let before = query("t", 2);
        assert_eq!(rule(&cache, inode, &before).unwrap().text.as_deref(), Some("tcp dport 1 drop"));
        thread::sleep(Duration::from_millis(1500));
        nft("flush ruleset; table inet t { chain c { tcp dport 2 accept; } }");
        thread::sleep(Duration::from_millis(1500));
        let after = rule(&cache, inode, &query("t", 2)).unwrap();
        assert_eq!(after.text.as_deref(), Some("tcp dport 2 accept"));
        let then = rule(&cache, inode, &before).unwrap();
        assert_eq!((then.text.as_deref(), then.deleted), (Some("tcp dport 1 drop"), true));
        let first = RuleQuery { table_handle: Some(table), ..query("t", 2) };
        assert_eq!(rule(&cache, inode, &first).unwrap().text.as_deref(), Some("tcp dport 1 drop"));
    });
}

#[test]
fn root_verdict_maps_name_the_element() {
    in_namespace(|inode| {
        nft("table inet t {
               map iv {
                 type ipv4_addr : verdict
                 flags interval
                 elements = { 10.0.0.0/24 : drop, 10.1.0.0-10.1.0.77 : accept }
               }
               chain c {
                 ip saddr vmap @iv
                 meta l4proto . th dport vmap { tcp . 22 : accept, udp . 53 : drop }
               }
             }");
        let cache = cache_of(inode);
        let rules = listed(&output("nft", &["-a", "list", "ruleset"]));
        let ask = |at: usize, key: &[u8]| {
            let query = query("t", rules[at].0);
            let rule = rule(&cache, inode, &query).unwrap();
            let [Ending::VerdictMap(map)] = rule.endings.as_slice() else { panic!("{rule:?}") };
            let set = rule.verdict_maps().next().unwrap().1.unwrap();
            assert_eq!(set.key_length as usize, key.len());
            settled(&cache, || cache.verdict_map_element(inode, &query, map, key)).known()
        };
        assert_eq!(ask(0, &[10, 0, 0, 9]).as_deref(), Some("10.0.0.0/24 : drop"));
        assert_eq!(ask(1, &[17, 0, 0, 0, 0, 53, 0, 0]).as_deref(), Some("udp . 53 : drop"));
        assert_eq!(ask(0, &[10, 2, 0, 9]), None);
        nft("add element inet t iv { 10.2.0.9 : drop }");
        let deadline = Instant::now() + Duration::from_secs(10);
        while ask(0, &[10, 2, 0, 9]).as_deref() != Some("10.2.0.9 : drop") {
            assert!(Instant::now() < deadline);
        }
    });
}

#[test]
fn root_chains_and_what_ends_a_packet() {
    in_namespace(|inode| {
        nft("table inet t { chain side { reject with tcp reset; } \
             chain c { type filter hook input priority 5; policy drop; \
               tcp dport 1 drop; reject; jump side; } }");
        let cache = cache_of(inode);
        let chain = |name| settled(&cache, || cache.chain(inode, Family::Inet, "t", name)).known();
        let base = chain("c").unwrap().base.unwrap();
        assert_eq!((base.hook.as_str(), base.priority), ("input", 5));
        assert_eq!(base.policy, Some(Verdict::Drop));
        assert_eq!(chain("side").unwrap().base, None);
        assert_eq!(chain("none"), None);
        let rules = listed(&output("nft", &["-a", "list", "ruleset"]));
        let endings: Vec<_> = rules
            .iter()
            .map(|(handle, _)| rule(&cache, inode, &query("t", *handle)).unwrap().endings.clone())
            .collect();
        let expected = [
            Ending::Reject("tcp reset".into()),
            Ending::Verdict(Verdict::Drop),
            Ending::Reject("icmpx port-unreachable".into()),
            Ending::Verdict(Verdict::Jump("side".into())),
        ];
        assert_eq!(endings, expected.map(|ending| vec![ending]));
    });
}

#[test]
fn root_without_nft_chains_are_known() {
    in_namespace(|inode| {
        nft("table inet t { chain c { tcp dport 1 drop comment \"why\"; } }");
        let cache = RulesetCache::new(Options { nft: None, ..Options::default() });
        cache.watch_handle(Handle::current().unwrap());
        let rule = rule(&cache, inode, &query("t", 2)).unwrap();
        assert_eq!((rule.chain.as_str(), rule.text.as_deref()), ("c", None));
        assert_eq!(rule.comment.as_deref(), Some("why"));
        assert!(cache.nft_missing());
        assert_eq!(cache.take_notices().len(), 1);
        assert_eq!(cache.take_notices().len(), 0);
    });
}

#[test]
fn root_iptables_rules_have_their_owners_line() {
    in_namespace(|inode| {
        if Command::new("iptables-nft").arg("--version").output().is_err() {
            skip("needs iptables-nft");
            return;
        }
        let iptables = |line: &str| {
            let words: Vec<_> = line.split(' ').collect();
            output("iptables-nft", &words);
        };
        iptables("-A INPUT -p tcp --dport 33 -m comment --comment why -j DROP");
        iptables("-N foo");
        iptables("-A foo -j REJECT");
        iptables("-I INPUT -s 1.1.1.1 -j foo");
        nft("table ip mine { chain INPUT { counter drop; } }");
        // Another program's rule, which iptables shows as `-A FORWARD -j DROP`.
        nft("add chain ip filter FORWARD { type filter hook forward priority 0
}
 \
             add set ip filter s { type ipv4_addr; flags interval; } \
             add rule ip filter FORWARD ip saddr @s counter drop");
        let cache = cache_of(inode);
        let rules = listed(&output("nft", &["-a", "list", "table", "ip", "filter"]));
        let lines: Vec<_> = rules
            .iter()
            .map(|(handle, text)| {
                let query = RuleQuery { family: Family::Ip, ..query("filter", *handle) };
                let rule = rule(&cache, inode, &query).unwrap();
                assert_eq!(rule.text.as_ref(), Some(text));
                rule.iptables.clone()
            })
            .collect();
        let saved = output("iptables-nft", &["-S"]);
        let mut expected: Vec<_> =
            saved.lines().filter(|line| line.starts_with("-A ")).map(String::from).collect();
        expected.retain(|line| !line.starts_with("-A FORWARD"));
        assert_eq!(expected.len(), 3);
        assert_eq!(lines.iter().flatten().cloned().collect::<Vec<_>>().len(), 3, "{lines:?}");
        expected.sort();
        let mut lines: Vec<_> = lines.into_iter().flatten().collect();
        lines.sort();
        assert_eq!(lines, expected);
        iptables("-A INPUT -p udp --dport 44 -j DROP");
        let newest = output("nft", &["-a", "list", "table", "ip", "filter"]);
        let handle = listed(&newest).into_iter().find(|(_, text)| text.contains("44")).unwrap().0;
        let query = RuleQuery { family: Family::Ip, ..query("filter", handle) };
        let rule = rule(&cache, inode, &query).unwrap();
        assert_eq!(rule.iptables.as_deref(), Some("-A INPUT -p udp -m udp --dport 44 -j DROP"));
    });
}

#[test]
fn root_a_namespace_that_only_the_cache_holds_is_let_go() {
    in_namespace(|inode| {
        nft("table inet t { chain c { tcp dport 1 drop; } }");
        let (cache, asked) = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let cache = cache_of(inode);
                    let asked = query("t", 2);
                    assert!(rule(&cache, inode, &asked).is_some());
                    (cache, asked)
                })
                .join()
                .unwrap()
        });
        cache.release_unused();
        cache.release_unused();
        // Its texts are kept for events on their way.
        let rule = rule(&cache, inode, &asked).unwrap();
        assert_eq!(rule.text.as_deref(), Some("tcp dport 1 drop"));
    });
}
