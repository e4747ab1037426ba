//! Rules of x_tables: what a record says of them, and what their tables add.

use nfscope_collect::drop::{LegacyPart, Note};
use nfscope_event::{Cause, Family, Reset, XtPlace, XtPolicy, XtRule, XtVerdict};
use nfscope_ruleset::xtables::{self, Cache, Found, Query, Subject};

use super::hooks;
use super::rules::Answer;

/// What a rule sends that rejects with a reset.
const RESET: &str = "tcp reset";

/// The cause as the record has it; none if the record makes no sense.
pub(super) fn cause(part: &LegacyPart) -> Option<Cause> {
    let hook = hooks::name(part.family, part.hook)?.to_string();
    let mut place = XtPlace {
        family: Family::from_nfproto(part.family)?,
        table: part.table.clone(),
        chain: None,
        hook: Some(hook),
    };
    if part.note == Note::LegacyPolicy {
        // built-in chains are called as their hooks are
        place.chain = place.hook.as_deref().map(str::to_uppercase);
        return Some(Cause::XtPolicy(XtPolicy { place, policy: "drop".into() }));
    }
    let verdict = match part.note {
        Note::LegacyQueue => XtVerdict::Queue,
        _ if part.is_table_alone() => XtVerdict::Drop,
        _ => XtVerdict::Unknown,
    };
    let alone = match place.family {
        Family::Bridge => {
            "which of the table's rules or policies it was cannot be seen on this machine; \
             ebtables-legacy -L --Lc counts them"
        }
        _ => "which of the table's rules or policies it was cannot be seen on this machine",
    };
    Some(Cause::XtRule(XtRule {
        place,
        number: None,
        verdict,
        target: None,
        rule: None,
        outline: false,
        text_unknown: part.is_table_alone().then(|| alone.into()),
        comment: None,
        sent: None,
    }))
}

/// Adds what the rule's table says; to be asked again while
/// [`Answer::Pending`]. With `last` the answer is what is known now.
pub(super) fn complete(
    cache: Option<&Cache>,
    rule: &mut XtRule,
    part: &LegacyPart,
    netns: u32,
    last: bool,
) -> Answer {
    if part.is_table_alone() {
        return Answer::Ready;
    }
    match find(cache, part, netns, last) {
        Ok(found) => fill(rule, found),
        Err(None) => return Answer::Pending,
        Err(Some(why)) => rule.text_unknown = Some(why.into()),
    }
    Answer::Ready
}

/// The same of the rule that a reset was noted for: one that does not reject with it is not
/// the one that did.
pub(super) fn complete_reset(
    cache: Option<&Cache>,
    reset: &mut Reset,
    part: &LegacyPart,
    last: bool,
) -> Answer {
    let Some(rule) = &mut reset.xt_rule else { return Answer::Ready };
    if complete(cache, rule, part, reset.netns.inode, last) == Answer::Pending {
        return Answer::Pending;
    }
    if rule.verdict != XtVerdict::Unknown && rule.sent.as_deref() != Some(RESET) {
        reset.xt_rule = None;
        reset.rule_unknown = Some("the rule that was met does not send resets".into());
    }
    Answer::Ready
}

/// The rule that a record is about; else why it cannot be had, or nothing while
/// it may still be. With `last` the answer is what is known now.
pub(super) fn find(
    cache: Option<&Cache>,
    part: &LegacyPart,
    netns: u32,
    last: bool,
) -> Result<Found, Option<&'static str>> {
    ask(cache, part, netns, last, Cache::find)
}

/// What the reading of the table says that a record's entry was met in; else as
/// [`find`].
pub(super) fn ask<T>(
    cache: Option<&Cache>,
    part: &LegacyPart,
    netns: u32,
    last: bool,
    question: impl FnOnce(&Cache, &Query<'_>) -> Result<T, Option<&'static str>>,
) -> Result<T, Option<&'static str>> {
    let family = match Family::from_nfproto(part.family) {
        Some(Family::Ip6) => xtables::Family::Ipv6,
        Some(Family::Arp) => xtables::Family::Arp,
        Some(Family::Bridge) => xtables::Family::Bridge,
        _ => xtables::Family::Ipv4,
    };
    let subject = Subject { netns, family, table: part.table.clone() };
    let query = Query {
        subject: &subject,
        change: part.change,
        entry: part.entry,
        size: part.size,
        entries: part.entries,
    };
    match cache.map(|cache| question(cache, &query)) {
        Some(Err(None)) if !last => Err(None),
        Some(Err(None)) | None => Err(Some("the table was still being read")),
        Some(other) => other,
    }
}

fn fill(rule: &mut XtRule, found: Found) {
    if rule.verdict == XtVerdict::Unknown {
        rule.verdict = match found.target.as_str() {
            "DROP" => XtVerdict::Drop,
            "REJECT" => XtVerdict::Reject,
            _ => XtVerdict::Target,
        };
    }
    rule.place.chain = Some(found.chain);
    rule.number = found.number;
    rule.target = Some(found.target).filter(|target| !target.is_empty());
    rule.rule = found.text;
    rule.outline = found.outline;
    rule.comment = found.comment;
    rule.sent = found.reject.as_deref().map(sent);
}

/// `icmp-port-unreachable` as nft says it, `icmp port-unreachable`.
pub(super) fn sent(reject: &str) -> String {
    match reject.split_once('-') {
        Some(("tcp", rest)) => format!("tcp {rest}"),
        Some(("icmp", rest)) => format!("icmp {rest}"),
        Some(("icmp6", rest)) => format!("icmpv6 {rest}"),
        _ => reject.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_are_told_as_nft_tells_them() {
        assert_eq!(sent("icmp-port-unreachable"), "icmp port-unreachable");
        assert_eq!(sent("icmp6-adm-prohibited"), "icmpv6 adm-prohibited");
        assert_eq!(sent("tcp-reset"), "tcp reset");
        assert_eq!(sent("echo-reply"), "echo-reply");
    }

    #[test]
    fn a_policy_names_its_chain() {
        let part = LegacyPart {
            note: Note::LegacyPolicy,
            age_ns: 0,
            family: 2,
            hook: 3,
            table: "filter".into(),
            entry: Some(304),
            size: 904,
            entries: 5,
            change: Some(1),
            input: None,
            output: None,
        };
        let Some(Cause::XtPolicy(policy)) = cause(&part) else { panic!("no policy") };
        assert_eq!(policy.place.chain.as_deref(), Some("OUTPUT"));
    }
}
