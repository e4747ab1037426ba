//! The parts of an [`super::Kind`].

use super::{Expr, Register};
use crate::netlink::verdict::Verdict;

/// How two values compare (`enum nft_cmp_ops`); bytes are compared in order,
/// as `memcmp` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
}

impl Comparison {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Equal,
            1 => Self::NotEqual,
            2 => Self::Less,
            3 => Self::LessEqual,
            4 => Self::Greater,
            5 => Self::GreaterEqual,
            _ => return None,
        })
    }

    /// As nft writes it between two values; nothing for equality.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "",
            Self::NotEqual => "!= ",
            Self::Less => "< ",
            Self::LessEqual => "<= ",
            Self::Greater => "> ",
            Self::GreaterEqual => ">= ",
        }
    }
}

/// A place in the packet, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// `enum nft_payload_bases`: 0 link header, 1 network, 2 transport, 3
    /// what is within the transport header, 4 a tunnel's header.
    pub base: u32,
    /// From there.
    pub offset: u32,
    /// How many.
    pub length: u32,
}

/// A direction of a connection (`enum ip_conntrack_dir`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// As the first packet went.
    Original,
    /// As the answers go.
    Reply,
}

/// What [`super::Kind::Exthdr`] looks at (`enum nft_exthdr_op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExthdrKind {
    /// An IPv6 extension header, by its protocol number.
    Ipv6,
    /// A TCP option.
    Tcp,
    /// An IPv4 option.
    Ipv4,
    /// An SCTP chunk.
    Sctp,
    /// A DCCP option.
    Dccp,
}

impl ExthdrKind {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Ipv6,
            1 => Self::Tcp,
            2 => Self::Ipv4,
            3 => Self::Sctp,
            4 => Self::Dccp,
            _ => return None,
        })
    }
}

/// A generated number: below `modulus`, plus `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numgen {
    /// At random, else counting up.
    pub random: bool,
    /// Exclusive.
    pub modulus: u32,
    /// What is added.
    pub offset: u32,
}

/// What is loaded by [`super::Kind::Immediate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Bytes.
    Value(Vec<u8>),
    /// A verdict.
    Verdict(Verdict),
}

/// Operations of [`super::Kind::Bitwise`] (`enum nft_bitwise_ops`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bitwise {
    /// `(value & mask) ^ xor`
    Mask {
        /// What is kept.
        mask: Vec<u8>,
        /// What is flipped then.
        xor: Vec<u8>,
    },
    /// Shift left by so many bits.
    Left(u32),
    /// Shift right by so many bits.
    Right(u32),
    /// `&` with a register.
    And(Register),
    /// `|` with a register.
    Or(Register),
    /// `^` with a register.
    Xor(Register),
}

/// A change of a set made by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dynset {
    /// The set.
    pub set: String,
    /// 0 add, 1 update, 2 delete (`enum nft_dynset_ops`).
    pub operation: u32,
    /// The key's register.
    pub key: Register,
    /// The register of the map's value.
    pub data: Option<Register>,
    /// The element's life in milliseconds.
    pub timeout: Option<u64>,
    /// It fails if it could be done.
    pub inverted: bool,
    /// Expressions that the element gets, and that are evaluated at once.
    pub expressions: Vec<Expr>,
}

/// What a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Packets.
    Packets,
    /// Bytes.
    Bytes,
}

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many.
    pub rate: u64,
    /// In so many seconds.
    pub seconds: u64,
    /// So many at once.
    pub burst: u32,
    /// Of what.
    pub unit: Unit,
    /// It fails up to the rate.
    pub over: bool,
}
