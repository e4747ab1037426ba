//! What is asked for, as it is written.

use std::ops::Range;

/// Bytes of the text.
pub type Span = Range<usize>;

/// An expression and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An argument, a field of a tracepoint, `ret`, `pid`, or a constant's name.
    Name(String),
    /// `@rdi`
    Register(String),
    /// `12`, `0x0c`, `10.0.0.1`, `2ms`
    Number(i128),
    /// `"eth0"`
    Text(String),
    /// `a.b`, `a->b`
    Member(Box<Expr>, String),
    /// `a[2]`
    Index(Box<Expr>, u32),
    /// `a[2..4]`
    Slice(Box<Expr>, u32, u32),
    /// `*a`
    Deref(Box<Expr>),
    /// `&a`
    Address(Box<Expr>),
    /// `(struct sock *)a`
    Cast(TypeName, Box<Expr>),
    /// `container_of(a, struct tcp_sock, inet_conn)`
    Container(Box<Expr>, TypeName, Vec<String>),
    /// `!a`
    Not(Box<Expr>),
    /// `a == b`, `a && b`, `a & b`
    Binary(Operator, Box<Expr>, Box<Expr>),
}

/// What stands between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`, `!=`, `<` and so on.
    Compare(Comparison),
    /// `&`
    Mask,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The same with its sides exchanged.
    pub fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// Whether it asks which side is greater.
    pub fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// The name of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// What it is called.
    pub base: BaseName,
    /// How many `*` stand behind.
    pub stars: u32,
    /// Where it stands.
    pub span: Span,
}

/// The name of a type without its stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseName {
    /// `void`
    Void,
    /// `struct X`, `union X`, `enum X`
    Tagged(Tag, String),
    /// A number of C.
    Number {
        /// Bytes.
        size: u32,
        /// It may be negative.
        signed: bool,
        /// What it stands for.
        kind: NumberKind,
    },
    /// A typedef.
    Named(String),
}

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// Itself.
    Plain,
    /// A character of a text: C's `char`, not `u8`.
    Char,
    /// `bool`
    Bool,
    /// It is a register, of which nobody knows what type it has.
    Unknown,
}

pub use nfscope_kernel::btf::Tag;

/// How a field is to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// `:str`, `:str[64]`: text in the kernel's memory.
    Text(Option<u32>),
    /// `:user`: text in the process's memory.
    User(Option<u32>),
    /// `:hex`
    Hex,
    /// `:ip`
    Ip,
    /// `:ip6`
    Ip6,
    /// `:mac`
    Mac,
    /// `:port`
    Port,
    /// `:enum`, `:enum[nf_inet_hooks]`
    Enum(Option<String>),
    /// `:bytes[16]`
    Bytes(u32),
    /// `:tuple`
    Tuple,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What.
    pub expr: Expr,
    /// How, and where that stands.
    pub format: Option<(Format, Span)>,
    /// As it is written, without the format.
    pub label: String,
}

/// All that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// What is printed.
    pub fields: Vec<Field>,
    /// Of which events.
    pub condition: Option<Expr>,
}
