//! How a person names a kernel.

use std::{fmt, str::FromStr};

/// Kernels that are tested when none are named: suite and release prefix.
const DEFAULTS: [(&str, &str); 5] = [
    ("bullseye", "5.10"),
    ("bookworm", "6.1"),
    ("trixie", "6.12"),
    ("trixie-backports", "6.18"),
    ("forky", "7.2"),
];
/// The suite whose kernel boots the arm64 guest, and its release prefix.
const ARM64: (&str, &str) = ("trixie", "6.12");
const FLAVOUR: &str = "cloud-amd64";
const ARM64_FLAVOUR: &str = "cloud-arm64";

/// A processor architecture that the lab can emulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// x86-64
    Amd64,
    /// 64 bit ARM
    Arm64,
}

impl Architecture {
    /// Debian's word.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The kernel's word (`uname -m`), also QEMU's.
    pub fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

/// A kernel: `6.12`, `arm64`, or `SUITE:PREFIX[:FLAVOUR]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KernelSpec {
    /// Debian suite that has it; `None`: only what the cache holds.
    pub suite: Option<String>,
    /// Start of the release, up to a separator: `6.12` is not `6.1`.
    pub prefix: String,
    /// End of the package's name, `cloud-amd64`.
    pub flavour: String,
}

impl KernelSpec {
    /// The kernels that are tested when none are named.
    pub fn defaults() -> Vec<Self> {
        DEFAULTS.iter().map(|(suite, prefix)| Self::new(Some(suite), prefix, FLAVOUR)).collect()
    }

    /// The kernel of the arm64 guest.
    pub fn arm64() -> Self {
        Self::new(Some(ARM64.0), ARM64.1, ARM64_FLAVOUR)
    }

    fn new(suite: Option<&str>, prefix: &str, flavour: &str) -> Self {
        Self {
            suite: suite.map(str::to_owned),
            prefix: prefix.to_owned(),
            flavour: flavour.to_owned(),
        }
    }

    /// The architecture, by the flavour's last word.
    pub fn architecture(&self) -> Architecture {
        if self.flavour.ends_with("arm64") { Architecture::Arm64 } else { Architecture::Amd64 }
    }

    /// Whether a full release, `6.12.107+deb13-cloud-amd64`, is one of these.
    pub fn matches(&self, release: &str) -> bool {
        let Some(version) =
            release.strip_suffix(&self.flavour).and_then(|rest| rest.strip_suffix('-'))
        else {
            return false;
        };
        // `rt-amd64` ends like `amd64`: what is left must be a version alone.
        let other_flavour =
            version.split('-').skip(1).any(|part| !part.starts_with(|c: char| c.is_ascii_digit()));
        let Some(rest) = version.strip_prefix(&self.prefix) else { return false };
        !other_flavour && (rest.is_empty() || rest.starts_with(['.', '-', '+', '~']))
    }
}

impl FromStr for KernelSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let word = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || ".-+~_".contains(c))
        };
        if !parts.iter().all(|part| word(part)) {
            return Err("expected a release such as 6.12, or SUITE:PREFIX[:FLAVOUR]".to_owned());
        }
        match parts[..] {
            ["arm64"] => Ok(Self::arm64()),
            [prefix] => {
                let known = DEFAULTS.iter().find(|(_, known)| *known == prefix);
                Ok(Self::new(known.map(|(suite, _)| *suite), prefix, FLAVOUR))
            }
            [suite, prefix] => Ok(Self::new(Some(suite), prefix, FLAVOUR)),
            [suite, prefix, flavour] => Ok(Self::new(Some(suite), prefix, flavour)),
            _ => Err("expected at most SUITE:PREFIX:FLAVOUR".to_owned()),
        }
    }
}

/// What the table of expected skips and the reports call it: `6.12`, or
/// `6.12-rt-amd64` for another flavour than the usual one.
impl fmt::Display for KernelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flavour.as_str() {
            FLAVOUR => f.write_str(&self.prefix),
            ARM64_FLAVOUR => write!(f, "{}-arm64", self.prefix),
            other => write!(f, "{}-{other}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> KernelSpec {
        text.parse().unwrap()
    }

    #[test]
    fn names() {
        assert_eq!(spec("6.18").suite.as_deref(), Some("trixie-backports"));
        assert_eq!(spec("5.15").suite, None);
        assert_eq!(spec("sid:7.3:rt-amd64").to_string(), "7.3-rt-amd64");
        assert_eq!(spec("arm64").architecture(), Architecture::Arm64);
        assert!("6.12/../x".parse::<KernelSpec>().is_err());
        assert!("a::b".parse::<KernelSpec>().is_err());
        for default in KernelSpec::defaults() {
            assert_eq!(spec(&default.to_string()), default);
        }
    }

    #[test]
    fn releases() {
        assert!(spec("6.1").matches("6.1.0-50-cloud-amd64"));
        assert!(!spec("6.1").matches("6.12.107+deb13-cloud-amd64"));
        assert!(spec("6.12").matches("6.12.107+deb13-cloud-amd64"));
        assert!(!spec("6.12").matches("6.12.107+deb13-cloud-arm64"));
        assert!(spec("arm64").matches("6.12.107+deb13-cloud-arm64"));
        assert!(spec("x:6.12:amd64").matches("6.12.107+deb13-amd64"));
        assert!(!spec("x:6.12:amd64").matches("6.12.107+deb13-rt-amd64"));
        assert!(!spec("6.12").matches("6.12.107+deb13-cloud-amd64-dbg"));
    }
}
