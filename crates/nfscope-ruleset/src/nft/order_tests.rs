use super::*;
use crate::netlink::{ChainInfo, Change, RuleInfo, TableInfo};
use crate::nft::snapshot::Snapshot;
use nfscope_event::Family;

const SECOND: u64 = 1_000_000_000;

fn chain() -> ChainInfo {
    ChainInfo {
        family: Family::Inet,
        table: "t".into(),
        name: "c".into(),
        handle: 1,
        hook: None,
        policy: None,
        kind: None,
    }
}

fn rule(handle: u64) -> RuleInfo {
    RuleInfo {
        family: Family::Inet,
        table: "t".into(),
        chain: "c".into(),
        handle,
        expressions: Vec::new(),
        comment: None,
    }
}

/// A store that was loaded at five seconds.
fn store() -> Store {
    let table = TableInfo { family: Family::Inet, name: "t".into(), handle: 9 };
    let mut store = Store::new(false);
    let snapshot = Snapshot {
        tables: vec![table],
        chains: vec![chain()],
        rules: vec![rule(1), rule(2)],
        ..Snapshot::default()
    };
    store.replace(snapshot, 5 * SECOND);
    store.synced(6 * SECOND);
    store
}

fn order(store: &mut Store, at: u64) -> Lookup<Vec<u64>> {
    let query =
        ChainQuery { family: Family::Inet, table: "t", table_handle: Some(9), chain: "c", at };
    match store.order(&query) {
        Lookup::Known(order) => Lookup::Known(order.0.to_vec()),
        Lookup::Pending => Lookup::Pending,
        Lookup::Unknown => Lookup::Unknown,
    }
}

fn listed(store: &mut Store, handles: &[u64], at: u64) {
    let wanted = std::mem::take(&mut store.orders.wanted);
    for key in wanted {
        store.orders.listed(key, Some(handles.to_vec()), at - 1, at);
    }
}

#[test]
fn rules_are_counted_between_those_that_matched() {
    let order = Order::new(vec![4, 7, 9, 12, 5]);
    assert_eq!(order.passed_over(&[], true), Some(5));
    assert_eq!(order.passed_over(&[7, 12], false), Some(2));
    assert_eq!(order.passed_over(&[7, 12], true), Some(3));
    assert_eq!(order.passed_over(&[5], false), Some(4));
    assert_eq!(order.passed_over(&[12, 7], false), None, "another order");
    assert_eq!(order.passed_over(&[7, 7], true), None);
    assert_eq!(order.passed_over(&[7, 8], true), None, "not this chain's");
    assert_eq!((order.next(7), order.behind(7)), (Some(9), Some(3)));
    assert_eq!((order.next(5), order.behind(5)), (None, Some(0)));
    assert_eq!((order.next(6), order.behind(6)), (None, None));
}

#[test]
fn the_first_listing_has_all_chains() {
    let mut store = store();
    assert_eq!(order(&mut store, 4 * SECOND), Lookup::Known(vec![1, 2]));
    assert!(!store.orders.wanting());
    assert_eq!(order(&mut store, 9 * SECOND), Lookup::Pending, "not settled yet");
}

#[test]
fn an_order_is_that_of_the_time() {
    let mut store = store();
    store.synced(8 * SECOND);
    store.take(vec![Change::NewRule(rule(3))], 9 * SECOND, 10 * SECOND);
    store.synced(20 * SECOND);
    assert_eq!(order(&mut store, 8 * SECOND), Lookup::Known(vec![1, 2]));
    assert_eq!(order(&mut store, 9 * SECOND + 1), Lookup::Unknown, "just then");
    assert_eq!(order(&mut store, 11 * SECOND), Lookup::Pending);
    assert!(store.orders.wanting());
    listed(&mut store, &[2, 3, 1], 21 * SECOND);
    assert_eq!(order(&mut store, 11 * SECOND), Lookup::Pending, "a change may be under way");
    store.synced(22 * SECOND);
    assert_eq!(order(&mut store, 11 * SECOND), Lookup::Known(vec![2, 3, 1]));
    assert_eq!(order(&mut store, 8 * SECOND), Lookup::Known(vec![1, 2]));
}

#[test]
fn a_listing_that_may_hold_a_later_change_is_not_believed() {
    let mut store = store();
    store.take(vec![Change::NewRule(rule(3))], 6 * SECOND, 7 * SECOND);
    assert_eq!(order(&mut store, 7 * SECOND), Lookup::Pending);
    listed(&mut store, &[2, 1], 8 * SECOND);
    store.take(vec![Change::DeletedRule(rule(3))], 7 * SECOND, 9 * SECOND);
    store.synced(10 * SECOND);
    assert_eq!(order(&mut store, 7 * SECOND), Lookup::Unknown);
    // a listing that was under way when the change was read
    assert_eq!(order(&mut store, 9 * SECOND), Lookup::Pending);
    listed(&mut store, &[7], 9 * SECOND);
    assert_eq!(order(&mut store, 9 * SECOND), Lookup::Pending);
}

#[test]
fn what_was_not_followed_is_not_known() {
    let mut store = store();
    let snapshot = Snapshot {
        tables: vec![TableInfo { family: Family::Inet, name: "t".into(), handle: 9 }],
        chains: vec![chain()],
        ..Snapshot::default()
    };
    store.replace(snapshot, 8 * SECOND);
    store.synced(9 * SECOND);
    assert_eq!(order(&mut store, 5 * SECOND), Lookup::Unknown);
    assert_eq!(order(&mut store, 8 * SECOND), Lookup::Known(Vec::new()));
}
