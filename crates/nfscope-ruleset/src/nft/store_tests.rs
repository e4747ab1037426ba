use super::*;
use crate::netlink::Verdict;
use crate::nft::listing;
use crate::nft::lookup::{Lookup, RuleQuery};

const SECOND: u64 = 1_000_000_000;

fn table(handle: u64) -> TableInfo {
    TableInfo { family: Family::Inet, name: "t".into(), handle }
}

fn rule(handle: u64) -> RuleInfo {
    RuleInfo {
        family: Family::Inet,
        table: "t".into(),
        chain: "c".into(),
        handle,
        expressions: vec![Expression::Ending(Ending::Verdict(Verdict::Drop))],
        comment: None,
    }
}

fn snapshot(table_handle: u64, rules: &[u64]) -> Snapshot {
    let rules = rules.iter().map(|handle| rule(*handle)).collect();
    Snapshot { tables: vec![table(table_handle)], rules, ..Snapshot::default() }
}

fn query(handle: u64, at: u64) -> RuleQuery<'static> {
    RuleQuery { family: Family::Inet, table: "t", table_handle: None, handle, at }
}

fn text(store: &Store, handle: u64, at: u64) -> Lookup<Option<String>> {
    match store.rule(&query(handle, at)) {
        Lookup::Known(rule) => Lookup::Known(rule.text.clone()),
        Lookup::Pending => Lookup::Pending,
        Lookup::Unknown => Lookup::Unknown,
    }
}

fn known(text: &str) -> Lookup<Option<String>> {
    Lookup::Known(Some(text.into()))
}

#[test]
fn a_rule_is_pending_until_its_text_comes() {
    let mut store = Store::new(true);
    assert_eq!(text(&store, 1, SECOND), Lookup::Pending, "nothing was read yet");
    store.replace(snapshot(1, &[1, 2]), 5 * SECOND);
    store.synced(6 * SECOND);
    assert_eq!(text(&store, 1, 5 * SECOND), Lookup::Pending);
    assert!(!store.take_text(1, "other", 1, "accept", None), "another chain's");
    assert!(store.take_text(1, "c", 1, "drop", None));
    assert_eq!(text(&store, 1, 5 * SECOND), known("drop"));
    for _ in 0..3 {
        assert_eq!(text(&store, 2, 5 * SECOND), Lookup::Pending);
        store.listed(6 * SECOND, None);
    }
    assert_eq!(text(&store, 2, 5 * SECOND), Lookup::Known(None), "nobody can tell");
}

#[test]
fn a_handle_nobody_announced_becomes_unknown() {
    let mut store = Store::new(true);
    store.replace(snapshot(1, &[]), 5 * SECOND);
    assert_eq!(text(&store, 9, 5 * SECOND), Lookup::Pending, "may be announced yet");
    store.synced(7 * SECOND);
    assert_eq!(text(&store, 9, 5 * SECOND), Lookup::Unknown);
}

#[test]
fn a_deleted_rule_keeps_its_text() {
    let mut store = Store::new(true);
    store.replace(snapshot(1, &[1, 2]), 5 * SECOND);
    store.take_text(1, "c", 1, "drop", None);
    store.apply(Change::DeletedRule(rule(1)), 6 * SECOND, 6 * SECOND);
    store.apply(Change::DeletedRule(rule(2)), 6 * SECOND, 6 * SECOND);
    assert_eq!(text(&store, 1, 5 * SECOND), known("drop"));
    assert!(store.rule(&query(1, 5 * SECOND)).known().unwrap().deleted);
    store.give_up_gone(6 * SECOND);
    assert_eq!(text(&store, 2, 5 * SECOND), Lookup::Pending, "its text may be under way");
    store.give_up_gone(8 * SECOND);
    assert_eq!(text(&store, 2, 5 * SECOND), Lookup::Known(None));
}

#[test]
fn a_replaced_rule_is_told_by_time() {
    let mut store = Store::new(true);
    store.replace(snapshot(1, &[1]), 5 * SECOND);
    store.take_text(1, "c", 1, "first", None);
    assert_eq!(text(&store, 1, 5 * SECOND), Lookup::Pending, "may have been replaced");
    store.ask(5 * SECOND);
    assert!(store.behind());
    assert!(store.synced(6 * SECOND), "somebody waits");
    assert_eq!(text(&store, 1, 5 * SECOND), known("first"));
    for at in 7..50 {
        // older kernels tell of the end last
        let mut changes = vec![Change::DeletedRule(rule(1)), Change::NewRule(rule(1))];
        changes.rotate_left(at % 2);
        store.take(changes, at as u64 * SECOND, at as u64 * SECOND);
    }
    store.synced(60 * SECOND);
    assert!(store.take_text(1, "c", 1, "any of them", None));
    assert!(store.take_text(1, "c", 1, "the one before", Some(48 * SECOND)));
    assert_eq!(text(&store, 1, 50 * SECOND), Lookup::Pending);
    store.take_text(1, "c", 1, "last", Some(50 * SECOND));
    assert_eq!(text(&store, 1, 50 * SECOND), known("last"));
    assert!(!store.rule(&query(1, 50 * SECOND)).known().unwrap().deleted);
    assert_eq!(text(&store, 1, 48 * SECOND), Lookup::Known(None), "nobody saw its text");
    assert_eq!(text(&store, 1, 5 * SECOND), Lookup::Unknown, "too long ago");
    store.take(vec![Change::DeletedRule(rule(1))], 49 * SECOND, 49 * SECOND);
    assert!(store.rule(&query(1, 50 * SECOND)).known().unwrap().deleted);
}

