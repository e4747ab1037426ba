//! Names by pattern.

/// Whether a name fits a pattern, in which `*` stands for any characters and `?`
/// for one.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // where the last star stands, and what it took so far
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name) in [
            ("ip_rcv", "ip_rcv"),
            ("ip_rcv*", "ip_rcv"),
            ("ip_rcv*", "ip_rcv_core"),
            ("*", ""),
            ("*rcv*fin*", "ip_rcv_finish"),
            ("ip?_rcv", "ip6_rcv"),
            ("*a*b", "aaabab"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "a"), ("ip_rcv", "ip_rcv_core"), ("ip?", "ip"), ("*x", "xy"), ("a*b*c", "acb")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
