//! From a record of a reset to an event: cause, names and texts.

mod causes;
mod devices;

use std::collections::HashMap;

use nfscope_collect::drop::NftPart;
use nfscope_collect::resets::{Context, Kind, ResetRecord, Segment, TARGET};
use nfscope_event::{
    Cause, Device, Family, Netns, RejectRule, Reset, ResetCause, ResetDirection, ResetSegment,
    SourceFrame, StackContext, XtRule,
};
use nfscope_kernel::btf::Btf;
use nfscope_ruleset::nft::RuleQuery;

use self::causes::{Facts, explain, hint};
use self::devices::Devices;
use super::source::SourceLines;
use super::symbols::Symbols;
use super::{Answer, Owners, Rules, hooks, legacy, wall_clock};

/// The kernel's reasons: `enum sk_rst_reason` (`include/net/rstreason.h`, 6.10).
const REASONS: &str = "sk_rst_reason";
const PREFIX: &str = "SK_RST_REASON_";
/// The reason of code that gives none.
const NO_REASON: &str = "NOT_SPECIFIED";

/// What calls targets of x_tables: `net/ipv4/netfilter/ip_tables.c`, and its twin of IPv6.
const TABLE_FUNCTIONS: [&str; 2] = ["ipt_do_table", "ip6t_do_table"];
const UNKNOWN_RULE: &str = "it came before nfscope's probes, or where the kernel keeps it is not \
                            known here";

/// Turns records into events.
pub struct ResetResolver {
    clock_offset_ns: i128,
    reasons: HashMap<u32, String>,
    symbols: Symbols,
    owners: Owners,
    devices: Devices,
    numeric: bool,
    stack: bool,
}

