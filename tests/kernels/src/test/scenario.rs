//! Scenario files.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::kernel::spec::Architecture;

/// Seconds that a scenario may take unless it says otherwise.
const TIME_LIMIT: u64 = 60;

/// One file of `scenarios/`, with what its comments say about how to run it:
/// `# timeout: 120` (seconds), `# processors: 2`, `# architectures: amd64 arm64`,
/// `# kernels: 5.10 7.2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The file's name without `.sh`.
    pub name: String,
    /// Seconds it may take.
    pub time_limit: u64,
    /// Processors that the machine has to have.
    pub processors: u32,
    /// Where it runs; x86-64 alone unless it says otherwise.
    pub architectures: Vec<Architecture>,
    /// Kernels that are enough for it; empty: it is to run on each.
    pub kernels: Vec<String>,
}

impl Scenario {
    /// All scenarios of a folder, by name.
    ///
    /// # Errors
    /// When one cannot be read or has a comment that is not understood.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>> {
        let mut scenarios = Vec::new();
        let entries =
            fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "sh") {
                let text = fs::read_to_string(&path)?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                let scenario = Self::parse(&name, &text)
                    .with_context(|| format!("cannot understand {}", path.display()))?;
                scenarios.push(scenario);
            }
        }
        scenarios.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(scenarios)
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let mut scenario = Self {
            name: name.to_owned(),
            time_limit: TIME_LIMIT,
            processors: 1,
            architectures: vec![Architecture::Amd64],
            kernels: Vec::new(),
        };
        let comments = text.lines().filter_map(|line| line.strip_prefix("# "));
        for (key, value) in comments.filter_map(|line| line.split_once(": ")) {
            match key {
                "timeout" => scenario.time_limit = value.parse().context("timeout")?,
                "processors" => scenario.processors = value.parse().context("processors")?,
                "architectures" => {
                    scenario.architectures =
                        value.split_whitespace().map(architecture).collect::<Result<_>>()?;
                }
                "kernels" => {
                    scenario.kernels = value.split_whitespace().map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        Ok(scenario)
    }

    /// Why it need not run on a kernel.
    pub fn spared(&self, kernel: &str) -> Option<String> {
        let spared = !self.kernels.is_empty() && !self.kernels.iter().any(|k| k == kernel);
        let enough = self.kernels.join(", ");
        spared.then(|| format!("run on {enough}, which is enough for it; on all with --every"))
    }
}

fn architecture(word: &str) -> Result<Architecture> {
    match word {
        "amd64" => Ok(Architecture::Amd64),
        "arm64" => Ok(Architecture::Arm64),
        _ => bail!("no architecture {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments() {
        let text = "# What: for\n# timeout: 90\n# processors: 2\n# architectures: amd64 arm64\n\
                    # kernels: 5.10 7.2\nx\n";
        let scenario = Scenario::parse("name", text).unwrap();
        assert!(scenario.spared("6.1").is_some_and(|why| why.starts_with("run on 5.10, 7.2,")));
        assert_eq!(scenario.spared("7.2"), None);
        assert_eq!((scenario.time_limit, scenario.processors), (90, 2));
        assert_eq!(scenario.architectures, [Architecture::Amd64, Architecture::Arm64]);
        let plain = Scenario::parse("name", "x").unwrap();
        assert_eq!((plain.time_limit, plain.spared("6.1")), (TIME_LIMIT, None));
        assert!(Scenario::parse("name", "# timeout: long").is_err());
    }
}
