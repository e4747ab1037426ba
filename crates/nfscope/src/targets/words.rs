//! What a word of the command line asks for.

use super::Place;

/// A word that may be a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Functions whose names fit.
    Function {
        /// A name or a pattern.
        pattern: String,
        /// Where in it.
        place: Place,
    },
    /// Tracepoints whose names fit.
    Tracepoint {
        /// Group: a name or a pattern.
        category: String,
        /// A name or a pattern.
        name: String,
    },
}

/// Whether a name is a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

impl Word {
    /// Reads a word; `None`: it has not the form of a target.
    pub fn parse(word: &str) -> Option<Self> {
        let (name, place) = match (word.strip_suffix(":ret"), word.split_once('+')) {
            (Some(name), _) => (name, Place::Return),
            (None, Some((name, offset))) if !is_pattern(name) => {
                let number = match offset.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16),
                    None => offset.parse(),
                };
                (name, Place::Offset(number.ok()?))
            }
            _ => (word, Place::Entry),
        };
        match name.split_once(':') {
            Some((category, name)) => (place == Place::Entry && named(category) && named(name))
                .then(|| Self::Tracepoint { category: category.into(), name: name.into() }),
            None => named(name).then(|| Self::Function { pattern: name.into(), place }),
        }
    }
}

/// Whether this can be a name, or a pattern that leaves something of one.
fn named(text: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    !digit
        && text.chars().all(|c| of_name(c) || matches!(c, '*' | '?'))
        && (text.chars().any(of_name) || text == "*")
}

/// Whether a word can only have been meant as a target: what
/// begins pcap expressions has no underscores and no single colon.
pub fn only_a_target(word: &str) -> bool {
    match Word::parse(word) {
        Some(Word::Function { place, .. }) => word.contains('_') || place == Place::Return,
        Some(Word::Tracepoint { .. }) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let function =
            |pattern: &str, place| Some(Word::Function { pattern: pattern.into(), place });
        assert_eq!(Word::parse("ip_rcv"), function("ip_rcv", Place::Entry));
        assert_eq!(Word::parse("ip_rcv:ret"), function("ip_rcv", Place::Return));
        assert_eq!(Word::parse("ip_rcv+0x1f"), function("ip_rcv", Place::Offset(31)));
        assert_eq!(Word::parse("tcp_v?_*:ret"), function("tcp_v?_*", Place::Return));
        let tracepoint = Word::Tracepoint { category: "skb".into(), name: "*".into() };
        assert_eq!(Word::parse("skb:*"), Some(tracepoint));
        for other in ["tcp[13] & 2", "10.0.0.1", "00:11:22:33:44:55", "", "(", "f+x", "a:b:ret"] {
            assert_eq!(Word::parse(other), None, "{other}");
        }
        assert!(only_a_target("ip_rvc") && !only_a_target("tcp") && !only_a_target("a_b c"));
    }
}
