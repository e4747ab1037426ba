//! Unrolls the loops of `protochain`.
//!
//! `protochain` is the one primitive for which libpcap makes a loop: it follows
//! the chain of IPv6 extension headers (and authentication headers) with jumps
//! back to the loop's first operation. A verifier has to follow every turn of a
//! loop anyhow; the copies below make the program one without jumps backwards,
//! for which every other part of this crate is made. Where a chain is longer than
//! [`TURNS`] headers the packet does not match, as if it were truncated there.

use crate::classic::{Op, bad};
use crate::error::FilterError;

/// Headers of a chain that are followed. Common packets have none or one.
pub(crate) const TURNS: usize = 16;

/// One loop: operations `head..=tail`, left only forwards.
#[derive(Debug, Clone, Copy)]
struct Loop {
    head: usize,
    tail: usize,
}

/// The program with each loop replaced by [`TURNS`] copies of its body.
pub(crate) fn unroll(ops: Vec<Op>) -> Result<Vec<Op>, FilterError> {
    let loops = find(&ops)?;
    if loops.is_empty() {
        return Ok(ops);
    }
    // Where each operation's first copy will be.
    let mut first = Vec::with_capacity(ops.len());
    let mut length = 0;
    for at in 0..ops.len() {
        first.push(match loops.iter().find(|l| (l.head..=l.tail).contains(&at)) {
            None => {
                length += 1;
                length - 1
            }
            Some(l) if at == l.head => {
                length += TURNS * (l.tail - l.head + 1);
                length - TURNS * (l.tail - l.head + 1)
            }
            Some(l) => first[l.head] + (at - l.head),
        });
    }
    let give_up = length;
    let mut unrolled = vec![Op::ReturnConstant(0); length + 1];
    for (at, op) in ops.iter().enumerate() {
        let Some(l) = loops.iter().find(|l| (l.head..=l.tail).contains(&at)) else {
            unrolled[first[at]] = redirect(*op, |to| first[to]);
            continue;
        };
        let body = l.tail - l.head + 1;
        for turn in 0..TURNS {
            unrolled[first[at] + turn * body] = redirect(*op, |to| {
                if to > l.tail {
                    first[to]
                } else if to > at {
                    first[to] + turn * body
                } else if turn + 1 < TURNS {
                    first[to] + (turn + 1) * body
                } else {
                    give_up
                }
            });
        }
    }
    Ok(unrolled)
}

/// The program's loops in order. Refuses any that is not of the simple shape.
fn find(ops: &[Op]) -> Result<Vec<Loop>, FilterError> {
    let mut loops: Vec<Loop> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        let Op::Jump(head) = *op else { continue };
        if head > at {
            continue;
        }
        match loops.last_mut() {
            Some(last) if last.head == head => last.tail = at,
            Some(last) if head <= last.tail => return Err(bad(at, "its loops overlap")),
            _ => loops.push(Loop { head, tail: at }),
        }
    }
    for l in &loops {
        // The last operation jumps back, so nothing falls out of the loop.
        let enters_inside = ops.iter().enumerate().any(|(at, op)| {
            !(l.head..=l.tail).contains(&at)
                && targets(op).iter().flatten().any(|to| *to > l.head && *to <= l.tail)
        });
        if enters_inside {
            return Err(bad(l.head, "a loop has two entries"));
        }
    }
    Ok(loops)
}

fn targets(op: &Op) -> [Option<usize>; 2] {
    match *op {
        Op::Jump(to) => [Some(to), None],
        Op::Branch { yes, no, .. } => [Some(yes), Some(no)],
        _ => [None, None],
    }
}

fn redirect(op: Op, place: impl Fn(usize) -> usize) -> Op {
    match op {
        Op::Jump(to) => Op::Jump(place(to)),
        Op::Branch { condition, source, yes, no } => {
            Op::Branch { condition, source, yes: place(yes), no: place(no) }
        }
        other => other,
    }
}
