//! The expressions of one rule in full, as plain values.
//!
//! [`super::Expression`] holds just enough to say how a rule can end a
//! packet, for every rule of a ruleset. An [`Expr`] holds everything that is
//! needed to say why a rule did not match, and is read for single rules.

mod decode;
mod kind;
mod kinds;

pub use kind::Kind;
pub use kinds::{
    Bitwise, Comparison, Data, Direction, Dynset, ExthdrKind, Limit, Numgen, Payload, Unit,
};

/// A register: where it begins in the kernel's `struct nft_regs`, in bytes.
///
/// The verdict comes first (16 bytes), then 16 registers of 4 bytes, which
/// user space also names as four of 16 bytes (`nft_parse_register`,
/// `net/netfilter/nf_tables_api.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(u8);

/// Size of `struct nft_regs` in bytes.
pub const REGISTERS_SIZE: usize = 80;

impl Register {
    /// The verdict's.
    pub const VERDICT: Self = Self(0);

    /// From the number that user space and the kernel tell each other
    /// (`enum nft_registers`).
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            // NFT_REG_VERDICT, and NFT_REG_1 to NFT_REG_4 of 16 bytes each.
            0..=4 => Some(Self(number as u8 * 16)),
            // NFT_REG32_00 to NFT_REG32_15, 4 bytes each.
            8..=23 => Some(Self((number as u8 - 8) * 4 + 16)),
            _ => None,
        }
    }

    /// Bytes from the start of `struct nft_regs`.
    pub fn offset(self) -> usize {
        usize::from(self.0)
    }
}

/// One expression of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// The kernel's name of its type (`struct nft_expr_type`, `name`): `cmp`,
    /// `payload`, `match`. Inlined variants have the name of their type.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

pub(crate) use decode::read;

#[cfg(test)]
mod tests;
