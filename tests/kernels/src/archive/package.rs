//! One stanza of a Packages index.

/// A binary package, with the fields that fetching and unpacking need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// `Package:`
    pub name: String,
    /// `Version:`
    pub version: String,
    /// `Filename:`, relative to the mirror.
    pub filename: String,
    /// `SHA256:` of the file, in hexadecimal.
    pub sha256: String,
    /// `Pre-Depends:` and `Depends:`: every group must be met by one of its names.
    pub depends: Vec<Vec<String>>,
    /// `Provides:`, names only.
    pub provides: Vec<String>,
}

impl Package {
    /// From the stanza's lines; `None` without a name or a file.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut package = Self::default();
        // A line that starts with a space continues the field before, which is
        // never one of these.
        for (field, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match field {
                "Package" => package.name = value.to_owned(),
                "Version" => package.version = value.to_owned(),
                "Filename" => package.filename = value.to_owned(),
                "SHA256" => package.sha256 = value.to_owned(),
                "Depends" | "Pre-Depends" => {
                    package.depends.extend(value.split(',').map(|group| names(group, '|')));
                }
                "Provides" => package.provides = names(value, ','),
                _ => {}
            }
        }
        (!package.name.is_empty() && !package.filename.is_empty()).then_some(package)
    }

    /// The last part of the file's name.
    pub fn basename(&self) -> &str {
        self.filename.rsplit('/').next().unwrap_or(&self.filename)
    }
}

/// Package names without versions and architectures: `a (>= 1) | b:any`.
fn names(list: &str, separator: char) -> Vec<String> {
    list.split(separator)
        .filter_map(|word| word.split_whitespace().next())
        .map(|word| word.split([':', '(']).next().unwrap_or(word).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanza() {
        let text = "Package: nftables\nVersion: 1.1.3-1\nPre-Depends: base (>= 1)\n\
                    Depends: libnftables1 (= 1.1.3-1), libc6:any (>= 2.38) | musl\n\
                    Provides: firewall (= 1), fw\nFilename: pool/n/nftables_1.deb\nSHA256: ab\n";
        let package = Package::parse(text.lines()).unwrap();
        assert_eq!(package.name, "nftables");
        assert_eq!(package.basename(), "nftables_1.deb");
        assert_eq!(package.depends, [vec!["base"], vec!["libnftables1"], vec!["libc6", "musl"]]);
        assert_eq!(package.provides, ["firewall", "fw"]);
        assert_eq!(Package::parse("Version: 1".lines()), None);
    }
}
