//! The table of expected skips.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What each kernel is known not to be able to do.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skips {
    #[serde(default)]
    skip: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scenario: String,
    kernels: Vec<String>,
    reason: String,
}

impl Skips {
    /// Read the table; every entry must name one of `scenarios` and a reason.
    ///
    /// # Errors
    /// When it cannot be read or holds nonsense.
    pub fn load(file: &Path, scenarios: &[&str]) -> Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let skips: Self =
            toml::from_str(&text).with_context(|| format!("cannot parse {}", file.display()))?;
        for entry in &skips.skip {
            if !scenarios.contains(&entry.scenario.as_str()) || entry.reason.is_empty() {
                bail!("{}: no scenario {}, or no reason", file.display(), entry.scenario);
            }
        }
        Ok(skips)
    }

    /// The reason why the kernel skips the scenario, if it is known to.
    pub fn reason(&self, kernel: &str, scenario: &str) -> Option<&str> {
        self.skip
            .iter()
            .find(|entry| {
                entry.scenario == scenario && entry.kernels.iter().any(|name| name == kernel)
            })
            .map(|entry| entry.reason.as_str())
    }
}
