//! Steps through tables of x_tables (iptables-legacy).

use nfscope_collect::drop::LegacyPart;
use nfscope_collect::trace::{Head, TableDecision, TableEntry, TableRule as Matched};
use nfscope_event::{
    Device, EnterTable, Family, Missing, Step, TableEnd, TablePolicy, TableRule, Verdict, XtPlace,
};
use nfscope_ruleset::xtables::Found;

use super::connection::conntrack;
use super::passed::{Place, TableStep};
use super::{Shows, TraceResolver, Unresolved, Way};
use crate::resolve::drop::{packet, process};
use crate::resolve::{Answer, Rules, hooks, legacy};

/// A passage through a table.
#[derive(Debug, Clone)]
pub(super) struct TableTraversal {
    number: u32,
    entered_ns: u64,
    netns: u32,
    /// The built-in chain.
    place: XtPlace,
    entered: LegacyPart,
    /// Jumps that have not returned.
    depth: u32,
    /// Where it goes on, for rules that do not match.
    at: Place,
}

impl Way {
    /// Steps were lost: where the packet is in its tables is not known.
    pub(super) fn lose_places(&mut self) {
        self.tables.iter_mut().for_each(|table| table.at.lose());
    }

    /// Tables that are over when a record comes of this traversal; 0: of none.
    pub(super) fn close_tables(&mut self, traversal: u32) {
        self.tables.retain(|table| table.number <= traversal);
    }
}

impl TraceResolver {
    /// A table is entered.
    pub(super) fn table_entry(
        &self,
        way: &mut Way,
        head: &Head,
        entry: &TableEntry,
    ) -> Option<Step> {
        let part = &entry.table;
        let hook = hooks::name(part.family, part.hook);
        let place = XtPlace {
            family: Family::from_nfproto(part.family)?,
            table: part.table.clone(),
            // built-in chains are called as their hooks are
            chain: hook.map(str::to_uppercase),
            hook: hook.map(str::to_owned),
        };
        way.netns = entry.packet.netns;
        way.dropped = false;
        // two levels are all that the programs tell apart
        if way.tables.len() >= 2 {
            way.tables.remove(0);
        }
        way.tables.push(TableTraversal {
            number: head.traversal,
            entered_ns: head.monotonic_ns,
            netns: entry.packet.netns,
            place: place.clone(),
            entered: part.clone(),
            depth: 0,
            at: Place::entered(entry, self.shows),
        });
        let device =
            |d: &Option<(u32, String)>| d.clone().map(|(index, name)| Device { index, name });
        Some(Step::EnterTable(Box::new(EnterTable {
            traversal: head.traversal,
            place,
            conntrack: entry.connection.as_ref().map(conntrack),
            in_device: device(&part.input),
            out_device: device(&part.output),
            packet: packet(&entry.packet),
            hash: entry.hash,
            process: process(entry.packet.process.as_ref()),
        })))
    }
}

/// The step of a rule that matched, and what its text is found by.
pub(super) fn matched(
    way: &mut Way,
    head: &Head,
    matched: &Matched,
    shows: Shows,
) -> (Step, Option<TableStep>) {
    let Some(at) = way.tables.iter().rposition(|table| table.number == head.traversal) else {
        // the table's beginning was lost: which one it is is not known
        return (Step::Missing(Missing { count: Some(1) }), None);
    };
    let table = &mut way.tables[at];
    let (verdict, code) = match matched.decision {
        TableDecision::Continue => (Verdict::Continue, 0),
        TableDecision::Jump => (Verdict::Jump, 0),
        TableDecision::Goto => (Verdict::Goto, 0),
        TableDecision::Return => (Verdict::Return, 0),
        // nftables' own codes, which are small and negative, have no meaning here
        TableDecision::Verdict(code) => (Verdict::from_code(code & 0xff), code),
    };
    let last = matches!(matched.decision, TableDecision::Verdict(_));
    let elapsed_ns = last.then(|| head.monotonic_ns.saturating_sub(table.entered_ns));
    let (number, depth) = (head.traversal, table.depth);
    match verdict {
        Verdict::Jump => table.depth = depth.saturating_add(1),
        Verdict::Return => table.depth = depth.saturating_sub(1),
        _ => {}
    }
    let passed = shows.misses.then(|| table.at.pass(matched));
    way.netns = table.netns;
    let (place, entered) = (table.place.clone(), table.entered.clone());
    if last {
        way.dropped = verdict == Verdict::Drop;
        way.tables.truncate(at);
    }
    let part = LegacyPart {
        entry: matched.entry,
        size: matched.size,
        entries: matched.entries,
        change: matched.change,
        ..entered
    };
    if matched.policy {
        let policy = TablePolicy { traversal: number, place, verdict, elapsed_ns };
        // it is told without its table
        let table = passed.map(|passed| TableStep { part, passed: Some(passed) });
        return (Step::TablePolicy(Box::new(policy)), table);
    }
    let queue =
        (verdict == Verdict::Queue).then(|| u16::try_from(code >> 16 & 0xffff).unwrap_or_default());
    let step = Step::TableRule(Box::new(TableRule {
        traversal: number,
        depth,
        // which chain of the table it is, its text will tell
        place: XtPlace { chain: None, ..place },
        number: None,
        verdict,
        target: None,
        queue,
        rule: None,
        outline: false,
        text_unknown: None,
        comment: None,
        sent: None,
        elapsed_ns,
    }));
    (step, Some(TableStep { part, passed }))
}

impl Rules {
    /// Adds what the rule's table says of a step; to be asked again while
    /// [`Answer::Pending`]. With `last` the answer is what is known now.
    pub(super) fn complete_table_rule(&self, step: &mut Unresolved, last: bool) -> Answer {
        if self.add_passed(step, last) == Answer::Pending {
            return Answer::Pending;
        }
        let (Some(table), Step::TableRule(rule)) = (&step.table, &mut step.trace.step) else {
            return Answer::Ready;
        };
        match legacy::find(self.legacy.as_ref(), &table.part, step.trace.netns.inode, last) {
            Err(None) => return Answer::Pending,
            Err(Some(why)) => rule.text_unknown = Some(why.into()),
            Ok(found) => {
                let depth = if found.built_in { 0 } else { rule.depth };
                let place = XtPlace { chain: Some(found.chain.clone()), ..rule.place.clone() };
                if found.number.is_none() && rule.verdict == Verdict::Return {
                    let end = TableEnd { traversal: rule.traversal, depth, place };
                    step.trace.step = Step::TableEnd(Box::new(end));
                } else {
                    (rule.depth, rule.place) = (depth, place);
                    fill(rule, found);
                }
            }
        }
        Answer::Ready
    }
}

fn fill(rule: &mut TableRule, found: Found) {
    rule.number = found.number;
    rule.target = Some(found.target).filter(|target| !target.is_empty());
    rule.rule = found.text;
    rule.outline = found.outline;
    rule.comment = found.comment;
    if rule.verdict == Verdict::Drop {
        rule.sent = found.reject.as_deref().map(legacy::sent);
    }
}
