//! Which names are wanted: by glob, or by regular expression between slashes.

use regex::bytes::{Regex, RegexBuilder};

use crate::functions::glob;
use crate::targets::is_pattern;

/// A wanted name, or many.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// `*` stands for any characters, `?` for one.
    Glob(String),
    /// `/…/`: anywhere in the name.
    Regex(Regex),
}

impl Pattern {
    /// Reads `tcp_v4_*` or `/^tcp_v[46]_/`.
    ///
    /// # Errors
    /// What is wrong with the regular expression.
    pub fn parse(word: &str) -> Result<Self, String> {
        let inner = word.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let Some(inner) = inner else { return Ok(Self::Glob(word.to_owned())) };
        // Names in the kernel are bytes of ASCII.
        let regex = RegexBuilder::new(inner).unicode(false).build();
        regex.map(Self::Regex).map_err(|e| format!("{word}: {e}"))
    }

    /// Whether a name is wanted.
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Self::Glob(pattern) => glob::fits(pattern, name),
            Self::Regex(regex) => regex.is_match(name.as_bytes()),
        }
    }

    /// The one name that is wanted, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Glob(pattern) => Some(pattern.as_str()).filter(|pattern| !is_pattern(pattern)),
            Self::Regex(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn globs_and_regular_expressions() {
        let fits = |pattern: &str, name| Pattern::parse(pattern).unwrap().fits(name);
        assert!(fits("tcp_v?_rcv", "tcp_v4_rcv") && !fits("tcp", "tcp_v4_rcv"));
        assert!(fits("/^tcp_v[46]_/", "tcp_v6_rcv") && !fits("/^tcp_v[46]_/", "__tcp_v4_rcv"));
        assert!(fits("/rcv$|^ip_./", "ip_output") && fits("/\\w+/", "a"));
        assert!(Pattern::parse("/(/").unwrap_err().starts_with("/(/: "));
        let names = ["ip_rcv", "ip_*", "/ip_rcv/"].map(|p| Pattern::parse(p).unwrap());
        let names: Vec<_> = names.iter().map(Pattern::name).collect();
        assert_eq!(names, [Some("ip_rcv"), None, None]);
    }
}
