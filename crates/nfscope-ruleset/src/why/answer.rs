//! Why a rule did not match.

/// An explanation under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) condition: String,
    pub(super) reason: String,
    pub(super) selector: Option<String>,
    pub(super) wanted: Option<String>,
    pub(super) actual: Option<String>,
}

impl Answer {
    /// One without values.
    pub(super) fn plain(condition: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            condition: condition.into(),
            reason: reason.into(),
            selector: None,
            wanted: None,
            actual: None,
        }
    }
}
