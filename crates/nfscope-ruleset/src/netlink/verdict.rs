//! Verdicts (`NFTA_VERDICT_*`): what a rule says shall happen to a packet.

use super::attr::{AttributeWriter, Attributes};
use super::constants::{NFTA_VERDICT_CHAIN, NFTA_VERDICT_CODE};

/// A verdict. Numbers: `include/uapi/linux/netfilter.h` (0 to 4, in the lower
/// byte) and `enum nft_verdicts` (negative).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// `NF_DROP`
    Drop,
    /// `NF_ACCEPT`
    Accept,
    /// `NF_STOLEN`: somebody took the packet over.
    Stolen,
    /// `NF_QUEUE`, with the queue's number.
    Queue(u16),
    /// `NFT_CONTINUE`: go on with the next rule.
    Continue,
    /// `NFT_BREAK`: the rule does not match.
    Break,
    /// `NFT_JUMP` to a chain, to come back.
    Jump(String),
    /// `NFT_GOTO` a chain, not to come back.
    Goto(String),
    /// `NFT_RETURN`
    Return,
    /// Any other number.
    Other(i32),
}

impl Verdict {
    /// From the kernel's number and, for jumps, the chain.
    pub fn new(code: i32, chain: Option<String>) -> Self {
        match (code, chain) {
            (-1, _) => Self::Continue,
            (-2, _) => Self::Break,
            (-3, Some(chain)) => Self::Jump(chain),
            (-4, Some(chain)) => Self::Goto(chain),
            (-5, _) => Self::Return,
            (0.., _) => match code & 0xff {
                0 => Self::Drop,
                1 => Self::Accept,
                2 => Self::Stolen,
                3 => Self::Queue((code >> 16) as u16),
                _ => Self::Other(code),
            },
            _ => Self::Other(code),
        }
    }

    /// Reads the inside of a verdict attribute.
    pub(crate) fn read(attributes: Attributes<'_>) -> Option<Self> {
        let code = attributes.get(NFTA_VERDICT_CODE)?.u32()?;
        Some(Self::new(code as i32, attributes.get(NFTA_VERDICT_CHAIN).map(|a| a.string())))
    }

    /// The kernel's number.
    pub fn code(&self) -> i32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Stolen => 2,
            Self::Queue(number) => 3 | i32::from(*number) << 16,
            Self::Continue => -1,
            Self::Break => -2,
            Self::Jump(_) => -3,
            Self::Goto(_) => -4,
            Self::Return => -5,
            Self::Other(code) => *code,
        }
    }

    pub(crate) fn write(&self, w: &mut AttributeWriter<'_>) {
        w.u32(NFTA_VERDICT_CODE, self.code() as u32);
        if let Self::Jump(chain) | Self::Goto(chain) = self {
            w.string(NFTA_VERDICT_CHAIN, chain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_way_there_and_back() {
        for code in -5..4 {
            assert_eq!(Verdict::new(code, Some("c".into())).code(), code);
        }
        assert_eq!(Verdict::new(0x0007_0003, None), Verdict::Queue(7));
        assert_eq!(Verdict::new(0x0001_0002, None), Verdict::Stolen);
        assert_eq!(Verdict::new(-3, None), Verdict::Other(-3));
        assert_eq!(Verdict::new(i32::MIN, None), Verdict::Other(i32::MIN));
    }
}
