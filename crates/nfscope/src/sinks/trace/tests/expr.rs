//! What is told of rules' expressions, and of rules that did not match.

use std::time::Duration;

use nfscope_event::{
    ChainEnd, Evaluation, Event, ExpressionOutcome, ExpressionResult, NoMatch, Passed, RuleText,
    Step, TraceRule, Verdict,
};

use super::super::{TraceTree, TreeOptions};
use super::{HOUR, enter, options, place, rule, text, trace};
use crate::sinks::Sink;

/// A packet that is dropped two chains deep.
fn evaluated() -> Vec<Event> {
    let result = |kind: &str, result| ExpressionResult { kind: kind.into(), result };
    let code = |code: &str| ExpressionOutcome::Code(code.into());
    let jump = TraceRule {
        target: Some("ports".into()),
        evaluation: Evaluation {
            code: Some("NFT_JUMP".into()),
            expressions: vec![result("immediate", code("NFT_JUMP"))],
            rules_left: Some(1),
            next: Some(9),
            returns_to: None,
        },
        ..rule(0, "jump ports", Verdict::Jump)
    };
    let missed = NoMatch {
        traversal: 1,
        depth: 1,
        place: place("ports"),
        handle: 3,
        text: RuleText { rule: Some("tcp dport 1 accept".into()), ..RuleText::default() },
        expression: Some(1),
        why: None,
        registers: None,
        evaluation: Evaluation {
            code: Some("NFT_BREAK".into()),
            expressions: vec![
                result("payload", code("NFT_CONTINUE")),
                result("cmp", code("NFT_BREAK")),
                result("immediate", ExpressionOutcome::NotReached),
            ],
            rules_left: Some(1),
            next: Some(7),
            returns_to: None,
        },
    };
    let drop = TraceRule {
        place: place("ports"),
        not_matched: vec![
            Passed { chain: "ports".into(), rules: 1 },
            Passed { chain: "input".into(), rules: 12 },
        ],
        evaluation: Evaluation { code: Some("NF_DROP".into()), ..Evaluation::default() },
        ..rule(1, "drop", Verdict::Drop)
    };
    let end = ChainEnd {
        traversal: 2,
        depth: 0,
        place: place("input"),
        not_matched: vec![Passed { chain: "input".into(), rules: 2 }],
        evaluation: Evaluation::default(),
    };
    let steps = [
        enter(),
        Step::Rule(Box::new(jump)),
        Step::NoMatch(Box::new(missed)),
        Step::Rule(Box::new(drop)),
        enter(),
        Step::End(Box::new(end)),
    ];
    steps.map(|step| trace(1, step)).into()
}

#[test]
fn rules_that_did_not_match_are_counted_where_their_chain_is_left() {
    let mut events = evaluated();
    events.remove(2);
    insta::assert_snapshot!(text(HOUR, &events), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
      input  ip filter input, priority 0  eth0 in
        rule 7: jump ports -> jump ports
          1 rule did not match
          rule 7: drop -> drop
        12 rules of input did not match
      input  ip filter input, priority 0  eth0 in
        2 rules did not match
      -- not ended yet
    ");
    let stream = text(Duration::ZERO, &events);
    assert!(stream.ends_with("  1    2 rules did not match\n"), "{stream}");
}

#[test]
fn expressions_are_listed_with_their_results() {
    let mut out = Vec::new();
    let options = TreeOptions { expr: true, lists_all: true, ..options(HOUR) };
    let mut sink = TraceTree::new(&mut out, options);
    evaluated().iter().for_each(|event| sink.event(event).unwrap());
    sink.finish().unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
    22:13:20.104211  packet 1  netns blue  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
      input  ip filter input, priority 0  eth0 in
        headers   protocol 6, id 1, hash 0x00001234, 10.0.0.1.43210 > 10.0.0.2.10000
        table     ip filter entered, eth0 has index 2, generation 1
        rule 7: jump ports -> jump ports
          exprs     immediate NFT_JUMP
          code      NFT_JUMP: from input to ports, 1 rule left in input
          rule 3 no match: tcp dport 1 accept
            exprs     payload NFT_CONTINUE, cmp NFT_BREAK, immediate not reached
            code      NFT_BREAK: rule 7 follows, 1 rule left in ports
          rule 7: drop -> drop
            exprs     not known
            code      NF_DROP: leaves table ip filter
      input  ip filter input, priority 0  eth0 in
        headers   protocol 6, id 1, hash 0x00001234, 10.0.0.1.43210 > 10.0.0.2.10000
        table     ip filter entered, eth0 has index 2, generation 1
        end of chain input
          then      the policy follows
      -- not ended yet
    ");
}
