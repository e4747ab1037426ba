//! A cause in one line, the same in the stream and in the summary.

use std::fmt::Write;

use nfscope_event::{
    Cause, ChainRef, Family, Freed, KernelDrop, NftPolicy, NftRule, NftVerdict, XtPlace, XtPolicy,
    XtRule, XtVerdict,
};

use super::escape;

/// A cause in parts, all harmless to a terminal. As a line:
/// `verb: place: text (note)`, without the parts that are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CauseText {
    /// What happened: `dropped by rule`.
    pub verb: &'static str,
    /// Who did it: `ip filter input handle 7`, `NO_SOCKET`.
    pub place: String,
    /// The rule's text, or the sentence for a reason.
    pub text: String,
    /// What else belongs on the line, without parentheses.
    pub note: String,
}

/// The cause in parts. `offsets` keeps `+0x1a2` behind function names, which
/// tells places in one function apart.
pub(super) fn describe(cause: &Cause, offsets: bool) -> CauseText {
    match cause {
        Cause::NftRule(rule) => nft_rule(rule),
        Cause::NftPolicy(NftPolicy { place, policy }) => CauseText {
            verb: "dropped by policy",
            place: chain(place),
            note: format!("policy {}", escape(policy)),
            ..CauseText::default()
        },
        Cause::XtRule(rule) => xt_rule(rule),
        Cause::XtPolicy(XtPolicy { place, policy }) => CauseText {
            verb: "dropped by policy",
            place: xt_chain(place),
            note: format!("policy {}", escape(policy)),
            ..CauseText::default()
        },
        Cause::Kernel(drop) => kernel(drop, offsets),
        Cause::Freed(Freed { function, location }) => CauseText {
            verb: "freed at",
            place: place_in_code(function.as_deref(), *location, offsets),
            note: "not known to be a drop".to_owned(),
            ..CauseText::default()
        },
    }
}

fn nft_rule(rule: &NftRule) -> CauseText {
    let mut place = chain(&rule.place);
    // Writing to a String cannot fail.
    let _ = write!(place, " handle {}", rule.handle);
    let (verb, mut note) = match rule.verdict {
        NftVerdict::Drop | NftVerdict::VerdictMap => ("dropped by rule", String::new()),
        NftVerdict::Reject => ("rejected by rule", String::new()),
        NftVerdict::Queue => {
            ("dropped by rule", "nobody listens on the queue, or it is full".to_owned())
        }
        NftVerdict::Synproxy => ("dropped by synproxy rule", String::new()),
        NftVerdict::Fwd => ("dropped by rule", "it could not be forwarded".to_owned()),
        NftVerdict::Unknown => ("ended by rule", String::new()),
    };
    if let Some(element) = &rule.element {
        join(&mut note, &format!("element {}", escape(element)));
    }
    if let Some(sent) = &rule.sent {
        join(&mut note, &format!("sent {}", escape(sent)));
    }
    let text = match (rule.iptables.as_ref().or(rule.rule.as_ref()), &rule.text_unknown) {
        (Some(text), _) => escape(text).into_owned(),
        (None, Some(why)) => format!("(text unknown: {})", escape(why)),
        (None, None) => "(text unknown)".to_owned(),
    };
    CauseText { verb, place, text, note }
}

/// A rule of x_tables.
pub(super) fn xt_rule(rule: &XtRule) -> CauseText {
    if rule.place.chain.is_none() && rule.verdict == XtVerdict::Drop {
        return xt_table(rule);
    }
    let number = rule.number.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let place = format!("{} rule {number}", xt_chain(&rule.place));
    let (verb, mut note) = match rule.verdict {
        XtVerdict::Drop | XtVerdict::Target => ("dropped by rule", String::new()),
        XtVerdict::Reject => ("rejected by rule", String::new()),
        XtVerdict::Queue => {
            ("dropped by rule", "nobody listens on the queue, or it is full".to_owned())
        }
        XtVerdict::Unknown => ("ended by rule", String::new()),
    };
    if let Some(sent) = &rule.sent {
        join(&mut note, &format!("sent {}", escape(sent)));
    }
    let text = match (&rule.rule, &rule.text_unknown) {
        (Some(text), _) => escape(text).into_owned(),
        (None, Some(why)) => format!("(text unknown: {})", escape(why)),
        (None, None) => "(text unknown)".to_owned(),
    };
    CauseText { verb, place, text, note }
}

/// A table said so, and nobody knows which rule or policy it was.
fn xt_table(rule: &XtRule) -> CauseText {
    let XtPlace { table, hook, .. } = &rule.place;
    let hook = hook.as_deref().unwrap_or("?");
    let why = rule.text_unknown.as_deref().map(escape).unwrap_or_default();
    CauseText {
        verb: "dropped in table",
        place: format!("{} {}, hook {}", program(&rule.place), escape(table), escape(hook)),
        text: "rule unknown".to_owned(),
        note: why.into_owned(),
    }
}

