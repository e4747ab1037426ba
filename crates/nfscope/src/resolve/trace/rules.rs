//! Texts of the rules on a packet's way.

use nfscope_event::{NoMatch, RuleText, Step, TraceRule, Verdict, Why};
use nfscope_ruleset::netlink::Ending;
use nfscope_ruleset::nft::{Lookup, Rule, RuleQuery};
use nfscope_ruleset::why::explain;

use super::Unresolved;
use super::headers::Headers;
use crate::resolve::{Answer, Rules, legacy};

impl Rules {
    /// Adds what is known to a step; to be asked again while
    /// [`Answer::Pending`]. With `last` the answer is what is known now.
    pub fn complete_step(&mut self, step: &mut Unresolved, last: bool) -> Answer {
        self.name_netns(&mut step.trace.netns);
        if step.table.is_some() {
            return self.complete_table_rule(step, last);
        }
        match self.complete_rule(step, last) {
            Answer::Ready => {}
            Answer::Pending => return Answer::Pending,
        }
        let inode = step.trace.netns.inode;
        match step.trace.step.place_mut().map(|place| self.base_chain(place, inode, last)) {
            Some(Answer::Pending) => Answer::Pending,
            _ => self.add_evaluation(step, last),
        }
    }

    fn complete_rule(&self, step: &mut Unresolved, last: bool) -> Answer {
        let inode = step.trace.netns.inode;
        let (table_handle, at, registers) = (step.table_handle, step.monotonic_ns, step.registers);
        let (place, handle) = match &step.trace.step {
            Step::Rule(rule) => (&rule.place, rule.handle),
            Step::NoMatch(rule) => (&rule.place, rule.handle),
            _ => return Answer::Ready,
        };
        let (family, table) = (place.family, place.table.clone());
        let table_handle = (table_handle != 0).then_some(table_handle);
        let query = RuleQuery { family, table: &table, table_handle, handle, at };
        let found = match self.find(inode, &query, last) {
            Ok(found) if step.earliest_ns < at => {
                // no rule of that handle came or went while the message was under way
                match self.find(inode, &RuleQuery { at: step.earliest_ns, ..query }, last) {
                    Ok(before) if before == found => Ok(found),
                    Err(None) => return Answer::Pending,
                    _ => Err("the ruleset changed just then"),
                }
            }
            Ok(found) => Ok(found),
            Err(None) => return Answer::Pending,
            Err(Some(why)) => Err(why),
        };
        let text = self.text(found.as_deref());
        match (&mut step.trace.step, found) {
            (Step::Rule(rule), Ok(found)) => {
                rule.text = text;
                // behind lost steps the way may have led elsewhere
                rule.place.chain = Some(found.chain.clone());
                self.verdict(rule, &found, &query, inode, registers.as_ref(), last)
            }
            (Step::Rule(rule), Err(_)) => {
                rule.text = text;
                Answer::Ready
            }
            (Step::NoMatch(rule), found) => {
                rule.text = text;
                if let Ok(found) = found {
                    rule.place.chain = Some(found.chain.clone());
                }
                let packet = step.packet.as_deref();
                self.why(rule, &query, inode, registers.as_ref().zip(packet), last)
            }
            _ => Answer::Ready,
        }
    }

    /// Has everything read that a step will want.
    pub fn ask(&self, step: &Unresolved) {
        // the answers are asked for again when the step's turn comes
        if let Some(part) = &step.table {
            let part = &part.part;
            let _ = legacy::find(self.legacy.as_ref(), part, step.trace.netns.inode, false);
            return;
        }
        self.ask_orders(step);
        let (place, handle) = match &step.trace.step {
            Step::Rule(rule) => (&rule.place, rule.handle),
            Step::NoMatch(rule) => (&rule.place, rule.handle),
            _ => return,
        };
        let query = RuleQuery {
            family: place.family,
            table: &place.table,
            table_handle: (step.table_handle != 0).then_some(step.table_handle),
            handle,
            at: step.monotonic_ns,
        };
        let _ = match step.trace.step {
            _ if step.expr || (step.registers.is_some() && step.packet.is_some()) => {
                matches!(self.details(step.trace.netns.inode, &query), Lookup::Pending)
            }
            _ => self.find(step.trace.netns.inode, &query, false).is_err(),
        };
    }

    /// Why a rule did not match, if the registers of that moment are there.
    fn why(
        &self,
        rule: &mut NoMatch,
        query: &RuleQuery<'_>,
        inode: u32,
        known: Option<(&[u32; 20], &Headers)>,
        last: bool,
    ) -> Answer {
        let (Some((registers, packet)), Some(index)) = (known, rule.expression) else {
            return Answer::Ready;
        };
        let details = match self.details(inode, query) {
            Lookup::Known(details) => details,
            Lookup::Pending if !last => return Answer::Pending,
            Lookup::Pending | Lookup::Unknown => return Answer::Ready,
        };
        let mut bytes = [0; 80];
        for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(registers) {
            *to = word.to_ne_bytes();
        }
        let why = explain(&details, index as usize, &bytes, &packet.facts());
        rule.why = Some(Why {
            expression: why.expression,
            condition: why.condition,
            selector: why.selector,
            wanted: why.wanted,
            actual: why.actual,
            reason: why.reason,
        });
        Answer::Ready
    }

    fn text(&self, found: Result<&Rule, &&str>) -> RuleText {
        let rule = match found {
            Ok(rule) => rule,
            Err(why) => {
                return RuleText { text_unknown: Some((*why).into()), ..RuleText::default() };
            }
        };
        RuleText {
            text_unknown: rule.text.is_none().then(|| self.why_no_text().into()),
            rule: rule.text.clone(),
            iptables: rule.iptables.clone(),
            comment: rule.comment.clone(),
        }
    }

    /// How the rule came to its verdict, where its text does not tell.
    fn verdict(
        &self,
        rule: &mut TraceRule,
        found: &Rule,
        query: &RuleQuery<'_>,
        inode: u32,
        registers: Option<&[u32; 20]>,
        last: bool,
    ) -> Answer {
        for ending in &found.endings {
            match ending {
                Ending::Reject(sent) if rule.verdict == Verdict::Drop => {
                    rule.sent = Some(sent.clone());
                }
                Ending::VerdictMap(_) => {
                    let registers = registers.map_or(&[][..], |r| &r[..]);
                    match self.element(found, registers, query, inode) {
                        Lookup::Known(element) => rule.element = Some(element),
                        Lookup::Pending if !last => return Answer::Pending,
                        Lookup::Pending | Lookup::Unknown => {}
                    }
                }
                _ => {}
            }
        }
        Answer::Ready
    }
}