impl ResetResolver {
    /// `stack`: events have the kernel's stack.
    pub fn new(btf: &Btf, numeric: bool, stack: bool) -> Self {
        let values = btf.enum_values(REASONS).unwrap_or_default();
        let reasons = values.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX).unwrap_or(&name).to_owned();
            Some((u32::try_from(value).ok()?, name))
        });
        Self {
            clock_offset_ns: wall_clock::offset_ns(),
            reasons: reasons.collect(),
            symbols: Symbols::default(),
            owners: Owners::default(),
            devices: Devices::new(),
            numeric,
            stack,
        }
    }

    /// Follows the wall clock.
    pub fn set_clock(&mut self) {
        self.clock_offset_ns = wall_clock::offset_ns();
    }

    /// The event, with everything but texts, owners and names of namespaces.
    /// `accepted`: the same reset, as a connection took it.
    pub fn event(&mut self, record: &ResetRecord, accepted: Option<&ResetRecord>) -> Reset {
        // the socket's side of it, where there is one
        let seen = accepted.unwrap_or(record);
        self.symbols.learn(&seen.stack);
        let functions: Vec<String> =
            seen.stack.iter().filter_map(|address| self.symbols.function(*address)).collect();
        let reason = record.reason.map(|number| {
            self.reasons.get(&number).cloned().unwrap_or_else(|| format!("{number:#x}"))
        });
        let reason = reason.filter(|name| name != NO_REASON);
        // conntrack has words for segments, too, that it lets pass as its own
        let invalid =
            record.invalid.clone().filter(|words| record.socket == 0 || !words.contains("ignored"));
        let facts = Facts {
            kind: seen.kind,
            state: seen.state,
            answered: record.answered.map(|segment| segment.flags),
            reason: reason.as_deref(),
            functions: &functions,
        };
        let cause = facts.cause();
        // the note of another packet's target may have been left
        let nft = record.nft.as_ref().filter(|_| !record.of_target || facts.passed(&[TARGET]));
        let xt_rule = xt_rule(record, &facts);
        let process = match &seen.context {
            Context::Process(pid, command) => super::drop::process(Some(&(*pid, command.clone()))),
            _ => None,
        };
        Reset {
            time_ns: u64::try_from(i128::from(record.monotonic_ns) + self.clock_offset_ns)
                .unwrap_or(0),
            cpu: record.cpu,
            direction: match record.kind {
                Kind::Arrived | Kind::Accepted => ResetDirection::Received,
                Kind::Forwarded => ResetDirection::Forwarded,
                _ => ResetDirection::Sent,
            },
            netns: Netns { inode: record.netns, name: None },
            device: record
                .device
                .clone()
                .map(|(index, name)| self.device(record.netns, index, name)),
            source: record.source.map(|(address, _)| address),
            source_port: record.source.map(|(_, port)| port),
            destination: record.destination.map(|(address, _)| address),
            destination_port: record.destination.map(|(_, port)| port),
            segment: record.reset.map(segment),
            answers: record.answered.map(segment),
            cause,
            explanation: explain(cause, &facts).to_owned(),
            hint: hint(cause, record.kind, invalid.is_some()).map(str::to_owned),
            reason,
            state: seen.state.map(causes::state),
            accepted: matches!(record.kind, Kind::Arrived).then_some(accepted.is_some()),
            context: match seen.context {
                Context::Process(..) => StackContext::Process,
                Context::Interrupt => StackContext::Interrupt,
                Context::Unknown => StackContext::Unknown,
            },
            process,
            owners: Vec::new(),
            conntrack_invalid: invalid,
            rule: nft.and_then(rule),
            xt_rule,
            rule_unknown: None,
            stack: if self.stack { self.stack(&seen.stack) } else { Vec::new() },
            stack_source: Vec::new(),
        }
    }

    /// Source lines of the stack of the record that the event has it from.
    pub fn source(
        &mut self,
        record: &ResetRecord,
        lines: &mut SourceLines<'_>,
    ) -> Vec<Vec<SourceFrame>> {
        lines.stack(self.frames(&record.stack), &mut self.symbols)
    }

    /// Adds what takes time; to be asked again while [`Answer::Pending`]. With
    /// `last` the answer is what is known now.
    pub fn complete(
        &mut self,
        reset: &mut Reset,
        record: &ResetRecord,
        rules: &mut Rules,
        last: bool,
    ) -> Answer {
        rules.name_netns(&mut reset.netns);
        if let Some(inode) = record.inode {
            match self.owners.of(inode, record.monotonic_ns, last) {
                Some(owners) => reset.owners = owners,
                None => return Answer::Pending,
            }
        }
        if reset.cause != ResetCause::RejectRule {
            return Answer::Ready;
        }
        if let (Some(_), Some(part)) = (&reset.xt_rule, &record.legacy) {
            return rules.reject(reset, part, last);
        }
        let (Some(rule), Some(nft)) = (&mut reset.rule, &record.nft) else {
            reset.rule_unknown.get_or_insert_with(|| UNKNOWN_RULE.into());
            return Answer::Ready;
        };
        let table = rule.table.clone();
        let query = RuleQuery {
            family: rule.family,
            table: &table,
            table_handle: (nft.table_handle != 0).then_some(nft.table_handle),
            handle: nft.rule,
            at: record.monotonic_ns,
        };
        match rules.find(reset.netns.inode, &query, last) {
            Ok(found) => {
                rule.chain = Some(found.chain.clone());
                rule.rule.clone_from(&found.text);
                rule.iptables.clone_from(&found.iptables);
                rule.text_unknown = rule.rule.is_none().then(|| rules.why_no_text().to_owned());
            }
            Err(None) => return Answer::Pending,
            Err(Some(why)) => rule.text_unknown = Some(why.to_owned()),
        }
        Answer::Ready
    }

    fn device(&mut self, netns: u32, index: u32, name: String) -> Device {
        let known = if name.is_empty() { self.devices.name(netns, index) } else { Some(name) };
        Device { index, name: known.unwrap_or_default() }
    }

    /// The frames behind those of the program that walked the stack.
    fn frames<'r>(&mut self, addresses: &'r [u64]) -> &'r [u64] {
        let own = |name: String| name.starts_with("bpf_");
        let first = addresses.iter().rposition(|a| self.symbols.function(*a).is_some_and(own));
        &addresses[first.map_or(0, |last| last + 1)..]
    }

    fn stack(&mut self, addresses: &[u64]) -> Vec<String> {
        let frames = self.frames(addresses);
        let place = |address: &u64| {
            let known = (!self.numeric).then(|| self.symbols.place(*address)).flatten();
            known.unwrap_or_else(|| format!("{address:#x}"))
        };
        frames.iter().map(place).collect()
    }
}

/// The same of x_tables. A note of another packet's target may have been left.
fn xt_rule(record: &ResetRecord, facts: &Facts<'_>) -> Option<XtRule> {
    let part = record.legacy.as_ref().filter(|_| facts.passed(&TABLE_FUNCTIONS))?;
    match legacy::cause(part)? {
        Cause::XtRule(rule) => Some(rule),
        _ => None,
    }
}

fn segment(of: Segment) -> ResetSegment {
    ResetSegment::new(of.flags, of.seq, of.ack, of.length)
}

/// The rule as the kernel names it; none where its table is not known.
fn rule(nft: &NftPart) -> Option<RejectRule> {
    Some(RejectRule {
        family: Family::from_nfproto(nft.family)?,
        table: nft.table.clone(),
        chain: None,
        hook: hooks::name(nft.pf, nft.hook).map(str::to_owned),
        handle: nft.rule,
        rule: None,
        iptables: None,
        text_unknown: None,
    })
}
