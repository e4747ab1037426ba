//! Ways through a table.

use super::super::uapi::Family;
use super::*;

fn rule(offset: u32, target: Target) -> Rule {
    Rule { offset, header: Vec::new(), matches: Vec::new(), target }
}

fn chain(name: &str, built_in: bool, first: u32, targets: Vec<Target>) -> Chain {
    let mut rules: Vec<Rule> = (first..).zip(targets).map(|(at, t)| rule(at, t)).collect();
    let end = rules.pop();
    Chain { name: name.into(), rules, end, built_in }
}

/// INPUT: 10 to 13 and its policy 14; `web`: 20, 21 and its end 22.
fn table() -> Table {
    let jump = || Target::Chain { name: "web".into(), goto: false };
    let input = vec![Target::Drop, jump(), Target::Drop, Target::Continue, Target::Accept];
    let web = vec![Target::Drop, Target::Drop, Target::Return];
    Table {
        family: Family::Ipv4,
        name: "filter".into(),
        entries: 9,
        size: 900,
        chains: vec![chain("INPUT", true, 10, input), chain("web", false, 20, web)],
    }
}

fn passed(from: Position, entry: u32) -> Option<(String, u32, Vec<u32>)> {
    let table = table();
    let passed = table.passed(from, entry)?;
    let offsets = passed.rules.iter().map(|rule| rule.offset).collect();
    Some((passed.chain.name.clone(), passed.first, offsets))
}

#[test]
fn rules_between_two_that_matched() {
    use Position::*;
    let is = |chain: &str, first, offsets: &[u32]| Some((chain.into(), first, offsets.to_vec()));
    assert_eq!(passed(Hook(1), 11), is("INPUT", 1, &[10]));
    assert_eq!(passed(Hook(1), 14), is("INPUT", 1, &[10, 11, 12, 13]));
    assert_eq!(passed(Into(11), 22), is("web", 1, &[20, 21]));
    assert_eq!(passed(Into(11), 20), is("web", 1, &[]));
    assert_eq!(passed(Behind(11), 13), is("INPUT", 3, &[12]));
    assert_eq!(passed(Behind(13), 14), is("INPUT", 5, &[]));
    assert_eq!(passed(Policy, 14), is("INPUT", 5, &[]));
}

#[test]
fn what_no_way_leads_to() {
    use Position::*;
    for (from, entry) in [
        (Hook(3), 11),
        (Hook(9), 11),
        (Hook(1), 21),
        (Behind(12), 11),
        (Behind(14), 14),
        (Behind(20), 14),
        (Into(10), 20),
        (Into(11), 12),
        (Policy, 12),
        (Hook(1), 15),
    ] {
        assert_eq!(passed(from, entry), None, "{from:?} {entry}");
    }
}
