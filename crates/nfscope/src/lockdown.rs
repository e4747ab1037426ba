//! Whether the kernel keeps its memory from root (`kernel_lockdown(7)`).

/// The mode (`enum lockdown_reason` in `include/linux/security.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockdown {
    /// It does not, or there is no such thing here.
    Off,
    /// It may be read but not changed.
    Integrity,
    /// It may not be read, not by BPF programs either
    /// (`LOCKDOWN_BPF_READ_KERNEL`).
    Confidentiality,
}

impl Lockdown {
    /// The running kernel's.
    pub fn read() -> Self {
        let text = std::fs::read_to_string("/sys/kernel/security/lockdown");
        Self::parse(&text.unwrap_or_default())
    }

    /// From `none [integrity] confidentiality`.
    fn parse(text: &str) -> Self {
        match text.split_whitespace().find_map(|word| word.strip_prefix('[')) {
            Some("integrity]") => Self::Integrity,
            Some("confidentiality]") => Self::Confidentiality,
            _ => Self::Off,
        }
    }

    /// An error where nothing can be seen.
    pub fn check() -> anyhow::Result<()> {
        let mode = Self::read();
        anyhow::ensure!(mode != Self::Confidentiality, "{}", mode.describe());
        Ok(())
    }

    /// What it means for nfscope.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Integrity => "integrity: the kernel's memory cannot be read as a file (kcore)",
            Self::Confidentiality => {
                "kernel lockdown is in mode confidentiality, which keeps BPF programs from reading \
                 packets and rules: boot with lockdown=integrity or none; a rule with \
                 `meta nftrace set 1` and `nft monitor trace` work as it is"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(Lockdown::parse("[none] integrity confidentiality\n"), Lockdown::Off);
        assert_eq!(Lockdown::parse("none [integrity] confidentiality\n"), Lockdown::Integrity);
        let all = Lockdown::parse("none integrity [confidentiality]\n");
        assert_eq!(all, Lockdown::Confidentiality);
        assert_eq!(Lockdown::parse(""), Lockdown::Off);
    }
}
