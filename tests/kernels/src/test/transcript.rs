//! What the guest says while it runs scenarios (`guest/run.sh`).

use std::time::Duration;

/// How one scenario ended in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The scenario.
    pub name: String,
    /// Exit status.
    pub status: i32,
    /// Why it was skipped.
    pub skip: Option<String>,
    /// What it printed, if it failed.
    pub output: Vec<String>,
    /// How long it took.
    pub time: Duration,
}

/// The scenario that runs, put together line by line.
#[derive(Debug, Default)]
pub struct Transcript {
    running: Option<String>,
    skip: Option<String>,
    output: Vec<String>,
}

impl Transcript {
    /// Take a line; returns the scenario that it ends.
    pub fn line(&mut self, line: &str) -> Option<Ended> {
        let Some(report) = line.strip_prefix("@LAB ") else {
            self.output.push(line.to_owned());
            return None;
        };
        let (word, rest) = report.split_once(' ').unwrap_or((report, ""));
        match word {
            "begin" => {
                *self = Self { running: Some(rest.to_owned()), ..Self::default() };
                None
            }
            "skip" => {
                self.skip = Some(rest.to_owned());
                None
            }
            "end" => {
                let mut words = rest.split(' ');
                let name = words.next()?.to_owned();
                let status = words.next()?.parse().ok()?;
                let time = Duration::from_millis(words.next()?.parse().ok()?);
                let Self { skip, output, .. } = std::mem::take(self);
                Some(Ended { name, status, skip, output, time })
            }
            _ => None,
        }
    }

    /// The scenario that had begun and not ended, with what was printed since.
    pub fn interrupted(self) -> (Option<String>, Vec<String>) {
        (self.running, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_and_interrupted() {
        let mut transcript = Transcript::default();
        for line in ["boot noise", "@LAB begin a", "x", "@LAB skip no hook"] {
            assert_eq!(transcript.line(line), None);
        }
        let ended = transcript.line("@LAB end a 77 1500").unwrap();
        assert_eq!((ended.name.as_str(), ended.status), ("a", 77));
        assert_eq!(ended.skip.as_deref(), Some("no hook"));
        assert_eq!(ended.output, ["x"]);
        assert_eq!(ended.time.as_millis(), 1500);
        transcript.line("@LAB begin b");
        transcript.line("oops");
        assert_eq!(transcript.interrupted(), (Some("b".to_owned()), vec!["oops".to_owned()]));
    }
}
