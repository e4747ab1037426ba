//! Rules of tables that did not match.

use std::time::Duration;

use nfscope_event::{Family, Step, TableNoMatch, TableWhy, XtPlace};

use super::{text, trace};

fn missed(why: Option<TableWhy>) -> TableNoMatch {
    let place = XtPlace {
        family: Family::Ip,
        table: "filter".into(),
        chain: Some("INPUT".into()),
        hook: Some("input".into()),
    };
    TableNoMatch {
        traversal: 1,
        depth: 0,
        place,
        number: Some(2),
        rule: Some("-A INPUT -s 10.9.9.9/32 -j DROP".into()),
        outline: false,
        text_unknown: None,
        comment: None,
        why,
    }
}

fn line(missed: TableNoMatch) -> String {
    let step = Step::TableNoMatch(Box::new(missed));
    let text = text(Duration::ZERO, &[trace(1, step)]);
    text.lines()
        .last()
        .and_then(|line| line.split_once("  1"))
        .map_or(text.clone(), |(_, l)| l.trim().into())
}

#[test]
fn what_failed_what_may_have_and_what_is_not_known() {
    let why = TableWhy {
        part: Some("source".into()),
        candidates: Vec::new(),
        condition: Some("-s 10.9.9.9/32".into()),
        wanted: Some("10.9.9.9/32".into()),
        actual: Some("10.0.0.1".into()),
        reason: "packet has 10.0.0.1".into(),
    };
    assert_eq!(
        line(missed(Some(why))),
        "rule 2 no match: -A INPUT -s 10.9.9.9/32 -j DROP  -- -s 10.9.9.9/32: packet has 10.0.0.1"
    );
    let several = TableWhy {
        part: None,
        candidates: vec!["limit".into(), "set".into()],
        condition: None,
        wanted: None,
        actual: None,
        reason: "one of limit, set did not match".into(),
    };
    assert_eq!(
        line(missed(Some(several))),
        "rule 2 no match: -A INPUT -s 10.9.9.9/32 -j DROP  -- one of limit, set did not match"
    );
    let lost = Some("steps before were lost".into());
    let unknown = TableNoMatch { number: None, rule: None, text_unknown: lost, ..missed(None) };
    assert_eq!(line(unknown), "which rules did not match is not known: steps before were lost");
}
