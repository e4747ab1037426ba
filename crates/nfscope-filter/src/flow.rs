//! Which operations of a program can run, and what follows each.
//!
//! Jumps are followed to their ends and "return 0" is one place for all, so that
//! what is translated later has no jump to a jump and no unreachable instruction,
//! which verifiers refuse.

use crate::classic::{Op, bad};
use crate::error::FilterError;

/// Where the program goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this operation, always a later one.
    Op(usize),
    /// The packet does not match.
    Reject,
}

/// What follows an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The program ends there.
    Nothing,
    One(Next),
    Two {
        yes: Next,
        no: Next,
    },
}

impl Follow {
    /// The places that follow, at most two.
    pub fn places(self) -> impl Iterator<Item = Next> {
        let (a, b) = match self {
            Follow::Nothing => (None, None),
            Follow::One(next) => (Some(next), None),
            Follow::Two { yes, no } => (Some(yes), Some(no)),
        };
        a.into_iter().chain(b)
    }
}

/// The shape of a program.
pub(crate) struct Flow {
    /// Where it starts.
    pub start: Next,
    /// Indices of the operations that can run, rising, without jumps and "return 0".
    pub order: Vec<usize>,
    follow: Vec<Follow>,
}

impl Flow {
    /// Refuses a program with jumps backwards ([`unroll`](crate::loops::unroll) it before).
    pub fn of(ops: &[Op]) -> Result<Self, FilterError> {
        let mut follow = vec![Follow::Nothing; ops.len()];
        let mut runs = vec![false; ops.len()];
        let start = resolve(ops, 0)?;
        if let Next::Op(first) = start {
            runs[first] = true;
        }
        // Everything that follows has a greater index: one pass is enough.
        for at in 0..ops.len() {
            if !runs[at] {
                continue;
            }
            follow[at] = match ops[at] {
                Op::ReturnConstant(_) | Op::ReturnA => Follow::Nothing,
                Op::Branch { yes, no, .. } => {
                    let (yes, no) = (resolve(ops, yes)?, resolve(ops, no)?);
                    if yes == no { Follow::One(yes) } else { Follow::Two { yes, no } }
                }
                _ => Follow::One(resolve(ops, at + 1)?),
            };
            for next in follow[at].places() {
                if let Next::Op(to) = next {
                    runs[to] = true;
                }
            }
        }
        let order = (0..ops.len()).filter(|at| runs[*at]).collect();
        Ok(Self { start, order, follow })
    }

    /// What follows the operation at `at`.
    pub fn follow(&self, at: usize) -> Follow {
        self.follow[at]
    }
}

fn resolve(ops: &[Op], mut to: usize) -> Result<Next, FilterError> {
    while let Op::Jump(further) = ops[to] {
        if further <= to {
            return Err(bad(to, "it jumps backwards"));
        }
        to = further;
    }
    Ok(match ops[to] {
        Op::ReturnConstant(0) => Next::Reject,
        _ => Next::Op(to),
    })
}
