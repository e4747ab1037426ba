//! What a chain's rules tell of a step: how many did not match, how far a rule was
//! evaluated, what follows it.

use std::sync::Arc;

use nfscope_event::{
    ChainRef, Evaluation, ExpressionOutcome, ExpressionResult, Passed, Step, Verdict,
};
use nfscope_ruleset::nft::{ChainQuery, Lookup, Order, RuleQuery};
use nfscope_ruleset::why::{End, Outcome, code_name, evaluated};

use super::Unresolved;
use super::passages::Around;
use crate::resolve::{Answer, Rules};

/// `NFT_CONTINUE`
const CONTINUE: i32 = -1;

/// Which chains' rules a step is about.
struct Orders<'a> {
    rules: &'a Rules,
    place: &'a ChainRef,
    table_handle: Option<u64>,
    inode: u32,
    /// When the packet entered: between these.
    between: [u64; 2],
    last: bool,
}

/// It is still being read.
struct Pending;

impl Orders<'_> {
    /// The rules of a chain in their order, if they can be known.
    fn of(&self, chain: &str) -> Result<Option<Arc<Order>>, Pending> {
        let [earliest, latest] = self.between;
        let order = self.at(chain, latest)?;
        // it is known only if it was the same all the time
        match order {
            Some(order) if earliest < latest => {
                Ok(self.at(chain, earliest)?.filter(|before| *before == order))
            }
            order => Ok(order),
        }
    }

    fn at(&self, chain: &str, at: u64) -> Result<Option<Arc<Order>>, Pending> {
        let query = ChainQuery {
            family: self.place.family,
            table: &self.place.table,
            table_handle: self.table_handle,
            chain,
            at,
        };
        match self.rules.order(self.inode, &query) {
            Lookup::Known(order) => Ok(Some(order)),
            Lookup::Pending if !self.last => Err(Pending),
            Lookup::Pending | Lookup::Unknown => Ok(None),
        }
    }

    /// How many rules did not match in the passages that end.
    fn not_matched(&self, around: &Around) -> Result<Vec<Passed>, Pending> {
        let mut passed = Vec::new();
        for (number, passage) in around.left.iter().enumerate() {
            let order = if passage.whole { self.of(&passage.chain)? } else { None };
            let end = around.to_the_end && number == 0;
            let rules = order.and_then(|order| order.passed_over(&passage.matched, end));
            let rules = rules.and_then(|rules| u32::try_from(rules).ok());
            passed.extend(rules.map(|rules| Passed { chain: passage.chain.clone(), rules }));
        }
        Ok(passed)
    }

    /// What follows a rule, or a chain's end.
    fn follows(
        &self,
        evaluation: &mut Evaluation,
        handle: Option<u64>,
        verdict: Verdict,
        returned: Option<&(String, Option<u64>)>,
    ) -> Result<(), Pending> {
        let own = match (&self.place.chain, handle) {
            (Some(chain), Some(handle)) => self.of(chain)?.map(|order| (order, handle)),
            _ => None,
        };
        if let Some((order, handle)) = &own {
            evaluation.rules_left = order.behind(*handle).and_then(|left| u32::try_from(left).ok());
        }
        evaluation.next = match (returned, verdict) {
            (Some((chain, jumped)), _) => {
                evaluation.returns_to = Some(chain.clone());
                let order = self.of(chain)?;
                order.zip(*jumped).and_then(|(order, jumped)| order.next(jumped))
            }
            // a base chain that returns has its policy follow
            (None, Verdict::Continue | Verdict::Jump) => {
                own.and_then(|(order, handle)| order.next(handle))
            }
            _ => None,
        };
        Ok(())
    }
}

