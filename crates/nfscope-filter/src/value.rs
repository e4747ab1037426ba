//! How large a number can be, for the analysis and for the kernel's verifier.

use crate::classic::Arithmetic;

/// What is known of a 32-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value {
    /// The largest that it can be.
    pub largest: u32,
    /// The largest that a verifier (`kernel/bpf/verifier.c`, 5.10 and later) will
    /// think possible: it forgets what was stored in memory or byte-swapped.
    /// Never less than the truth.
    pub for_verifier: u32,
    /// Whether it can come from the frame's Ethernet type.
    pub ethertype: bool,
}

impl Value {
    pub const fn exactly(k: u32) -> Self {
        Self::up_to(k)
    }

    pub const fn up_to(largest: u32) -> Self {
        Self { largest, for_verifier: largest, ethertype: false }
    }

    pub const fn any() -> Self {
        Self::up_to(u32::MAX)
    }

    /// A number of 1, 2 or 4 bytes read from the frame.
    pub const fn loaded(bytes: u32) -> Self {
        match bytes {
            1 => Self::up_to(0xff),
            2 => Self { largest: 0xffff, ..Self::any() },
            _ => Self::any(),
        }
    }

    /// The same after a way through the stack.
    pub const fn stored(self) -> Self {
        Self { for_verifier: u32::MAX, ..self }
    }

    /// Either of two.
    pub fn or(self, other: Self) -> Self {
        Self {
            largest: self.largest.max(other.largest),
            for_verifier: self.for_verifier.max(other.for_verifier),
            ethertype: self.ethertype || other.ethertype,
        }
    }

    /// The result of an operation; `constant` says that the operand is exactly its
    /// largest value.
    pub fn apply(self, operation: Arithmetic, operand: Self, constant: bool) -> Self {
        Self {
            largest: bound(operation, self.largest, operand.largest, constant),
            for_verifier: match operation {
                // What 5.10 follows precisely when nothing overflows.
                Arithmetic::Add | Arithmetic::And => {
                    bound(operation, self.for_verifier, operand.for_verifier, constant)
                }
                Arithmetic::Rsh if constant => {
                    bound(operation, self.for_verifier, operand.largest, constant)
                }
                Arithmetic::Mul | Arithmetic::Lsh
                    if constant && self.for_verifier <= 0xffff && operand.largest <= 0xff =>
                {
                    bound(operation, self.for_verifier, operand.largest, constant)
                }
                _ => u32::MAX,
            },
            ethertype: self.ethertype,
        }
    }
}

/// Largest result for operands from 0 to `a` and from 0 (or exactly) `b`.
fn bound(operation: Arithmetic, a: u32, b: u32, constant: bool) -> u32 {
    let all_bits = |n: u32| n.checked_ilog2().map_or(0, |top| u32::MAX >> (31 - top));
    let result = match operation {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Mul => a.checked_mul(b),
        Arithmetic::And => Some(a.min(b)),
        Arithmetic::Or | Arithmetic::Xor => Some(all_bits(a) | all_bits(b)),
        Arithmetic::Div if constant => Some(a.checked_div(b).unwrap_or(0)),
        Arithmetic::Div => Some(a),
        Arithmetic::Mod if b == 0 => Some(0),
        Arithmetic::Mod => Some(a.min(b - 1)),
        Arithmetic::Rsh if constant => Some(a.checked_shr(b).unwrap_or(0)),
        Arithmetic::Rsh => Some(a),
        Arithmetic::Lsh if constant && b < 32 => u32::try_from(u64::from(a) << b).ok(),
        Arithmetic::Lsh if constant => Some(0),
        Arithmetic::Lsh | Arithmetic::Sub => None,
    };
    result.unwrap_or(u32::MAX)
}
