//! Texts of the rules on a packet's way.

use nfscope_event::{RuleText, Step, TraceRule, Verdict};
use nfscope_ruleset::netlink::Ending;
use nfscope_ruleset::nft::{Lookup, Rule, RuleQuery};

use super::Unresolved;
use crate::resolve::{Answer, Rules};

impl Rules {
    /// Adds what is known to a step; to be asked again while
    /// [`Answer::Pending`]. With `last` the answer is what is known now.
    pub fn complete_step(&mut self, step: &mut Unresolved, last: bool) -> Answer {
        self.name_netns(&mut step.trace.netns);
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
            Ok(found) => Ok(found),
            Err(None) => return Answer::Pending,
            Err(Some(why)) => Err(why),
        };
        let text = self.text(found.as_deref());
        match (&mut step.trace.step, found) {
            (Step::Rule(rule), Ok(found)) => {
                rule.text = text;
                self.verdict(rule, &found, &query, inode, registers.as_ref(), last)
            }
            (Step::Rule(rule), Err(_)) => {
                rule.text = text;
                Answer::Ready
            }
            (Step::NoMatch(rule), _) => {
                rule.text = text;
                Answer::Ready
            }
            _ => Answer::Ready,
        }
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
