//! The Debian mirror that this machine's apt is configured with.

use std::{env, fs, path::Path};

use anyhow::{Result, bail};

/// Overrides what the apt sources say.
const VARIABLE: &str = "NFSCOPE_LAB_MIRROR";

/// The mirror's base URL, without a slash at its end.
///
/// # Errors
/// When neither the environment nor the apt sources name a Debian archive.
pub fn find() -> Result<String> {
    if let Ok(url) = env::var(VARIABLE)
        && !url.is_empty()
    {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let mut files = vec![Path::new("/etc/apt/sources.list").to_path_buf()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.sort();
        files.extend(more);
    }
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let found = match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => from_deb822(&text),
            Some("list") => from_one_line(&text),
            _ => None,
        };
        if let Some(url) = found {
            return Ok(url);
        }
    }
    bail!(
        "no Debian mirror found in /etc/apt; set {VARIABLE} to the URL of one (it ends in /debian)"
    )
}

/// A URL of the main archive, not of the security one or of a third party.
fn archive_url(word: &str) -> Option<String> {
    let url = word.trim_end_matches('/');
    let supported = url.starts_with("http://") || url.starts_with("https://");
    (supported && url.ends_with("/debian")).then(|| url.to_owned())
}

/// `deb [options] URL suite component…` lines (sources.list(5)).
fn from_one_line(text: &str) -> Option<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb ") || line.starts_with("deb\t"))
        .find_map(|line| line.split_whitespace().find_map(archive_url))
}

/// `URIs:` fields of deb822 stanzas that are not disabled.
fn from_deb822(text: &str) -> Option<String> {
    text.split("\n\n").filter(|stanza| !has_field(stanza, "Enabled", "no")).find_map(|stanza| {
        stanza.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("URIs")
                .then(|| value.split_whitespace().find_map(archive_url))
                .flatten()
        })
    })
}

fn has_field(stanza: &str, name: &str, value: &str) -> bool {
    stanza.lines().filter_map(|line| line.split_once(':')).any(|(field, content)| {
        field.eq_ignore_ascii_case(name) && content.trim().eq_ignore_ascii_case(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_sources() {
        let text = "# deb http://commented.example/debian x main\n\
                    deb http://sec.example/debian-security x main\n\
                    deb [signed-by=/k.gpg arch=amd64] https://m.example/debian/ trixie main\n";
        assert_eq!(from_one_line(text).as_deref(), Some("https://m.example/debian"));
    }

    #[test]
    fn deb822_sources() {
        let text = "Types: deb\nEnabled: no\nURIs: http://off.example/debian\n\n\
                    Types: deb\n# note\nURIs: cdrom://x http://m.example/debian\nSuites: trixie\n";
        assert_eq!(from_deb822(text).as_deref(), Some("http://m.example/debian"));
        assert_eq!(from_deb822("Types: deb\nURIs: https://e.example/apt\n"), None);
    }
}
