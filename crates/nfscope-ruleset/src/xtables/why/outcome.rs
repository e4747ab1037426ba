//! What became of one part of a rule.

/// Whether a part matches the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Matches,
    Fails(Failure),
    /// It is not evaluated here, or what it looks at was not recorded.
    Unknown,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// In iptables' words: `-m tcp --dport 80`.
    pub condition: String,
    pub wanted: Option<String>,
    pub actual: Option<String>,
    /// That as a sentence.
    pub reason: String,
}

/// A comparison: an option with what is wanted, and what the packet has.
pub(super) struct Compared {
    /// `-m tcp --dport`
    pub option: String,
    pub inverted: bool,
    pub wanted: String,
    pub actual: String,
}

impl Compared {
    /// `equal`: whether the packet has what is wanted.
    pub fn outcome(self, equal: bool) -> Outcome {
        if equal != self.inverted {
            return Outcome::Matches;
        }
        Outcome::Fails(Failure {
            condition: self.condition(),
            wanted: Some(self.wanted),
            reason: format!("packet has {}", self.actual),
            actual: Some(self.actual),
        })
    }

    /// `-m tcp ! --dport 80`
    fn condition(&self) -> String {
        let words = match self.option.rsplit_once(' ') {
            Some((before, option)) if self.inverted => format!("{before} ! {option}"),
            None if self.inverted => format!("! {}", self.option),
            _ => self.option.clone(),
        };
        format!("{words} {}", self.wanted)
    }
}

/// All of several comparisons: the first that fails, else one that is not known.
pub(super) fn all(outcomes: impl IntoIterator<Item = Option<Outcome>>) -> Outcome {
    let mut sure = true;
    for outcome in outcomes {
        match outcome {
            Some(Outcome::Fails(failure)) => return Outcome::Fails(failure),
            Some(Outcome::Matches) => {}
            Some(Outcome::Unknown) | None => sure = false,
        }
    }
    if sure { Outcome::Matches } else { Outcome::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(inverted: bool) -> Compared {
        let (wanted, actual) = ("80".into(), "81".into());
        Compared { option: "-m tcp --dport".into(), inverted, wanted, actual }
    }

    #[test]
    fn words_of_a_comparison() {
        let Outcome::Fails(failure) = compared(false).outcome(false) else { panic!("matches") };
        assert_eq!(failure.condition, "-m tcp --dport 80");
        assert_eq!(failure.reason, "packet has 81");
        let Outcome::Fails(failure) = compared(true).outcome(true) else { panic!("matches") };
        assert_eq!(failure.condition, "-m tcp ! --dport 80");
        assert_eq!(compared(true).outcome(false), Outcome::Matches);
    }

    #[test]
    fn what_fails_is_known_whatever_else_is_not() {
        assert_eq!(all([Some(Outcome::Matches), None]), Outcome::Unknown);
        assert!(matches!(all([None, Some(compared(false).outcome(false))]), Outcome::Fails(_)));
        assert_eq!(all([]), Outcome::Matches);
    }
}
