//! Steps through tables of iptables-legacy in words.

use std::borrow::Cow;

use nfscope_event::{EnterTable, Step, TableNoMatch, TableRule, Verdict, XtPlace};

use super::super::color::Tone;
use super::super::escape;
use super::lines::{elapsed, situation};

/// A step without indentation; all of it harmless to a terminal.
pub(super) fn describe(step: &Step) -> (Option<Tone>, String) {
    let tone = |verdict| matches!(verdict, Verdict::Drop).then_some(Tone::Verdict);
    match step {
        Step::EnterTable(enter) => (None, entered(enter)),
        Step::TableRule(rule) => (tone(rule.verdict), matched(rule)),
        Step::TableNoMatch(rule) => (Some(Tone::Faint), missed(rule)),
        Step::TableEnd(end) => (None, format!("end of chain {}", chain(&end.place))),
        Step::TablePolicy(policy) => {
            let text = format!("policy {}{}", policy.verdict.as_str(), elapsed(policy.elapsed_ns));
            (tone(policy.verdict), text)
        }
        _ => (None, String::new()),
    }
}

/// `input  ip filter INPUT (legacy)  eth0 in  ct new`
fn entered(enter: &EnterTable) -> String {
    let place = &enter.place;
    let hook = escape(place.hook.as_deref().unwrap_or("?"));
    let (family, table) = (place.family, escape(&place.table));
    let text = format!("{hook}  {family} {table} {} (legacy)", chain(place));
    text + &situation(&enter.in_device, &enter.out_device, enter.conntrack.as_ref())
}

/// `rule 2: -A INPUT -p tcp -j web -> jump web`
fn matched(rule: &TableRule) -> String {
    let number = rule.number.map_or_else(|| "?".into(), |n| n.to_string());
    let text = match (&rule.rule, &rule.text_unknown) {
        (Some(text), _) => escape(text).into_owned(),
        (None, Some(why)) => format!("(text unknown: {})", escape(why)),
        (None, None) => "(text unknown)".into(),
    };
    let mut line = format!("rule {number}: {text}");
    match (rule.verdict, &rule.target) {
        (Verdict::Continue, _) => {}
        (verdict @ (Verdict::Jump | Verdict::Goto), Some(target)) => {
            line += &format!(" -> {} {}", verdict.as_str(), escape(target));
        }
        (Verdict::Queue, _) => {
            let number = rule.queue.map(|n| format!(" {n}")).unwrap_or_default();
            line += &format!(" -> queue{number}");
        }
        (Verdict::Drop, _) if rule.sent.is_some() => {
            let sent = rule.sent.as_deref().unwrap_or_default();
            line += &format!(" -> reject (sent {})", escape(sent));
        }
        (verdict, _) => line += &format!(" -> {}", verdict.as_str()),
    }
    line + &elapsed(rule.elapsed_ns)
}

/// `rule 2 no match: -A INPUT -s 10.9.9.9/32 -j DROP  -- -s 10.9.9.9/32: packet has 10.0.0.1`
fn missed(rule: &TableNoMatch) -> String {
    let (Some(number), Some(text)) = (rule.number, &rule.rule) else {
        let why = rule.text_unknown.as_deref().unwrap_or("?");
        return format!("which rules did not match is not known: {}", escape(why));
    };
    let line = format!("rule {number} no match: {}", escape(text));
    match &rule.why {
        None => line,
        Some(why) => {
            let condition = why.condition.as_ref().or(why.part.as_ref());
            let condition = condition.map(|text| format!("{}: ", escape(text)));
            format!("{line}  -- {}{}", condition.unwrap_or_default(), escape(&why.reason))
        }
    }
}

fn chain(place: &XtPlace) -> Cow<'_, str> {
    escape(place.chain.as_deref().unwrap_or("?"))
}
