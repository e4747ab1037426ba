//! A filter as plain comparisons, for a machine that can do no more: nftables
//! rules that mark packets.

use std::collections::HashMap;

use crate::classic::{Arithmetic, Condition, Op, Source};

/// Where the Ethernet type and the network header stand in the frame.
const ETHER_TYPE: u32 = 12;
const NETWORK: u32 = 14;
/// More comparisons than this are not worth their rules.
const MOST: usize = 128;

/// What a comparison looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The Ethernet type, two bytes.
    Protocol,
    /// Bytes at this offset from the network header.
    Network(u32),
    /// Bytes at this offset from the transport header.
    Transport(u32),
}

/// How the bytes, as a number in network order, are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// Any bit of the operand is set.
    AnyBit,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The packet may match.
    Match,
    /// It does not.
    NoMatch,
    /// Another comparison decides, by its index.
    Decide(usize),
}

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Where.
    pub place: Place,
    /// How many bytes: 1, 2 or 4.
    pub bytes: u32,
    /// Only these bits.
    pub mask: u32,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub operand: u32,
    /// What follows if it is so.
    pub yes: Outcome,
    /// What follows if not.
    pub no: Outcome,
}

/// A filter as comparisons without loops. A packet that the filter takes always
/// comes to [`Outcome::Match`]; so may another, where the filter does what
/// plain comparisons cannot (arithmetic, link addresses, lengths).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    /// Where to begin.
    pub start: Outcome,
    /// The comparisons. Each leads to ones of lower index.
    pub list: Vec<Decision>,
    /// No other packet comes to [`Outcome::Match`].
    pub exact: bool,
}

impl Decisions {
    /// The most comparisons that one packet may meet.
    pub fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.list.len());
        for decision in &self.list {
            let of = |outcome| match outcome {
                Outcome::Decide(index) => depths.get(index).copied().unwrap_or(0),
                Outcome::Match | Outcome::NoMatch => 0,
            };
            depths.push(1 + of(decision.yes).max(of(decision.no)));
        }
        match self.start {
            Outcome::Decide(index) => depths.get(index).copied().unwrap_or(0),
            Outcome::Match | Outcome::NoMatch => 0,
        }
    }
}

/// What is in A: some bytes of the packet, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Accumulator {
    Bytes { place: Place, bytes: u32, mask: u32 },
    Other,
}

/// What is in X.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Index {
    /// The length of the IPv4 header.
    HeaderLength,
    Other,
}

type State = (usize, Accumulator, Index);

struct Walk<'a> {
    ops: &'a [Op],
    known: HashMap<State, Outcome>,
    list: Vec<Decision>,
    exact: bool,
}

/// The comparisons of a program whose jumps all go forwards.
pub(crate) fn decisions(ops: &[Op]) -> Decisions {
    let mut walk = Walk { ops, known: HashMap::new(), list: Vec::new(), exact: true };
    let start = walk.outcome((0, Accumulator::Other, Index::Other));
    match start {
        Some(start) => Decisions { start, list: walk.list, exact: walk.exact },
        None => Decisions { start: Outcome::Match, list: Vec::new(), exact: false },
    }
}

impl Walk<'_> {
    /// Comparisons cannot tell.
    fn may(&mut self) -> Outcome {
        self.exact = false;
        Outcome::Match
    }

    /// None: there are too many comparisons.
    fn outcome(&mut self, state: State) -> Option<Outcome> {
        if let Some(known) = self.known.get(&state) {
            return Some(*known);
        }
        let (mut at, mut a, mut x) = state;
        let outcome = loop {
            let Some(op) = self.ops.get(at) else { break self.may() };
            at += 1;
            match *op {
                Op::LoadAbsolute { bytes, k } => a = absolute(bytes, k),
                Op::LoadIndirect { bytes, k } => a = indirect(bytes, k, x),
                Op::LoadConstant(_) | Op::LoadMemory(_) | Op::LoadLength | Op::XToA => {
                    a = Accumulator::Other;
                }
                Op::IndexHeaderLength { k: NETWORK } => x = Index::HeaderLength,
                Op::IndexConstant(_)
                | Op::IndexMemory(_)
                | Op::IndexLength
                | Op::IndexHeaderLength { .. }
                | Op::AToX => x = Index::Other,
                Op::StoreA(_) | Op::StoreX(_) => {}
                Op::Arithmetic(Arithmetic::And, Source::K(k)) => a = masked(a, k),
                Op::Arithmetic(..) | Op::Negate => a = Accumulator::Other,
                Op::Jump(to) => at = to,
                Op::ReturnConstant(0) => break Outcome::NoMatch,
                Op::ReturnConstant(_) => break Outcome::Match,
                Op::ReturnA => break self.may(),
                Op::Branch { condition, source, yes, no } => {
                    let (Accumulator::Bytes { place, bytes, mask }, Source::K(operand)) =
                        (a, source)
                    else {
                        break self.may();
                    };
                    let comparison = match condition {
                        Condition::Equal => Comparison::Equal,
                        Condition::Greater => Comparison::Greater,
                        Condition::GreaterOrEqual => Comparison::GreaterOrEqual,
                        Condition::AnyBit => Comparison::AnyBit,
                    };
                    let yes = self.outcome((yes, a, x))?;
                    let no = self.outcome((no, a, x))?;
                    if yes == no {
                        break yes;
                    }
                    if self.list.len() == MOST {
                        return None;
                    }
                    self.list.push(Decision { place, bytes, mask, comparison, operand, yes, no });
                    break Outcome::Decide(self.list.len() - 1);
                }
            }
        };
        self.known.insert(state, outcome);
        Some(outcome)
    }
}

