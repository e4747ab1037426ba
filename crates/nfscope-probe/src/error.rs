//! What is wrong with a field or condition, and where.

use crate::ast::Span;

/// A mistake in what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Mistake {
    /// What is wrong.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// A name that is not known, and those that are: one of them may have been
    /// meant.
    pub meant: Option<(String, Vec<String>)>,
}

impl Mistake {
    /// A mistake at a place.
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self { text: text.into(), span, meant: None }
    }

    /// A name that is none of these.
    pub fn unknown(span: Span, text: impl Into<String>, name: &str, known: Vec<String>) -> Self {
        Self { meant: Some((name.to_owned(), known)), ..Self::new(span, text) }
    }
}
