//! Texts of the rules on a packet's way.

use nfscope_event::{Step, TraceRule, Verdict};
use nfscope_ruleset::netlink::Ending;
use nfscope_ruleset::nft::{Lookup, RuleQuery};

use super::{Answer, Rules, Unresolved};

impl Rules {
    /// Adds what is known to a step; to be asked again while
    /// [`Answer::Pending`]. With `last` the answer is what is known now.
    pub fn complete_step(&mut self, step: &mut Unresolved, last: bool) -> Answer {
        self.name_netns(&mut step.trace.netns);
        let inode = step.trace.netns.inode;
        let (table_handle, at, registers) = (step.table_handle, step.monotonic_ns, step.registers);
        let Step::Rule(rule) = &mut step.trace.step else { return Answer::Ready };
        let table = rule.place.table.clone();
        let query = RuleQuery {
            family: rule.place.family,
            table: &table,
            table_handle: (table_handle != 0).then_some(table_handle),
            handle: rule.handle,
            at,
        };
        self.rule_text(rule, &query, inode, registers.as_ref(), last)
    }

    fn rule_text(
        &self,
        rule: &mut TraceRule,
        query: &RuleQuery<'_>,
        inode: u32,
        registers: Option<&[u32; 20]>,
        last: bool,
    ) -> Answer {
        let found = match self.find(inode, query, last) {
            Ok(found) => found,
            Err(None) => return Answer::Pending,
            Err(Some(why)) => {
                rule.text_unknown = Some(why.into());
                return Answer::Ready;
            }
        };
        for ending in &found.endings {
            match ending {
                Ending::Reject(sent) if rule.verdict == Verdict::Drop => {
                    rule.sent = Some(sent.clone());
                }
                Ending::VerdictMap(_) => {
                    let registers = registers.map_or(&[][..], |r| &r[..]);
                    match self.element(&found, registers, query, inode) {
                        Lookup::Known(element) => rule.element = Some(element),
                        Lookup::Pending if !last => return Answer::Pending,
                        Lookup::Pending | Lookup::Unknown => {}
                    }
                }
                _ => {}
            }
        }
        rule.rule.clone_from(&found.text);
        rule.iptables.clone_from(&found.iptables);
        rule.comment.clone_from(&found.comment);
        if rule.rule.is_none() {
            rule.text_unknown = Some(self.why_no_text().into());
        }
        Answer::Ready
    }
}