fn absolute(bytes: u32, k: u32) -> Accumulator {
    let place = match k {
        ETHER_TYPE if bytes == 2 => Place::Protocol,
        NETWORK.. => Place::Network(k - NETWORK),
        _ => return Accumulator::Other,
    };
    Accumulator::Bytes { place, bytes, mask: u32::MAX }
}

fn indirect(bytes: u32, k: u32, x: Index) -> Accumulator {
    match (x, k.checked_sub(NETWORK)) {
        (Index::HeaderLength, Some(offset)) => {
            Accumulator::Bytes { place: Place::Transport(offset), bytes, mask: u32::MAX }
        }
        _ => Accumulator::Other,
    }
}

fn masked(a: Accumulator, k: u32) -> Accumulator {
    match a {
        Accumulator::Bytes { place, bytes, mask } => {
            Accumulator::Bytes { place, bytes, mask: mask & k }
        }
        Accumulator::Other => Accumulator::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile;

    fn of(expression: &str) -> Decisions {
        compile(expression).unwrap().decisions
    }

    /// Follows a frame as the rules would.
    fn takes(decisions: &Decisions, frame: &[u8]) -> bool {
        let mut outcome = decisions.start;
        loop {
            let index = match outcome {
                Outcome::Match => return true,
                Outcome::NoMatch => return false,
                Outcome::Decide(index) => index,
            };
            let d = decisions.list[index];
            let transport = 14 + usize::from(frame[14] & 15) * 4;
            let at = match d.place {
                Place::Protocol => 12,
                Place::Network(offset) => 14 + offset as usize,
                Place::Transport(offset) => transport + offset as usize,
            };
            let bytes = frame.get(at..at + d.bytes as usize);
            let value =
                bytes.map(|b| b.iter().fold(0, |v, byte| v << 8 | u32::from(*byte)) & d.mask);
            let holds = value.is_some_and(|value| match d.comparison {
                Comparison::Equal => value == d.operand,
                Comparison::Greater => value > d.operand,
                Comparison::GreaterOrEqual => value >= d.operand,
                Comparison::AnyBit => value & d.operand != 0,
            });
            outcome = if holds { d.yes } else { d.no };
        }
    }

    fn udp(source: u8, port: u16) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([
            8, 0, 0x46, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, source, 10, 0, 0, 9,
        ]);
        frame.extend([1, 1, 1, 1, 0x30, 0x39]);
        frame.extend(port.to_be_bytes());
        frame.extend([0; 8]);
        frame
    }

    #[test]
    fn common_filters_are_exact() {
        for (expression, wanted) in [
            ("udp port 53", [true, false, false]),
            ("udp portrange 50-60", [true, false, true]),
            ("ip and not port 53", [false, true, true]),
            ("host 10.0.0.2 or port 60", [true, true, true]),
            ("src net 10.0.0.2/31 and udp", [true, true, false]),
            ("tcp", [false; 3]),
            ("ip6", [false; 3]),
            ("udp[2:2] & 0x20 != 0", [true, false, true]),
        ] {
            let decisions = of(expression);
            assert!(decisions.depth() <= 14, "{expression}: {}", decisions.depth());
            assert!(decisions.exact, "{expression}");
            let frames = [udp(2, 53), udp(2, 80), udp(4, 60)];
            assert_eq!(frames.map(|frame| takes(&decisions, &frame)), wanted, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_said_may_match() {
        assert_eq!(of("ether host 1:2:3:4:5:6").start, Outcome::Match);
        assert_eq!(of("less 100").start, Outcome::Match);
        assert!(!of("less 100").exact && !of("tcp and ip[2:2] * 2 = 80").exact && of("").exact);
        assert!(takes(&of("udp and ip[2:2] * 2 = 80"), &udp(2, 53)));
        assert!(!takes(&of("tcp and ip[2:2] * 2 = 80"), &udp(2, 53)));
        assert_eq!(of("").start, Outcome::Match);
    }
}
