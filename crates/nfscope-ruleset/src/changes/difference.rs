//! The difference of two lists of lines.

/// More comparisons than this are not made for one difference: what differs is
/// then all old and all new.
const MOST: usize = 16_000_000;

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is in both: its number in the old list and in the new one.
    Kept(usize, usize),
    /// It is gone.
    Removed(usize),
    /// It is new.
    Added(usize),
}

/// The steps from the old list to the new one, with as many lines kept in their
/// order as can be.
pub fn difference<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Step> {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[front..], &new[front..]);
    let back = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b);
    let back = back.count();
    let (n, m) = (old_rest.len() - back, new_rest.len() - back);
    let mut steps: Vec<Step> = (0..front).map(|at| Step::Kept(at, at)).collect();
    if n.saturating_mul(m) > MOST {
        steps.extend((front..front + n).map(Step::Removed));
        steps.extend((front..front + m).map(Step::Added));
    } else {
        middle(&old_rest[..n], &new_rest[..m], front, &mut steps);
    }
    steps.extend((0..back).map(|at| Step::Kept(front + n + at, front + m + at)));
    steps
}

/// By the lengths of the longest common subsequences of all ends.
fn middle<T: PartialEq>(old: &[T], new: &[T], front: usize, steps: &mut Vec<Step>) {
    let (n, m) = (old.len(), new.len());
    let row = m + 1;
    let mut longest = vec![0u32; (n + 1) * row];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            longest[i * row + j] = if old[i] == new[j] {
                longest[(i + 1) * row + j + 1] + 1
            } else {
                longest[(i + 1) * row + j].max(longest[i * row + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < n || j < m {
        if i < n && j < m && old[i] == new[j] {
            steps.push(Step::Kept(front + i, front + j));
            (i, j) = (i + 1, j + 1);
        } else if j == m || (i < n && longest[(i + 1) * row + j] >= longest[i * row + j + 1]) {
            steps.push(Step::Removed(front + i));
            i += 1;
        } else {
            steps.push(Step::Added(front + j));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_what_is_common() {
        use Step::*;
        let steps = difference(&["a", "b", "c", "d"], &["a", "c", "x", "d"]);
        assert_eq!(steps, [Kept(0, 0), Removed(1), Kept(2, 1), Added(2), Kept(3, 3)]);
        assert_eq!(difference(&["a", "b"], &["b", "a"]).len(), 3, "an order that changed shows");
    }

    #[test]
    fn very_long_lists_are_told_in_full() {
        let (old, new): (Vec<_>, Vec<_>) = ((0..5000).collect(), (5000..10_000).collect());
        assert_eq!(difference(&old, &new).len(), 10_000);
    }

    proptest! {
        #[test]
        fn leads_from_old_to_new(old in prop::collection::vec(0..4, 0..12),
                                 new in prop::collection::vec(0..4, 0..12)) {
            let (mut from, mut to) = (Vec::new(), Vec::new());
            for step in difference(&old, &new) {
                match step {
                    Step::Kept(i, j) => {
                        prop_assert_eq!(old[i], new[j]);
                        from.push(i);
                        to.push(j);
                    }
                    Step::Removed(i) => from.push(i),
                    Step::Added(j) => to.push(j),
                }
            }
            prop_assert_eq!(from, (0..old.len()).collect::<Vec<_>>());
            prop_assert_eq!(to, (0..new.len()).collect::<Vec<_>>());
        }
    }
}
