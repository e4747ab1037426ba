//! Judging and counting.

use std::{fmt, time::Duration};

use super::{skips::Skips, transcript::Ended};

/// What became of a scenario on a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it should.
    Passed,
    /// It did not, for this reason.
    Failed(String),
    /// The kernel cannot do it, and the table says so; or this machine cannot
    /// run the kernel.
    Skipped(String),
}

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The kernel's short name.
    pub kernel: String,
    /// The scenario.
    pub scenario: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What it printed, if it failed.
    pub output: Vec<String>,
    /// How long it took.
    pub time: Duration,
}

impl Outcome {
    /// Judge a scenario that ran to its end.
    pub fn judge(kernel: &str, ended: Ended, skips: &Skips) -> Self {
        let expected = skips.reason(kernel, &ended.name);
        let verdict = match (ended.status, &ended.skip, expected) {
            (0, _, None) => Verdict::Passed,
            (0, _, Some(reason)) => {
                Verdict::Failed(format!("it ran, but expected-skips.toml says it cannot: {reason}"))
            }
            (_, Some(_), Some(reason)) => Verdict::Skipped(reason.to_owned()),
            (_, Some(reason), None) => {
                Verdict::Failed(format!("a skip that expected-skips.toml does not have: {reason}"))
            }
            (status, None, _) => Verdict::Failed(format!("status {status}")),
        };
        Self {
            kernel: kernel.to_owned(),
            scenario: ended.name,
            verdict,
            output: ended.output,
            time: ended.time,
        }
    }

    /// A scenario that never ended.
    pub fn failed(kernel: &str, scenario: &str, reason: String, output: Vec<String>) -> Self {
        Self { output, ..Self::without_end(kernel, scenario, Verdict::Failed(reason)) }
    }

    /// A scenario that never began: this machine cannot run its kernel.
    pub fn skipped(kernel: &str, scenario: &str, reason: &str) -> Self {
        Self::without_end(kernel, scenario, Verdict::Skipped(reason.to_owned()))
    }

    fn without_end(kernel: &str, scenario: &str, verdict: Verdict) -> Self {
        Self {
            kernel: kernel.to_owned(),
            scenario: scenario.to_owned(),
            verdict,
            output: Vec::new(),
            time: Duration::ZERO,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, scenario, verdict, output, time } = self;
        match verdict {
            Verdict::Passed => {
                write!(f, "passed   {kernel:<6} {scenario} ({:.1} s)", time.as_secs_f64())
            }
            Verdict::Skipped(reason) => write!(f, "skipped  {kernel:<6} {scenario}: {reason}"),
            Verdict::Failed(reason) => {
                write!(f, "FAILED   {kernel:<6} {scenario}: {reason}")?;
                output.iter().try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}

/// How many passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

impl Tally {
    /// Count outcomes.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed(_) => tally.failed += 1,
                Verdict::Skipped(_) => tally.skipped += 1,
            }
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(scenario: &str, status: i32, skip: Option<&str>) -> Verdict {
        let skips = toml::from_str(
            "[[skip]]\nscenario = 'known'\nkernels = ['5.10']\nreason = 'too old'\n",
        )
        .unwrap();
        let ended = Ended {
            name: scenario.to_owned(),
            status,
            skip: skip.map(str::to_owned),
            output: Vec::new(),
            time: Duration::ZERO,
        };
        Outcome::judge("5.10", ended, &skips).verdict
    }

    #[test]
    fn skips_are_those_of_the_table() {
        assert_eq!(judge("a", 0, None), Verdict::Passed);
        assert_eq!(judge("known", 77, Some("x")), Verdict::Skipped("too old".to_owned()));
        assert!(matches!(judge("known", 0, None), Verdict::Failed(_)));
        assert!(matches!(judge("a", 77, Some("x")), Verdict::Failed(_)));
        assert!(matches!(judge("a", 77, None), Verdict::Failed(_)));
        assert!(matches!(judge("known", 1, None), Verdict::Failed(_)));
    }
}