impl Rules {
    /// Adds what the rules of its chains tell of a step.
    pub(super) fn add_evaluation(&self, step: &mut Unresolved, last: bool) -> Answer {
        let Unresolved { trace, around, expr, table_handle, monotonic_ns, .. } = step;
        if !*expr && around.left.is_empty() {
            return Answer::Ready;
        }
        let (place, handle, verdict) = match &trace.step {
            Step::Rule(rule) => (rule.place.clone(), Some(rule.handle), rule.verdict),
            Step::NoMatch(rule) => (rule.place.clone(), Some(rule.handle), Verdict::Continue),
            Step::End(end) => (end.place.clone(), None, Verdict::Return),
            Step::Policy(policy) => (policy.place.clone(), None, policy.verdict),
            _ => return Answer::Ready,
        };
        let table_handle = (*table_handle != 0).then_some(*table_handle);
        let between = [around.earliest_ns, around.entered_ns];
        let inode = trace.netns.inode;
        let orders = Orders { rules: self, place: &place, table_handle, inode, between, last };
        let told = || -> Result<_, Pending> {
            let mut evaluation = Evaluation::default();
            if *expr {
                orders.follows(&mut evaluation, handle, verdict, around.returned.as_ref())?;
                evaluation.code = (!around.to_the_end).then(|| code(around.code));
            }
            if let Some(handle) = handle.filter(|_| *expr) {
                let (family, table) = (place.family, place.table.as_str());
                let query = RuleQuery { family, table, table_handle, handle, at: *monotonic_ns };
                let failed = match &trace.step {
                    Step::NoMatch(rule) => Some(rule.expression),
                    _ => None,
                };
                evaluation.expressions =
                    self.expressions(&query, inode, failed, around.code, last)?;
            }
            Ok((orders.not_matched(around)?, evaluation))
        };
        let Ok((not_matched, evaluation)) = told() else { return Answer::Pending };
        match &mut trace.step {
            Step::Rule(rule) => {
                (rule.not_matched, rule.evaluation) = (not_matched, evaluation);
            }
            Step::End(end) => (end.not_matched, end.evaluation) = (not_matched, evaluation),
            Step::NoMatch(rule) => rule.evaluation = evaluation,
            Step::Policy(policy) => policy.evaluation = evaluation,
            _ => {}
        }
        Answer::Ready
    }

    /// Has the chains read whose passages end with a step.
    pub(super) fn ask_orders(&self, step: &Unresolved) {
        let place = match &step.trace.step {
            Step::Rule(rule) => &rule.place,
            Step::End(end) => &end.place,
            _ => return,
        };
        let between = [step.around.earliest_ns, step.around.entered_ns];
        let table_handle = (step.table_handle != 0).then_some(step.table_handle);
        let inode = step.trace.netns.inode;
        let orders = Orders { rules: self, place, table_handle, inode, between, last: true };
        let _ = orders.not_matched(&step.around);
    }

    /// The results of a rule's expressions. `failed`: it did not match, by that
    /// expression, if it is known.
    fn expressions(
        &self,
        query: &RuleQuery<'_>,
        inode: u32,
        failed: Option<Option<u32>>,
        code: i32,
        last: bool,
    ) -> Result<Vec<ExpressionResult>, Pending> {
        let end = match failed {
            Some(Some(index)) => End::Failed(index as usize),
            Some(None) => return Ok(Vec::new()),
            None if code == CONTINUE => End::Matched,
            None => End::Verdict(code),
        };
        let rule = match self.details(inode, query) {
            Lookup::Known(rule) => rule,
            Lookup::Pending if !last => return Err(Pending),
            Lookup::Pending | Lookup::Unknown => return Ok(Vec::new()),
        };
        // a rule that has no such expression is not the one that was evaluated
        if matches!(end, End::Failed(index) if index >= rule.expressions().len()) {
            return Ok(Vec::new());
        }
        let result = |outcome| match outcome {
            Outcome::Code(number) => ExpressionOutcome::Code(self::code(number)),
            Outcome::NotReached => ExpressionOutcome::NotReached,
            Outcome::Unknown => ExpressionOutcome::Unknown,
        };
        let all = evaluated(&rule, end).into_iter();
        Ok(all
            .map(|e| ExpressionResult { kind: e.name.to_owned(), result: result(e.outcome) })
            .collect())
    }
}

/// The kernel's name of a code.
fn code(code: i32) -> String {
    code_name(code).map_or_else(|| code.to_string(), str::to_owned)
}
