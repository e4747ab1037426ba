//! The words of an iptables match in the line that made the rule.

/// The part of an `-A CHAIN …` line that is about a match: `-m statistic
/// --mode nth`. None if the line has several of that name, or none.
pub(crate) fn part(line: &str, name: &str) -> Option<String> {
    let words = words(line);
    let begins = |at: usize| {
        words.get(at).is_some_and(|word| *word == "-m")
            && words.get(at + 1).is_some_and(|word| *word == name)
    };
    let mut found = (0..words.len()).filter(|at| begins(*at));
    let (start, None) = (found.next()?, found.next()) else { return None };
    let ends = |word: &&str| ["-m", "-j", "-g"].contains(word);
    let length = words[start + 2..].iter().position(ends).unwrap_or(words.len() - start - 2);
    Some(words[start..start + 2 + length].join(" "))
}

/// The words of a line; one in quotes may have spaces, and keeps its quotes.
fn words(line: &str) -> Vec<&str> {
    let (mut all, mut start) = (Vec::new(), None);
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in line.char_indices() {
        if character == ' ' && !quoted {
            all.extend(start.take().map(|start| &line[start..at]));
            continue;
        }
        start.get_or_insert(at);
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
    }
    all.extend(start.map(|start| &line[start..]));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_match_ends_where_the_next_begins() {
        let line = "-A INPUT -p tcp -m comment --comment \"a -m tcp \\\" -j b\" -m tcp --dport 80 \
                    -m limit --limit 5/sec -j DROP";
        assert_eq!(part(line, "tcp").as_deref(), Some("-m tcp --dport 80"));
        assert_eq!(part(line, "limit").as_deref(), Some("-m limit --limit 5/sec"));
        assert_eq!(part(line, "udp"), None);
        assert_eq!(part("-A c -m mark --mark 1 -m mark --mark 2", "mark"), None);
        assert_eq!(part("-A c -m", "mark"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in ".*", name in "[a-z]*") {
            let _ = part(&line, &name);
        }
    }
}
