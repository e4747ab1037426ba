//! Answers that were given before: the same few functions stand in all stacks of a text.

use std::collections::HashMap;

use nfscope_symbols::{Answer, Lookup, Target};

/// So many are kept: a text may go on for ever.
const MAX: usize = 4096;

/// An answer, or why there is none.
type Told = Result<Vec<Answer>, String>;

/// What was told of each address.
#[derive(Default)]
pub(super) struct Known {
    answers: HashMap<(Target, Lookup), Told>,
}

impl Known {
    /// What was told before, else what `resolve` tells.
    pub fn answer(
        &mut self,
        target: Target,
        lookup: Lookup,
        resolve: impl FnOnce(&Target, Lookup) -> Told,
    ) -> &Told {
        let key = (target, lookup);
        if self.answers.len() >= MAX && !self.answers.contains_key(&key) {
            // what is asked for often is soon there again
            self.answers.clear();
        }
        self.answers.entry(key).or_insert_with_key(|(target, lookup)| resolve(target, *lookup))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_once_and_never_too_many() {
        let mut known = Known::default();
        let mut asked = 0;
        let mut ask = |address, lookup| {
            let told = known.answer(Target::Address(address), lookup, |target, _| {
                asked += 1;
                Err(format!("{target:?}"))
            });
            assert_eq!(*told, Err(format!("{:?}", Target::Address(address))));
            (asked, known.answers.len())
        };
        assert_eq!(ask(1, Lookup::Exact), (1, 1));
        assert_eq!(ask(1, Lookup::Exact), (1, 1));
        assert_eq!(ask(1, Lookup::Return), (2, 2), "another line");
        for address in 2..3 * MAX as u64 {
            let (_, kept) = ask(address, Lookup::Exact);
            assert!(kept <= MAX);
        }
    }
}
