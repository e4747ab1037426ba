//! The kernel's list of kprobes.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Owner, Place};

/// A kprobe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kprobe {
    /// Where a function returns.
    pub returns: bool,
    /// The function, as far as it has a name.
    pub function: String,
    /// Its module, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Bytes from the function's start.
    pub offset: u64,
    /// What the kernel says of it: `DISABLED`, `OPTIMIZED`, `FTRACE`, `GONE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Who may have attached it: those with a probe at this place.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub owners: BTreeSet<Owner>,
}

impl Kprobe {
    /// Reads `ADDRESS k ip_rcv+0x4  nf_tables [DISABLED][FTRACE]`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (_, kind, place) = (words.next()?, words.next()?, words.next()?);
        let (function, offset) = place.rsplit_once("+0x")?;
        let mut probe = Self {
            returns: kind == "r",
            function: function.to_owned(),
            module: None,
            offset: u64::from_str_radix(offset, 16).ok()?,
            flags: Vec::new(),
            owners: BTreeSet::new(),
        };
        for word in words {
            match word.strip_prefix('[') {
                Some(flags) => probe.flags.extend(
                    flags.split(['[', ']']).filter(|flag| !flag.is_empty()).map(str::to_owned),
                ),
                None => probe.module = Some(word.to_owned()),
            }
        }
        Some(probe)
    }

    /// Whether it is at a function's entry. The kernel moves such a probe behind a
    /// landing pad.
    pub fn at_entry(&self) -> bool {
        self.offset == 0 || self.flags.iter().any(|flag| flag == "FTRACE")
    }

    /// Whether it is there, but switched off.
    pub(super) fn disabled(&self) -> bool {
        self.flags.iter().any(|flag| flag == "DISABLED")
    }

    /// Whether a program's place is this one.
    pub(super) fn is_of(&self, place: &Place) -> bool {
        let Place::Kprobe { function, module, offset, returns, .. } = place else { return false };
        *function == self.function
            && *module == self.module
            && *returns == self.returns
            && (*offset == self.offset || *offset <= self.offset && self.at_entry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let parse = |line| Kprobe::parse(line).unwrap();
        let entry = parse("ffffffffc02f60f4  k  nft_do_chain+0x4  nf_tables [DISABLED][FTRACE]");
        assert_eq!((entry.function.as_str(), entry.offset), ("nft_do_chain", 4));
        assert_eq!(entry.module.as_deref(), Some("nf_tables"));
        assert_eq!(entry.flags, ["DISABLED", "FTRACE"]);
        let place = |offset| Place::Kprobe {
            function: "nft_do_chain".into(),
            module: Some("nf_tables".into()),
            offset,
            returns: false,
        };
        assert!(entry.is_of(&place(0)) && entry.is_of(&place(4)) && !entry.is_of(&place(8)));
        let inside = parse("ffffffff94766e90  r  ip_rcv+0x1f    [OPTIMIZED]");
        assert!(inside.returns && inside.module.is_none() && !inside.at_entry());
        assert_eq!(Kprobe::parse("ffff  k  "), None);
    }
}
