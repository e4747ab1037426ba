//! A claim of doctor's, and what was seen of it.

use serde::Serialize;

/// How a claim came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is so.
    Agrees,
    /// It is not so.
    Disproved,
    /// It was not tried.
    NotTested,
}

/// A claim, tried with packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// What it is about.
    pub topic: &'static str,
    /// What doctor says of this machine.
    pub claimed: String,
    /// What was seen; why nothing was.
    pub seen: String,
    /// Whether both agree.
    pub outcome: Outcome,
}

/// Whether what was seen is what was claimed, and what it was; an error says why nothing
/// could be seen.
pub type Seen = anyhow::Result<(bool, String)>;

impl Proof {
    /// What an attempt showed.
    pub fn of(topic: &'static str, claimed: impl Into<String>, seen: Seen) -> Self {
        let (outcome, seen) = match seen {
            Ok((true, seen)) => (Outcome::Agrees, seen),
            Ok((false, seen)) => (Outcome::Disproved, seen),
            Err(why) => (Outcome::NotTested, format!("{why:#}")),
        };
        Self { topic, claimed: claimed.into(), seen, outcome }
    }

    /// Not tried, and why.
    pub fn untested(
        topic: &'static str,
        claimed: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { topic, claimed: claimed.into(), seen: why.into(), outcome: Outcome::NotTested }
    }
}