/// `iptables filter INPUT`; a chain nobody knows is `?`.
fn xt_chain(place: &XtPlace) -> String {
    let chain = place.chain.as_deref().unwrap_or("?");
    format!("{} {} {}", program(place), escape(&place.table), escape(chain))
}

/// Whose table it is.
fn program(place: &XtPlace) -> &'static str {
    match place.family {
        Family::Ip6 => "ip6tables",
        Family::Arp => "arptables",
        _ => "iptables",
    }
}

fn join(note: &mut String, more: &str) {
    if !note.is_empty() {
        note.push_str(", ");
    }
    note.push_str(more);
}

/// `inet filter input`; a chain nobody knows is `?`.
fn chain(place: &ChainRef) -> String {
    let chain = place.chain.as_deref().unwrap_or("?");
    format!("{} {} {}", place.family, escape(&place.table), escape(chain))
}

fn kernel(drop: &KernelDrop, offsets: bool) -> CauseText {
    let code = place_in_code(drop.function.as_deref(), drop.location, offsets);
    let text = drop.explanation.as_deref().map(escape).unwrap_or_default().into_owned();
    let mut note = match &drop.hook_function {
        Some(function) => format!("hook function {}", escape(function)),
        None => String::new(),
    };
    let place = match &drop.reason {
        Some(reason) => {
            join(&mut note, &code);
            escape(reason).into_owned()
        }
        None => code,
    };
    CauseText { verb: "dropped by kernel", place, text, note }
}

fn place_in_code(function: Option<&str>, location: u64, offset: bool) -> String {
    match function {
        Some(function) if offset => escape(function).into_owned(),
        Some(function) => escape(&without_offset(function)).into_owned(),
        None => format!("{location:#x}"),
    }
}

/// `f` of `f+0x10`, `f [module]` of `f+0x10 [module]`.
pub(super) fn without_offset(function: &str) -> String {
    let Some((name, rest)) = function.split_once('+') else { return function.to_owned() };
    match rest.split_once(' ') {
        Some((_, module)) => format!("{name} {module}"),
        None => name.to_owned(),
    }
}

impl std::fmt::Display for CauseText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.verb, self.place)?;
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        if !self.note.is_empty() {
            write!(f, " ({})", self.note)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nfscope_event::Event;

    use super::super::samples;
    use super::*;

    fn line(event: Event) -> String {
        describe(&samples::drop_of(event).cause, true).to_string()
    }

    #[test]
    fn rules() {
        assert_eq!(
            line(samples::rule()),
            "dropped by rule: ip filter input handle 7: tcp dport 10000 drop"
        );
        assert_eq!(
            line(samples::reject()),
            "rejected by rule: inet filter input handle 9: tcp dport 22 reject with tcp reset (sent tcp reset)"
        );
        assert_eq!(
            line(samples::verdict_map()),
            "dropped by rule: ip filter ports handle 12: tcp dport vmap @verdicts (element 10000 : drop)"
        );
        assert_eq!(
            line(samples::unknown_rule()),
            "ended by rule: ip filter ? handle 8: (text unknown: the rule was gone or replaced before its text was known)"
        );
        assert_eq!(
            line(samples::iptables()),
            "dropped by rule: ip filter INPUT handle 4: -A INPUT -p tcp --dport 10000 -j DROP"
        );
    }

    #[test]
    fn legacy() {
        assert_eq!(
            line(samples::legacy_rule()),
            "rejected by rule: iptables filter OUTPUT rule 1: -A OUTPUT -p tcp -j REJECT --reject-with tcp-reset (sent tcp reset)"
        );
        assert_eq!(
            line(samples::legacy_policy()),
            "dropped by policy: ip6tables filter INPUT (policy drop)"
        );
        assert_eq!(
            line(samples::legacy_table()),
            "dropped in table: iptables filter, hook output: rule unknown (it cannot be seen)"
        );
    }

    #[test]
    fn policy_kernel_and_freed() {
        assert_eq!(line(samples::policy()), "dropped by policy: inet filter input (policy drop)");
        assert_eq!(
            line(samples::no_socket()),
            "dropped by kernel: NO_SOCKET: no socket listens on this port (tcp_v4_rcv+0x1a2)"
        );
        assert_eq!(
            line(samples::conntrack()),
            "dropped by kernel: NETFILTER_DROP: a netfilter hook dropped it (hook function nf_conntrack_in, nf_hook_slow+0xa6)"
        );
        assert_eq!(line(samples::freed()), "freed at: skb_release+0x10 (not known to be a drop)");
    }

    #[test]
    fn offsets_go_and_modules_stay() {
        assert_eq!(without_offset("f+0x10 [nf_tables]"), "f [nf_tables]");
        assert_eq!(without_offset("f+0x10"), "f");
        assert_eq!(without_offset("f"), "f");
    }
}
