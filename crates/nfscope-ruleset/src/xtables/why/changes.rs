//! What targets may have changed of a packet since it entered the table.

/// A set of things that may be different now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes(u8);

impl Changes {
    /// `skb->mark`
    pub const MARK: Self = Self(1);
    /// The connection and its state.
    pub const CONNECTION: Self = Self(2);
    /// Life time, type of service, TCP's flags and options, length.
    pub const FIELDS: Self = Self(4);
    /// Addresses, protocol, ports, types.
    pub const ADDRESSES: Self = Self(8);
    const ALL: Self = Self(15);

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What a target of this name changes of a packet that goes on in the same
    /// table; everything where that is not known.
    pub fn by(target: &str) -> Self {
        match target {
            // no function: a rule without a target, or a chain
            "" | "LOG" | "NFLOG" | "AUDIT" | "TRACE" | "CLASSIFY" | "SECMARK" | "CONNSECMARK"
            | "RATEEST" | "IDLETIMER" | "LED" | "TEE" | "CHECKSUM" => Self(0),
            "MARK" | "CONNMARK" | "HMARK" | "SET" => Self::MARK,
            "CT" | "NOTRACK" => Self::CONNECTION,
            "TTL" | "HL" | "TOS" | "DSCP" | "ECN" | "TCPMSS" | "TCPOPTSTRIP" => Self::FIELDS,
            _ => Self::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_targets_change_everything() {
        assert!(Changes::by("NETMAPX").contains(Changes::ADDRESSES));
        let both = Changes::by("MARK").and(Changes::by("TTL"));
        assert!(both.contains(Changes::MARK) && both.contains(Changes::FIELDS));
        assert!(!both.contains(Changes::ADDRESSES) && !both.contains(Changes::CONNECTION));
        assert_eq!(Changes::by("LOG"), Changes::default());
    }
}
