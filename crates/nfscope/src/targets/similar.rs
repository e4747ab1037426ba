//! Names that may have been meant.

/// Differences beyond which a name is no suggestion.
const MOST: usize = 3;
/// Names to suggest.
const FEW: usize = 3;

/// The names closest to one that is not there.
#[derive(Debug)]
pub struct Similar<'a> {
    wanted: &'a str,
    best: Vec<(usize, String)>,
}

impl<'a> Similar<'a> {
    /// To this one.
    pub fn to(wanted: &'a str) -> Self {
        Self { wanted, best: Vec::new() }
    }

    /// Looks at one more name.
    pub fn offer(&mut self, name: &str) {
        // what the compiler has made of it counts as close
        let variant = name.strip_prefix(self.wanted).is_some_and(|rest| rest.starts_with('.'));
        let limit = MOST.min(self.wanted.len() / 3);
        let far = name.len().abs_diff(self.wanted.len()) > limit;
        if !variant && far || self.best.iter().any(|(_, known)| known == name) {
            return;
        }
        let distance = if variant { 0 } else { distance(self.wanted, name) };
        if distance <= limit {
            self.best.push((distance, name.to_owned()));
            self.best.sort();
            self.best.truncate(FEW);
        }
    }

    /// `; did you mean ip_rcv?`, or nothing.
    pub fn question(&self) -> String {
        let names: Vec<&str> = self.best.iter().map(|(_, name)| name.as_str()).collect();
        if names.is_empty() {
            return String::new();
        }
        format!("; did you mean {}?", names.join(", "))
    }
}

/// Letters to insert, delete, replace, or exchange with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1];
        for j in 0..b.len() {
            let replaced = row[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_meant() {
        let mut similar = Similar::to("ip_rvc");
        for name in ["ip_rcv", "ipv6_rcv", "ip_rcv_finish", "ip_rvc.isra.0"] {
            similar.offer(name);
        }
        assert_eq!(similar.question(), "; did you mean ip_rvc.isra.0, ip_rcv?");
        let mut similar = Similar::to("tcp");
        similar.offer("ip_rcv");
        assert_eq!(similar.question(), "");
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "ab"), 2);
    }
}
