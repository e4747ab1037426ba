//! What two witnesses tell of a packet's way, and whether it is the same.
//!
//! What a rule sends in answer may have its packet's addresses. Which of the two
//! comes to its next chain first is for the scheduler to say, so an order holds
//! within one packet (`struct sk_buff`) alone.

use nfscope_event::Family;
use std::fmt;

/// A decision and where it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Of the table.
    pub family: Family,
    /// The table.
    pub table: String,
    /// The chain, where both witnesses tell it.
    pub chain: String,
    /// What was decided.
    pub what: What,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A rule's handle, its verdict, where it leads.
    Rule(u64, &'static str, Option<String>),
    /// A chain's end.
    End,
    /// A policy's verdict.
    Policy(&'static str),
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {:?}", self.family, self.table, self.chain, self.what)
    }
}

/// A decision as a witness tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The witness's number for the packet; the kernel's is another one after a
    /// packet was received.
    pub packet: u64,
    /// Its number for the passage through a base chain; 0: it has none.
    pub passage: u32,
    /// The decision.
    pub decision: Decision,
}

/// Whether both tell the same decisions, those of each packet in the same order.
pub fn same(expected: &[Told], seen: &[Told]) -> bool {
    let decisions = |all: &[Told]| all.iter().map(|told| told.decision.clone()).collect::<Vec<_>>();
    let mut rest = decisions(seen);
    let all_there = decisions(expected).iter().all(|decision| {
        let at = rest.iter().position(|other| other == decision);
        at.map(|at| rest.swap_remove(at)).is_some()
    });
    let packet = |told: &Told| (told.packet, 0);
    let passage = |told: &Told| (told.packet, told.passage);
    all_there
        && rest.is_empty()
        && each_within(&groups(expected, packet), &groups(seen, packet))
        && each_within(&groups(seen, passage), &groups(expected, packet))
}

/// The decisions of each group, in order.
fn groups(all: &[Told], group: impl Fn(&Told) -> (u64, u32)) -> Vec<Vec<&Decision>> {
    let mut numbers: Vec<(u64, u32)> = Vec::new();
    let mut out: Vec<Vec<&Decision>> = Vec::new();
    for told in all {
        let number = group(told);
        let at = numbers.iter().position(|known| *known == number).unwrap_or_else(|| {
            numbers.push(number);
            out.push(Vec::new());
            out.len() - 1
        });
        out[at].push(&told.decision);
    }
    out
}

/// Whether each of `parts` is, in its order, in one of `wholes`.
fn each_within(parts: &[Vec<&Decision>], wholes: &[Vec<&Decision>]) -> bool {
    let within = |part: &[&Decision], whole: &[&Decision]| {
        let mut whole = whole.iter();
        part.iter().all(|decision| whole.any(|other| other == decision))
    };
    parts.iter().all(|part| wholes.iter().any(|whole| within(part, whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(u64, u32, u64)]) -> Vec<Told> {
        let one = |(packet, passage, handle): &(u64, u32, u64)| Told {
            packet: *packet,
            passage: *passage,
            decision: Decision {
                family: Family::Ip,
                table: "filter".into(),
                chain: "output".into(),
                what: What::Rule(*handle, "accept", None),
            },
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn packets_may_overtake_each_other_and_decisions_may_not() {
        let expected = told(&[(1, 0, 5), (2, 0, 6), (1, 0, 7), (3, 0, 8)]);
        // the second packet is received (the kernel's third) before the first is dropped
        assert!(same(&expected, &told(&[(9, 1, 5), (4, 1, 6), (4, 2, 8), (9, 1, 7)])));
        assert!(!same(&expected, &told(&[(9, 1, 7), (4, 1, 6), (4, 2, 8), (9, 1, 5)])));
        assert!(!same(&expected, &told(&[(9, 1, 5), (4, 1, 6), (9, 1, 7)])));
        assert!(!same(&expected, &told(&[(9, 1, 5), (4, 1, 6), (4, 2, 8), (9, 1, 7), (9, 1, 7)])));
        // of another packet
        assert!(!same(&told(&[(1, 0, 5), (2, 0, 6)]), &told(&[(1, 1, 5), (1, 1, 6)])));
    }
}
