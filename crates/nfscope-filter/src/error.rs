//! What can go wrong between an expression and a patched BPF object.

use std::fmt;
use std::ops::Range;

/// Why a filter expression cannot be used. Each message is a whole one for the
/// user: shown after the program's name, as in `nfscope: bad filter: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// libpcap refused the expression.
    #[error("bad filter: {0}")]
    Expression(Diagnostic),
    /// A fixed load ends behind the last byte that is ever captured.
    #[error(
        "bad filter: it looks at byte {offset} of the frame, but only the first {limit} bytes of a packet are examined"
    )]
    TooFar {
        /// The last byte that the load touches, counted from the start of the frame.
        offset: u32,
        /// Bytes that can be examined ([`MAX_BYTES`](crate::MAX_BYTES)).
        limit: u32,
    },
    /// The expression asks for something that is not part of the packet, such as
    /// its direction.
    #[error(
        "bad filter: it asks for {what}, which is not in the packet; leave it out and use the program's own options instead"
    )]
    NotInPacket {
        /// What the classic BPF extension stands for.
        what: &'static str,
    },
    /// libpcap produced code that is not classic BPF as documented in bpf(4).
    #[error(
        "bad filter: libpcap produced an instruction that nfscope cannot translate (number {at}: {why}); please report it together with the expression"
    )]
    Untranslatable {
        /// Index of the instruction.
        at: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A jump of the translated program does not fit into an instruction.
    #[error(
        "bad filter: it is too long ({insns} BPF instructions); shorten it, for example by naming networks instead of hosts"
    )]
    TooLong {
        /// Number of eBPF instructions.
        insns: usize,
    },
    /// libpcap could not allocate its handle.
    #[error("cannot start libpcap: out of memory")]
    NoHandle,
}

/// libpcap's message about an expression, with the place where that is known.
///
/// [`Display`](fmt::Display) gives the message and, below it, the expression
/// with carets under the offending part. Control characters of the expression
/// are shown as `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// libpcap's message without its "can't parse filter expression: ".
    pub message: String,
    /// The expression as it was given.
    pub expression: String,
    /// Byte range of the offending part. Empty at the expression's end when
    /// something is missing there; `None` when the place is not known.
    pub span: Option<Range<usize>>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |text: &str| -> String {
            text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
        };
        write!(f, "{}", printable(&self.message))?;
        if self.expression.is_empty() {
            return Ok(());
        }
        write!(f, "\n  {}", printable(&self.expression))?;
        let Some(span) = &self.span else {
            return Ok(());
        };
        let before = self.expression.get(..span.start).unwrap_or_default();
        let marked = self.expression.get(span.clone()).unwrap_or_default();
        write!(
            f,
            "\n  {}{}",
            " ".repeat(before.chars().count()),
            "^".repeat(marked.chars().count().max(1))
        )
    }
}

/// Why a filter could not be put into a BPF object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The bytes are not a BPF object file that can be patched.
    #[error("cannot put the filter into the BPF object: {0}")]
    Object(String),
    /// No function of the given name is in the object.
    #[error("cannot put the filter into the BPF object: it has no function `{0}`")]
    NoStub(String),
    /// The stub has fewer instructions than the filter needs.
    #[error(
        "bad filter: it is too long: {needed} BPF instructions where {available} fit; shorten it, for example by naming networks instead of hosts"
    )]
    TooLong {
        /// Instructions that are needed, with the jump over the unused part.
        needed: usize,
        /// Instructions that the stub has.
        available: usize,
    },
}
