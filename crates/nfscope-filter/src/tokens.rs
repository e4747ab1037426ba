//! Cuts an expression into tokens, nearly as libpcap's `scanner.l` does.
//!
//! Only for finding places in expressions that libpcap refused: a difference
//! moves a caret, never the meaning of a filter.

use std::ops::Range;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its bytes in the expression.
    pub range: Range<usize>,
}

/// The expression's tokens, in order.
pub(crate) fn tokens(expression: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut brackets = 0usize;
    let mut rest = expression.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        if first.is_whitespace() {
            continue;
        }
        match first {
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        let mut end = start + first.len_utf8();
        // In brackets `:` and `-` are operators, elsewhere parts of addresses,
        // names and ranges.
        let in_word = |c: char| {
            c.is_alphanumeric()
                || matches!(c, '_' | '.' | '\\')
                || (brackets == 0 && matches!(c, ':' | '-'))
        };
        if in_word(first) {
            while let Some((at, c)) = rest.next_if(|(_, c)| in_word(*c)) {
                end = at + c.len_utf8();
            }
        } else if let Some((at, c)) = rest.next_if(|(_, c)| is_pair(first, *c)) {
            end = at + c.len_utf8();
        }
        found.push(Token { range: start..end });
    }
    found
}

/// Whether two characters make one operator.
fn is_pair(first: char, second: char) -> bool {
    matches!(
        (first, second),
        ('&', '&') | ('|', '|') | ('>' | '<' | '!' | '=', '=') | ('>', '>') | ('<', '<')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(expression: &str) -> Vec<&str> {
        tokens(expression).into_iter().map(|token| &expression[token.range]).collect()
    }

    #[test]
    fn operators_and_words() {
        assert_eq!(
            words("tcp[0:2]>=5&&(host fe80::1 or net 10.0.0.0/8)"),
            [
                "tcp", "[", "0", ":", "2", "]", ">=", "5", "&&", "(", "host", "fe80::1", "or",
                "net", "10.0.0.0", "/", "8", ")"
            ]
        );
        assert_eq!(words(" portrange 1-2 "), ["portrange", "1-2"]);
        assert_eq!(words("ip[2:2]-4 $ é!"), ["ip", "[", "2", ":", "2", "]", "-4", "$", "é", "!"]);
    }
}
