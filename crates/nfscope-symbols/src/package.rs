//! Which package brings a kernel's debug information.

use std::path::Path;

/// A family of distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
    /// Fedora, RHEL and their kin.
    Fedora,
    /// SUSE and openSUSE.
    Suse,
    /// Another one.
    Other,
}

impl Distribution {
    /// The one that this machine runs.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(Path::new(path));
        let text = read("/etc/os-release").or_else(|_| read("/usr/lib/os-release"));
        Self::parse(&text.unwrap_or_default())
    }

    /// By the text of os-release(5).
    pub fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches(['"', '\''])
        };
        let known = |word: &str| match word {
            "debian" => Some(Self::Debian),
            "ubuntu" => Some(Self::Ubuntu),
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" => Some(Self::Fedora),
            "suse" | "opensuse" | "sles" => Some(Self::Suse),
            _ => None,
        };
        let words = [field("ID"), field("ID_LIKE")].into_iter().flat_map(str::split_whitespace);
        words.filter_map(known).next().unwrap_or(Self::Other)
    }
}

/// The sentence that says what to install for a kernel's debug information.
pub fn package_hint(distribution: Distribution, release: &str) -> String {
    match distribution {
        Distribution::Debian => {
            format!(
                "for lines install its debug information: apt install linux-image-{release}-dbg"
            )
        }
        Distribution::Ubuntu => format!(
            "for lines install its debug information: apt install linux-image-{release}-dbgsym (from ddebs.ubuntu.com)"
        ),
        Distribution::Fedora => format!(
            "for lines install its debug information: dnf debuginfo-install kernel-core-{release}"
        ),
        Distribution::Suse => {
            let flavour = release.rsplit('-').next().unwrap_or("default");
            format!(
                "for lines install its debug information: zypper install kernel-{flavour}-debuginfo"
            )
        }
        Distribution::Other => format!(
            "for lines give the vmlinux or module file with debug information of kernel {release} with -e"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions() {
        let is = |text: &str| Distribution::parse(text);
        assert_eq!(is("NAME=x\nID=debian\n"), Distribution::Debian);
        assert_eq!(is("ID=ubuntu\nID_LIKE=debian\n"), Distribution::Ubuntu);
        assert_eq!(is("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Distribution::Fedora);
        assert_eq!(is("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"), Distribution::Suse);
        assert_eq!(is("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Distribution::Ubuntu);
        assert_eq!(is("ID=nixos\n"), Distribution::Other);
        assert_eq!(is(""), Distribution::Other);
    }

    #[test]
    fn packages() {
        let hint = |distribution, release| package_hint(distribution, release);
        assert!(
            hint(Distribution::Debian, "6.1.0-50-amd64").contains("linux-image-6.1.0-50-amd64-dbg")
        );
        assert!(
            hint(Distribution::Suse, "6.4.0-150600.23-default")
                .contains("kernel-default-debuginfo")
        );
    }
}
