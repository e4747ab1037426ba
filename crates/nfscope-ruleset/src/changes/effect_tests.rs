use super::*;
use crate::changes::blocks::statements;
use crate::nft::listing;

fn op(new: bool, object: Object, name: &str, handle: Option<u64>) -> Operation {
    let (family, table) = (Family::Inet, "t".to_owned());
    Operation { new, object, family, table, name: name.into(), handle, placed: true }
}

fn rule(new: bool, handle: u64) -> Operation {
    op(new, Object::Rule, "x", Some(handle))
}

fn effects() -> Effects {
    let mut effects = Effects::default();
    let text = "table inet t { # handle 1\n\tchain x { # handle 1\n\t\ttcp dport 1 drop # handle 2\n\
                \t\ttcp dport 2 drop # handle 3\n\t}\n}\n";
    effects.listed(listing::parse(text, |_, _, _| false));
    effects.there_is(Object::Chain, (Family::Inet, "t".into(), "x".into()));
    effects
}

fn take(effects: &mut Effects, block: &str, operations: &[Operation]) -> Effect {
    let all = statements(block, operations).unwrap();
    effects.take(all.into_iter().map(|(o, s)| (o, Some(s))), HashMap::new)
}

fn told(effect: &Effect) -> Vec<(ChangeKind, &str, Option<&str>)> {
    effect.changes.iter().map(|c| (c.change, c.line.as_str(), c.before.as_deref())).collect()
}

use ChangeKind::{Added, Deleted, Replaced, Updated};

#[test]
fn a_deleted_rule_has_its_text() {
    let mut effects = effects();
    let effect = take(&mut effects, "delete rule inet t x handle 2\n", &[rule(false, 2)]);
    assert_eq!(
        told(&effect),
        [(Deleted, "delete rule inet t x handle 2", Some("tcp dport 1 drop"))]
    );
}

#[test]
fn a_rule_replaced_under_its_handle_in_either_order() {
    let (delete, add) = ("delete rule inet t x handle 2\n", "add rule inet t x drop # handle 2\n");
    let wanted = [(Replaced, "add rule inet t x drop", Some("tcp dport 1 drop"))];
    let newer = take(&mut effects(), &format!("{delete}{add}"), &[rule(false, 2), rule(true, 2)]);
    assert_eq!(told(&newer), wanted);
    let mut effects = effects();
    let older = take(&mut effects, &format!("{add}{delete}"), &[rule(true, 2), rule(false, 2)]);
    assert_eq!(told(&older), wanted);
    let again = take(&mut effects, "delete rule inet t x handle 2\n", &[rule(false, 2)]);
    assert_eq!(told(&again), [(Deleted, "delete rule inet t x handle 2", Some("drop"))]);
}

#[test]
fn a_reload_tells_what_is_different() {
    let block = "delete rule inet t x handle 2\ndelete rule inet t x handle 3\n\
                 add rule inet t x tcp dport 1 drop # handle 4\n\
                 add rule inet t x tcp dport 3 drop # handle 5\n\
                 add rule inet t x handle 4 tcp dport 2 drop # handle 6\n";
    let operations = [rule(false, 2), rule(false, 3), rule(true, 4), rule(true, 5), rule(true, 6)];
    let effect = take(&mut effects(), block, &operations);
    assert_eq!(told(&effect), [(Added, "add rule inet t x tcp dport 3 drop", None)]);
    assert_eq!(effect.unchanged, 2);
}

#[test]
fn a_rule_that_moves_is_told() {
    // handle 3 stays, so that handle 2's successor stands behind it
    let block = "delete rule inet t x handle 2\nadd rule inet t x tcp dport 1 drop # handle 4\n";
    let effect = take(&mut effects(), block, &[rule(false, 2), rule(true, 4)]);
    assert_eq!((effect.changes.len(), effect.unchanged), (2, 0));
    // two that change places
    let block = "delete rule inet t x handle 2\ndelete rule inet t x handle 3\n\
                 add rule inet t x tcp dport 1 drop # handle 4\n\
                 insert rule inet t x tcp dport 2 drop # handle 5\n";
    let operations = [rule(false, 2), rule(false, 3), rule(true, 4), rule(true, 5)];
    let effect = take(&mut effects(), block, &operations);
    assert_eq!((effect.changes.len(), effect.unchanged), (2, 1));
}

#[test]
fn without_nft_names_and_handles_are_left() {
    let operations = [op(true, Object::Chain, "x", None), rule(true, 9), rule(false, 2)];
    let effect = effects().take(operations.iter().map(|o| (o, None)), HashMap::new);
    let before = Some("tcp dport 1 drop");
    assert_eq!(
        told(&effect),
        [
            (Updated, "add chain inet t x", None),
            (Added, "add rule inet t x handle 9", None),
            (Deleted, "delete rule inet t x handle 2", before),
        ]
    );
}

#[test]
fn where_the_kernel_tells_no_place_the_order_is_read() {
    let block = "insert rule inet t x tcp dport 1 drop # handle 4\n\
                 insert rule inet t x tcp dport 3 drop # handle 5\n";
    let delete = "delete rule inet t x handle 2\ndelete rule inet t x handle 3\n";
    let unplaced = |handle| Operation { placed: false, ..rule(true, handle) };
    let operations = [rule(false, 2), rule(false, 3), unplaced(4), unplaced(5)];
    let text = format!("{delete}{block}");
    let chain = (Family::Inet, "t".to_owned(), "x".to_owned());
    let take = |order: Vec<u64>| {
        let all = statements(&text, &operations).unwrap();
        let read = || HashMap::from([(chain.clone(), order)]);
        effects().take(all.into_iter().map(|(o, s)| (o, Some(s))), read)
    };
    let effect = take(vec![4, 5]);
    assert_eq!(effect.unchanged, 1);
    assert_eq!(
        told(&effect),
        [
            (Deleted, "delete rule inet t x handle 3", Some("tcp dport 2 drop")),
            (Added, "add rule inet t x tcp dport 3 drop", None),
        ]
    );
    // it has changed since
    assert_eq!((take(vec![4]).unchanged, take(vec![4]).changes.len()), (0, 4));
}
