//! Rules in full, as they were when a packet passed them, in a namespace of
//! the test's own. Needs root and nft.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod skip;

use std::thread;
use std::time::{Duration, Instant};

use common::*;
use nfscope_event::Family;
use nfscope_ruleset::nft::{ChainQuery, Order, RuleQuery};
use nfscope_ruleset::why::{PacketFacts, explain};

#[test]
fn root_rules_in_full_are_those_of_the_time() {
    in_namespace(|inode| {
        nft("table inet t {
               set s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 }; }
               chain c {
                 tcp dport 1 drop
                 ip saddr @s accept
                 iif \"lo\" drop
               }
             }");
        let cache = cache_of(inode);
        let rules = listed(&output("nft", &["-a", "list", "ruleset"]));
        let details =
            |query: &RuleQuery<'_>| settled(&cache, || cache.details(inode, query)).known();
        let why = |query: &RuleQuery<'_>, value: &[u8]| {
            let rule = details(query)?;
            let last = rule.expressions().iter().rposition(|e| e.name != "immediate").unwrap();
            let mut registers = [0; 80];
            registers[16..16 + value.len()].copy_from_slice(value);
            Some(explain(&rule, last, &registers, &PacketFacts::default()).to_string())
        };
        let first = query("t", rules[0].0);
        assert_eq!(why(&first, &[0, 2]).as_deref(), Some("tcp dport 1: packet has 2"));
        let in_set = |at: &RuleQuery<'_>| why(at, &[10, 0, 0, 7]);
        assert_eq!(
            in_set(&query("t", rules[1].0)).as_deref(),
            Some("ip saddr @s: 10.0.0.7 is not in the set (2 elements)")
        );
        nft("add element inet t s { 10.0.0.3 }");
        thread::sleep(Duration::from_millis(1200));
        let later = query("t", rules[1].0);
        assert_eq!(
            in_set(&later).as_deref(),
            Some("ip saddr @s: 10.0.0.7 is not in the set (3 elements)")
        );
        let device = why(&query("t", rules[2].0), &7u32.to_ne_bytes());
        assert_eq!(device.as_deref(), Some("iif \"lo\": arrived on interface 7"));
        // What was asked for stays known, what was not is gone with the rule.
        nft("add rule inet t c tcp dport 4 drop");
        let fourth = listed(&output("nft", &["-a", "list", "ruleset"]))[3].0;
        let unasked = query("t", fourth);
        assert!(rule(&cache, inode, &unasked).is_some());
        nft("flush chain inet t c");
        assert!(rule(&cache, inode, &query("t", fourth)).unwrap().deleted);
        assert_eq!(details(&unasked), None);
        assert_eq!(why(&first, &[0, 2]).as_deref(), Some("tcp dport 1: packet has 2"));
        assert_eq!(why(&query("t", rules[0].0), &[0, 2]), why(&first, &[0, 2]));
    });
}

#[test]
fn root_a_replaced_rule_in_full_is_not_its_successor() {
    in_namespace(|inode| {
        nft("table inet t { chain c { tcp dport 1 drop; tcp dport 2 drop; } }");
        let cache = cache_of(inode);
        let port = |query: &RuleQuery<'_>| {
            let rule = settled(&cache, || cache.details(inode, query)).known()?;
            Some(explain(&rule, 3, &[0; 80], &PacketFacts::default()).wanted.unwrap())
        };
        let handle = |at: usize| listed(&output("nft", &["-a", "list", "ruleset"]))[at].0;
        let (asked, unasked) = (query("t", handle(0)), query("t", handle(1)));
        assert_eq!(port(&asked).as_deref(), Some("1"));
        assert!(rule(&cache, inode, &unasked).is_some());
        thread::sleep(Duration::from_millis(300));
        for (at, new) in [(asked.handle, 11), (unasked.handle, 12)] {
            nft(&format!("replace rule inet t c handle {at} tcp dport {new} drop"));
        }
        let last = rule(&cache, inode, &query("t", handle(1))).unwrap();
        assert_eq!(last.text.as_deref(), Some("tcp dport 12 drop"));
        assert_eq!(port(&query("t", handle(0))).as_deref(), Some("11"));
        assert_eq!(port(&query("t", handle(1))).as_deref(), Some("12"));
        assert_eq!(port(&asked).as_deref(), Some("1"));
        assert_eq!(port(&unasked), None);
    });
}

#[test]
fn root_many_rules_in_full_are_listed_at_once() {
    in_namespace(|inode| {
        nft(&many_rules());
        let cache = cache_of(inode);
        let rules = listed(&output("nft", &["-a", "list", "ruleset"]));
        let queries: Vec<_> = rules.iter().map(|(handle, _)| query("many", *handle)).collect();
        assert!(rule(&cache, inode, &queries[480]).is_some());
        let before = Instant::now();
        for query in &queries {
            let _ = cache.details(inode, query);
        }
        for query in &queries {
            let details = settled(&cache, || cache.details(inode, query)).known().unwrap();
            assert!(!details.expressions().is_empty());
        }
        println!("{} rules in {:?}", queries.len(), before.elapsed());
    });
}

#[test]
fn root_the_order_of_a_chain_is_that_of_the_time() {
    in_namespace(|inode| {
        nft("table inet t { chain c { tcp dport 1 drop; tcp dport 2 drop; } chain d { } }");
        let cache = cache_of(inode);
        let handles = || {
            let rules = listed(&output("nft", &["-a", "list", "ruleset"]));
            rules.iter().map(|(handle, _)| *handle).collect::<Vec<_>>()
        };
        let order = |chain: &'static str, at: u64| {
            let query =
                ChainQuery { family: Family::Inet, table: "t", table_handle: None, chain, at };
            settled(&cache, || cache.order(inode, &query)).known()
        };
        let now = nfscope_ruleset::monotonic_ns;
        let before = now();
        let old = handles();
        assert_eq!(order("c", before).as_deref(), Some(&Order::new(old.clone())));
        assert_eq!(order("d", before).as_deref(), Some(&Order::default()));
        thread::sleep(Duration::from_millis(300));
        let between = now();
        thread::sleep(Duration::from_millis(300));
        nft("insert rule inet t c tcp dport 3 drop");
        nft(&format!("add rule inet t c position {} tcp dport 4 drop", old[0]));
        let new = handles();
        assert_eq!(new.len(), 4);
        let after = now();
        assert_eq!(order("c", after).as_deref(), Some(&Order::new(new)));
        assert_eq!(order("c", before).as_deref(), Some(&Order::new(old.clone())));
        assert_eq!(order("c", between).as_deref(), Some(&Order::new(old)));
        nft("flush chain inet t c");
        assert_eq!(order("c", now()).as_deref(), Some(&Order::default()));
    });
}
