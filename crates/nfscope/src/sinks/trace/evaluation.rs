//! What `--expr` adds to a step, and how many rules did not match.

use nfscope_event::{
    ChainRef, Enter, Evaluation, ExpressionOutcome, ExpressionResult, Packet, Passed, Step,
    Transport, Verdict,
};

use super::super::escape;
use super::lines::device;

/// The passages that end with a step: how many rules of its own chain did not
/// match, and what is to be said of other chains.
pub(super) fn not_matched(step: &Step) -> (Option<String>, Vec<String>) {
    let (place, passed) = match step {
        Step::Rule(rule) => (&rule.place, &rule.not_matched),
        Step::End(end) => (&end.place, &end.not_matched),
        _ => return (None, Vec::new()),
    };
    let is_own = |passed: &Passed| place.chain.as_ref() == Some(&passed.chain);
    let told = |passed: &&Passed| passed.rules > 0;
    let own = passed.iter().filter(told).find(|p| is_own(p));
    let own = own.map(|p| format!("{} did not match", rules(p.rules)));
    let others = passed.iter().filter(told).filter(|p| !is_own(p));
    let others =
        others.map(|p| format!("{} of {} did not match", rules(p.rules), escape(&p.chain)));
    (own, others.collect())
}

fn rules(count: u32) -> String {
    if count == 1 { "1 rule".into() } else { format!("{count} rules") }
}

/// Lines below a step: label and text, harmless to a terminal.
pub(super) fn facts(step: &Step) -> Vec<(&'static str, String)> {
    match step {
        Step::Enter(enter) => {
            vec![("headers", headers(&enter.packet, enter.hash)), ("table", table(enter))]
        }
        Step::Rule(rule) => {
            let follows =
                follows(&rule.evaluation, &rule.place, rule.verdict, rule.target.as_deref());
            vec![("exprs", expressions(&rule.evaluation.expressions)), ("code", follows)]
        }
        Step::NoMatch(rule) => {
            let follows = follows(&rule.evaluation, &rule.place, Verdict::Continue, None);
            vec![("exprs", expressions(&rule.evaluation.expressions)), ("code", follows)]
        }
        Step::End(end) => vec![("then", back(&end.evaluation))],
        Step::Policy(policy) => {
            vec![("code", follows(&policy.evaluation, &policy.place, policy.verdict, None))]
        }
        _ => Vec::new(),
    }
}

/// `protocol 17, id 54321, hash 0x1234abcd, 10.0.0.1.4000 > 10.0.0.2.53`
fn headers(packet: &Packet, hash: Option<u32>) -> String {
    let hash = hash.map_or("hash not computed".to_owned(), |hash| format!("hash {hash:#010x}"));
    let Some(ip) = &packet.ip else {
        return format!("ethertype {:#06x}, {hash}", packet.ethertype);
    };
    let id = ip.id.map(|id| format!(", id {id}")).unwrap_or_default();
    let ports = match &packet.transport {
        Some(Transport::Tcp(tcp)) => Some(tcp.ports),
        Some(Transport::Udp(ports) | Transport::Sctp(ports)) => Some(*ports),
        _ => None,
    };
    let (source, destination) = match ports {
        Some(ports) => (format!(".{}", ports.source), format!(".{}", ports.destination)),
        None => Default::default(),
    };
    let (from, to) = (ip.source, ip.destination);
    format!("protocol {}{id}, {hash}, {from}{source} > {to}{destination}", ip.protocol)
}

/// `ip filter entered, eth0 has index 2, generation 1`
fn table(enter: &Enter) -> String {
    let mut text = format!("{} {} entered", enter.place.family, escape(&enter.place.table));
    for at in [&enter.in_device, &enter.out_device].into_iter().flatten() {
        text += &format!(", {} has index {}", device(at), at.index);
    }
    match enter.generation {
        Some(generation) => text + &format!(", generation {generation}"),
        None => text + ", generation unknown",
    }
}

/// `payload NFT_CONTINUE, cmp NFT_BREAK, immediate not reached`
fn expressions(all: &[ExpressionResult]) -> String {
    if all.is_empty() {
        return "not known".into();
    }
    let one = |expression: &ExpressionResult| {
        let result = match &expression.result {
            ExpressionOutcome::Code(code) => escape(code),
            ExpressionOutcome::NotReached => "not reached".into(),
            ExpressionOutcome::Unknown => "(result not known)".into(),
        };
        format!("{} {result}", escape(&expression.kind))
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What follows a rule or policy.
fn follows(
    evaluation: &Evaluation,
    place: &ChainRef,
    verdict: Verdict,
    target: Option<&str>,
) -> String {
    let code = escape(evaluation.code.as_deref().unwrap_or("code not known"));
    let chain = escape(place.chain.as_deref().unwrap_or("?"));
    let to = escape(target.unwrap_or("?"));
    let left = match evaluation.rules_left {
        Some(left) => format!("{} left in {chain}", rules(left)),
        None => format!("rules left in {chain} not known"),
    };
    let table = format!("{} {}", place.family, escape(&place.table));
    let then = match verdict {
        Verdict::Continue => match (evaluation.next, evaluation.rules_left) {
            (Some(next), _) => format!("rule {next} follows, {left}"),
            (None, Some(0)) => format!("the end of {chain} follows"),
            (None, _) => left,
        },
        Verdict::Jump => format!("from {chain} to {to}, {left}"),
        Verdict::Goto => format!("from {chain} to {to}, not to come back, {left}"),
        Verdict::Return => format!("{chain} is left, {left}, {}", back(evaluation)),
        // a policy has no rules behind it
        _ if evaluation.rules_left.is_none() => format!("leaves table {table}"),
        _ => format!("leaves table {table}, {left}"),
    };
    format!("{code}: {then}")
}

/// Where a chain that is left leads.
fn back(evaluation: &Evaluation) -> String {
    match (&evaluation.returns_to, evaluation.next) {
        (Some(chain), Some(next)) => format!("back to {}, rule {next} follows", escape(chain)),
        (Some(chain), None) => format!("back to {}", escape(chain)),
        (None, _) => "the policy follows".into(),
    }
}