/// Table 1 until it is replaced by table 2, between 8 and 9 seconds.
fn made_anew() -> Store {
    let mut store = Store::new(true);
    store.replace(snapshot(1, &[1]), 5 * SECOND);
    store.take_text(1, "c", 1, "old", None);
    let changes =
        [Change::DeletedTable(table(1)), Change::NewTable(table(2)), Change::NewRule(rule(1))];
    store.take(changes.into(), 8 * SECOND, 9 * SECOND);
    store.synced(20 * SECOND);
    store
}

#[test]
fn a_table_made_anew_is_told_by_time_or_handle() {
    let mut store = made_anew();
    assert_eq!(text(&store, 1, 7 * SECOND), known("old"));
    assert_eq!(text(&store, 1, 10 * SECOND), Lookup::Pending);
    store.take_text(2, "c", 1, "new", None);
    assert_eq!(text(&store, 1, 10 * SECOND), known("new"));
    assert_eq!(text(&store, 1, 8 * SECOND + 1), Lookup::Unknown, "either may be meant");
    for (table, expected) in [(1, "old"), (2, "new")] {
        let query = RuleQuery { table_handle: Some(table), ..query(1, 8 * SECOND + 1) };
        assert_eq!(store.rule(&query).known().unwrap().text.as_deref(), Some(expected));
    }
}

#[test]
fn two_tables_with_the_same_text_leave_no_doubt() {
    let mut store = made_anew();
    store.take_text(2, "c", 1, "old", None);
    assert_eq!(text(&store, 1, 8 * SECOND + 1), known("old"));
}

#[test]
fn a_second_reading_finds_what_was_missed() {
    let mut store = Store::new(true);
    store.replace(snapshot(1, &[1, 2]), 5 * SECOND);
    store.take_text(1, "c", 1, "drop", None);
    store.take_text(1, "c", 2, "accept", None);
    store.replace(snapshot(1, &[2, 3]), 9 * SECOND);
    assert_eq!(text(&store, 1, 6 * SECOND), known("drop"));
    assert_eq!(text(&store, 2, 6 * SECOND), known("accept"));
    assert_eq!(store.chains_to_list(9 * SECOND).len(), 1);
    store.replace(snapshot(4, &[3]), 12 * SECOND);
    assert!(store.rule(&query(2, 8 * SECOND)).known().unwrap().deleted);
}

#[test]
fn a_renamed_chain_takes_its_rules_along() {
    let chain = |name: &str| ChainInfo {
        family: Family::Inet,
        table: "t".into(),
        name: name.into(),
        handle: 7,
        hook: None,
        policy: None,
        kind: None,
    };
    let mut store = Store::new(false);
    let mut first = snapshot(1, &[1]);
    first.chains.push(chain("c"));
    store.replace(first, 5 * SECOND);
    store.apply(Change::NewChain(chain("d")), 6 * SECOND, 6 * SECOND);
    store.synced(6 * SECOND);
    assert_eq!(store.rule(&query(1, 5 * SECOND)).known().unwrap().chain, "d");
    assert_eq!(store.chain(Family::Inet, "t", "c"), Lookup::Unknown);
}

#[test]
fn what_went_long_ago_is_forgotten() {
    let mut store = Store::new(true);
    store.replace(snapshot(1, &[]), SECOND);
    for handle in 1..=REMEMBERED_RULES as u64 + 10 {
        store.apply(Change::NewRule(rule(handle)), SECOND, SECOND);
        store.apply(Change::DeletedRule(rule(handle)), SECOND, SECOND);
    }
    assert_eq!(store.instances[0].rules.len(), REMEMBERED_RULES);
    assert_eq!(store.wanted.len(), REMEMBERED_RULES);
    for handle in 2..=REMEMBERED_TABLES as u64 + 10 {
        store.apply(Change::NewTable(table(handle)), SECOND, SECOND);
        store.apply(Change::DeletedTable(table(handle)), SECOND, SECOND);
    }
    assert_eq!(store.instances.len(), REMEMBERED_TABLES + 1, "and the one that is there");
}

