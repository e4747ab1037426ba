//! The collector's part in tables of x_tables.

use std::time::{Duration, Instant};

use nfscope_kernel::btf::Btf;
use nfscope_kernel::locate::ipt::Tables;

use super::probes::{TableProbes, Whole};
use super::self_test;
use crate::CollectError;
use crate::legacy::{Changes, LegacySetup, SelfTest};
use crate::nft::{Scratch, state_offsets};
use crate::trace::collector::TRIAL_RING;
use crate::trace::self_test::{TRIAL_PATIENCE, preemptible};
use crate::trace::{Attachment, TraceCollector, TraceSetup};

impl TraceCollector {
    /// Attaches probes in a family's table function, and tries them on packets
    /// whose way is known, in `scratch`: before, where packets are told already.
    pub fn attach_legacy(
        &mut self,
        setup: &LegacySetup,
        scratch: &Scratch,
        changes: &Changes,
        btf: &Btf,
    ) -> Result<(), CollectError> {
        if self.on_trial() && self.options.ring_bytes >= TRIAL_RING {
            self.add_tables(setup, changes, btf)?;
            let tried = self.try_tables(setup.tables, scratch);
            match tried {
                Ok(()) => self.fates_tried = true,
                Err(_) => self.detach_legacy(setup.tables),
            }
            return tried;
        }
        let tried = TraceSetup::without_nft(state_offsets(&setup.layout), self.setup.by, |f| {
            btf.func_params(f).is_some()
        });
        let tried = if self.fates_tried { tried.bare() } else { tried };
        let mut trial = Self::attached(&self.options.trial(scratch), &tried, 0, btf)?;
        trial.add_tables(setup, changes, btf)?;
        trial.try_tables(setup.tables, scratch)?;
        drop(trial);
        self.fates_tried = true;
        self.add_tables(setup, changes, btf)
    }

    /// Lets go of a family's probes: its module is gone.
    pub fn detach_legacy(&mut self, tables: Tables) {
        let gone = self.tables.extract_if(.., |probes| probes.tables() == tables);
        self.skipped_before += gone.map(|probes| probes.skipped()).sum::<u64>();
    }

    fn add_tables(
        &mut self,
        setup: &LegacySetup,
        changes: &Changes,
        btf: &Btf,
    ) -> Result<(), CollectError> {
        let trace = Whole {
            object: &self.object,
            config: self.options.config(&self.setup, self.context_known),
            filter: self.options.filter.as_ref(),
            variables: self.context_known,
            fentry: self.setup.by == Attachment::Fentry,
        };
        let probes = TableProbes::attach(setup, trace, changes, btf)?;
        self.tables.push(probes);
        Ok(())
    }

    fn try_tables(&mut self, tables: Tables, scratch: &Scratch) -> Result<(), CollectError> {
        let test = SelfTest::send(tables, scratch)?;
        let mut records = Vec::new();
        let deadline = Instant::now() + TRIAL_PATIENCE;
        while !self_test::complete(&test, tables, &records) && Instant::now() < deadline {
            records.extend(self.poll_all(Duration::from_millis(20))?);
        }
        let verdict = self_test::judge(&test, tables, &records);
        let preemptible = preemptible(&records);
        // what is still to be told of these packets is known as theirs
        self.own.leave_out(&mut records);
        if self.setup.interruptible && preemptible {
            return Err(CollectError::Interruptible);
        }
        verdict
    }
}
