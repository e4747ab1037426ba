//! How far a rule was evaluated: each expression's result.

use super::rule::Rule;
use crate::netlink::Verdict;
use crate::netlink::expr::{Expr, Kind, Register};

/// How the evaluation of a rule ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every expression matched, and none gave a verdict.
    Matched,
    /// That expression did not match.
    Failed(usize),
    /// The rule gave this verdict (`regs.verdict.code`).
    Verdict(i32),
}

/// What an expression did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It left this code.
    Code(i32),
    /// It was not evaluated.
    NotReached,
    /// Several expressions of the rule can have given the verdict.
    Unknown,
}

/// One expression and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluated<'a> {
    /// The kernel's name of the expression's type.
    pub name: &'a str,
    /// Its result.
    pub outcome: Outcome,
}

/// `NFT_CONTINUE`
const CONTINUE: i32 = -1;
/// `NFT_BREAK`
const BREAK: i32 = -2;

/// The results of a rule's expressions, in order. The kernel goes on with the
/// next expression as long as each leaves `NFT_CONTINUE`.
pub fn evaluated(rule: &Rule, end: End) -> Vec<Evaluated<'_>> {
    let all = &rule.expressions;
    let (sure, last, code) = match end {
        End::Matched => (all.len(), all.len(), CONTINUE),
        End::Failed(index) => (index, index, BREAK),
        End::Verdict(code) => {
            let gives = |expr: &Expr| may_give(&expr.kind, code);
            let first = all.iter().position(gives).unwrap_or(all.len());
            // A fixed verdict is the last thing of a rule that is evaluated.
            let fixed = all.iter().position(|expr| expr.kind.verdict().is_some());
            let end = fixed.map_or(all.len(), |at| at + 1);
            let last = all[..end].iter().rposition(gives).unwrap_or(first);
            (first, last, code)
        }
    };
    all.iter()
        .enumerate()
        .map(|(at, expr)| {
            let outcome = if at < sure {
                Outcome::Code(CONTINUE)
            } else if at > last {
                Outcome::NotReached
            } else if sure == last {
                Outcome::Code(code)
            } else {
                Outcome::Unknown
            };
            Evaluated { name: &expr.name, outcome }
        })
        .collect()
}

/// Whether an expression can give this verdict.
fn may_give(kind: &Kind, code: i32) -> bool {
    match kind {
        Kind::Immediate(..) => kind.verdict().is_some_and(|verdict| same(verdict, code)),
        Kind::Lookup { to, .. } => *to == Some(Register::VERDICT),
        Kind::Reject { .. }
        | Kind::Queue(_)
        | Kind::Nat { .. }
        | Kind::Masq(_)
        | Kind::Redir(_)
        | Kind::Tproxy { .. }
        | Kind::Synproxy { .. }
        | Kind::Fwd { .. }
        | Kind::Match(..)
        | Kind::Target(..)
        // Errors end the packet.
        | Kind::Fib { .. }
        | Kind::CtSet { .. }
        | Kind::Connlimit { .. }
        | Kind::ExthdrSet { .. }
        | Kind::Objref { .. }
        | Kind::ObjrefMap { .. }
        | Kind::Dynset(_)
        | Kind::Other => true,
        _ => false,
    }
}

fn same(verdict: &Verdict, code: i32) -> bool {
    match verdict {
        // The register holds the code alone, the chain beside it.
        Verdict::Other(other) => *other == code,
        verdict => verdict.code() == code,
    }
}

/// The kernel's name of a verdict code: `NFT_*` for the negative ones, else
/// `NF_*` by the lower byte.
pub fn code_name(code: i32) -> Option<&'static str> {
    Some(match code {
        -1 => "NFT_CONTINUE",
        -2 => "NFT_BREAK",
        -3 => "NFT_JUMP",
        -4 => "NFT_GOTO",
        -5 => "NFT_RETURN",
        ..0 => return None,
        _ => match code & 0xff {
            0 => "NF_DROP",
            1 => "NF_ACCEPT",
            2 => "NF_STOLEN",
            3 => "NF_QUEUE",
            4 => "NF_REPEAT",
            _ => return None,
        },
    })
}

/// Which expression begins `offset` bytes behind a rule's first one, if the
/// expressions have these sizes (`struct nft_expr_ops`, `size`, header
/// included).
pub fn expression_index(offset: usize, sizes: &[u32]) -> Option<usize> {
    let mut at = 0usize;
    for (index, size) in sizes.iter().enumerate() {
        if at == offset {
            return Some(index);
        }
        // A size of 0 would never end.
        at = at.checked_add(*size as usize).filter(|next| *next > at && *next <= offset)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_an_expression_or_nothing() {
        let sizes = [16, 16, 24, 8];
        let index = |offset| expression_index(offset, &sizes);
        assert_eq!(
            (index(0), index(16), index(32), index(56)),
            (Some(0), Some(1), Some(2), Some(3))
        );
        assert_eq!((index(8), index(64), index(17), index(usize::MAX)), (None, None, None, None));
        assert_eq!(expression_index(0, &[]), None);
        assert_eq!(expression_index(8, &[0, 8]), None);
    }

    #[test]
    fn codes_have_the_kernels_names() {
        assert_eq!(code_name(-2), Some("NFT_BREAK"));
        assert_eq!(code_name(0x0007_8003), Some("NF_QUEUE"));
        assert_eq!(code_name(0x0001_0002), Some("NF_STOLEN"));
        assert_eq!((code_name(-6), code_name(9), code_name(i32::MIN)), (None, None, None));
    }
}