#[test]
fn iptables_lines_are_taken_only_where_they_count_out() {
    let mut store = Store::new(true);
    let made = |handle| RuleInfo {
        family: Family::Ip,
        table: "filter".into(),
        chain: "INPUT".into(),
        expressions: vec![Expression::Other("counter".into())],
        ..rule(handle)
    };
    let filter = TableInfo { family: Family::Ip, name: "filter".into(), handle: 1 };
    let rules = vec![made(1), made(2)];
    store.replace(Snapshot { tables: vec![filter], rules, ..Snapshot::default() }, SECOND);
    store.synced(2 * SECOND);
    [1, 2].iter().for_each(|handle| assert!(store.take_text(1, "INPUT", *handle, "counter", None)));
    let ask = |store: &Store, handle| {
        let query = RuleQuery { family: Family::Ip, table: "filter", ..query(handle, SECOND) };
        store.rule(&query)
    };
    assert_eq!(ask(&store, 1), Lookup::Pending);
    let order = HashMap::from([("INPUT".to_owned(), vec![2, 1])]);
    let lines = |lines: &[&str]| {
        HashMap::from([("INPUT".to_owned(), lines.iter().map(|l| l.to_string()).collect())])
    };
    let table = (Family::Ip, "filter");
    store.take_iptables(table, &order, Some(&lines(&["-A INPUT -j DROP"])));
    assert_eq!(ask(&store, 1).known().unwrap().iptables, None);
    store.take_iptables(table, &order, Some(&lines(&["-A INPUT 2", "-A INPUT 1"])));
    assert_eq!(ask(&store, 1).known().unwrap().iptables.as_deref(), Some("-A INPUT 1"));
}

#[test]
fn elements_of_a_map_in_a_rule_and_of_a_named_one() {
    let set = |name: &str, anonymous| SetInfo {
        family: Family::Inet,
        table: "t".into(),
        name: name.into(),
        anonymous,
        key_type: 13,
        key_length: 2,
        interval: false,
    };
    let map = |set: &str| crate::netlink::VerdictMap { set: set.into(), register: 1 };
    let ending = |name: &str| Expression::Ending(Ending::VerdictMap(map(name)));
    let mut first = snapshot(1, &[]);
    first.sets = vec![set("__map0", true), set("vm", false)];
    let expressions = vec![ending("__map0"), ending("vm")];
    first.rules = vec![RuleInfo { expressions, ..rule(1) }];
    let mut store = Store::new(true);
    store.replace(first, SECOND);
    store.synced(2 * SECOND);
    store.take_text(
        1,
        "c",
        1,
        "tcp dport vmap { 22 : accept, 23 : drop } tcp sport vmap @vm",
        None,
    );
    let ask = |store: &Store, name: &str, port: u16, at: u64| {
        store.element(&query(1, at), &map(name), &port.to_be_bytes())
    };
    assert_eq!(ask(&store, "__map0", 23, SECOND), Lookup::Known("23 : drop".into()));
    assert_eq!(ask(&store, "__map0", 24, SECOND), Lookup::Unknown);
    assert_eq!(ask(&store, "vm", 7, SECOND), Lookup::Pending);
    let to_list = store.map_to_list().unwrap();
    let change = || Change::Elements(Family::Inet, "t".into(), "vm".into());
    let listed = |store: &mut Store, element: &str, started: u64| {
        let elements = vec![element.to_owned()];
        store.take_map(1, listing::ListedMap { name: "vm".into(), elements });
        store.listed_maps(started, Some(&to_list));
    };
    store.apply(change(), 2 * SECOND, 2 * SECOND);
    store.synced(20 * SECOND);
    listed(&mut store, "7 : drop", SECOND);
    assert_eq!(ask(&store, "vm", 7, 2 * SECOND), Lookup::Pending, "changed while it was listed");
    listed(&mut store, "7 : drop", 3 * SECOND);
    assert_eq!(ask(&store, "vm", 7, 2 * SECOND), Lookup::Known("7 : drop".into()));
    assert_eq!(ask(&store, "vm", 7, SECOND), Lookup::Unknown, "nobody saw what it held then");
    store.apply(change(), 4 * SECOND, 5 * SECOND);
    listed(&mut store, "7 : accept", 3 * SECOND);
    assert_eq!(ask(&store, "vm", 7, 6 * SECOND), Lookup::Pending, "changed behind the listing");
    listed(&mut store, "7 : accept", 6 * SECOND);
    assert_eq!(ask(&store, "vm", 7, 6 * SECOND), Lookup::Known("7 : accept".into()));
    assert_eq!(ask(&store, "vm", 7, 3 * SECOND), Lookup::Known("7 : drop".into()), "as it was");
    assert_eq!(ask(&store, "vm", 7, 4 * SECOND), Lookup::Unknown, "just when it changed");
    assert_eq!(ask(&store, "vm", 7, SECOND), Lookup::Unknown);
}
