//! Which machine runs which scenarios.

use super::scenario::Scenario;
use crate::kernel::spec::KernelSpec;

/// Scenarios of one machine, at most: enough to make its boot worth while, few
/// enough to keep several machines busy to the end.
const BATCH: usize = 16;

/// What one machine runs.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The kernel.
    pub kernel: KernelSpec,
    /// Processors of the machine.
    pub processors: u32,
    /// In this order.
    pub scenarios: Vec<Scenario>,
}

/// Divide all scenarios among machines; a kernel's batches stand together. `every`:
/// also those for which other kernels are enough.
pub fn batches(kernels: &[KernelSpec], scenarios: &[Scenario], every: bool) -> Vec<Batch> {
    let mut batches = Vec::new();
    for kernel in kernels {
        let fitting: Vec<&Scenario> = scenarios
            .iter()
            .filter(|scenario| scenario.architectures.contains(&kernel.architecture()))
            .filter(|scenario| every || scenario.spared(&kernel.to_string()).is_none())
            .collect();
        let mut sizes: Vec<u32> = fitting.iter().map(|scenario| scenario.processors).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for processors in sizes {
            let same: Vec<Scenario> = fitting
                .iter()
                .filter(|scenario| scenario.processors == processors)
                .map(|scenario| (*scenario).clone())
                .collect();
            // long ones have neighbours of the same kind: they go to different machines
            let machines = same.len().div_ceil(BATCH);
            batches.extend((0..machines).map(|first| Batch {
                kernel: kernel.clone(),
                processors,
                scenarios: same.iter().skip(first).step_by(machines).cloned().collect(),
            }));
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::spec::Architecture;

    #[test]
    fn by_architecture_and_processors() {
        let scenario = |name: &str, processors, architectures: &[Architecture]| Scenario {
            name: name.to_owned(),
            time_limit: 1,
            processors,
            architectures: architectures.to_vec(),
            kernels: Vec::new(),
        };
        let mut scenarios = vec![
            scenario("both", 1, &[Architecture::Amd64, Architecture::Arm64]),
            scenario("two", 2, &[Architecture::Amd64]),
        ];
        scenarios.extend((0..BATCH).map(|n| scenario(&n.to_string(), 1, &[Architecture::Amd64])));
        let mut elsewhere = scenario("elsewhere", 1, &[Architecture::Amd64]);
        elsewhere.kernels.push("7.2".to_owned());
        scenarios.push(elsewhere);
        let kernels = ["6.12".parse().unwrap(), "arm64".parse().unwrap()];
        let found: Vec<(String, u32, usize)> = batches(&kernels, &scenarios, false)
            .iter()
            .map(|batch| (batch.kernel.to_string(), batch.processors, batch.scenarios.len()))
            .collect();
        assert_eq!(
            found,
            [
                ("6.12".to_owned(), 1, BATCH.div_ceil(2) + 1),
                ("6.12".to_owned(), 1, BATCH.div_ceil(2)),
                ("6.12".to_owned(), 2, 1),
                ("6.12-arm64".to_owned(), 1, 1)
            ]
        );
    }
}
