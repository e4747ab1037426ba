//! Tries the running programs on packets whose fate is known
//! ([`SelfTest`]), and learns from them what it takes to find
//! `nft_do_chain`'s frame.

use std::time::{Duration, Instant};

use nfscope_event::Backend;
use nfscope_kernel::btf::Btf;

use super::collector::DropCollector;
use super::frame::{FrameLayout, Seen};
use super::{DropRecord, NftOffsets};
use crate::nft::{Scratch, SelfTest, Setup};
use crate::preempt::Observer;
use crate::{CollectError, object};

/// How long the packets' records may take.
const PATIENCE: Duration = Duration::from_secs(2);

impl DropCollector {
    /// Finds `nft_do_chain`'s frame on both ways to the program, and tries it
    /// on both. If that fails, what was known before is still in force.
    pub(super) fn find_frame(
        &mut self,
        test: Option<&SelfTest>,
        observer: Option<&Observer>,
        nft: &NftOffsets,
    ) -> Result<(), CollectError> {
        let refuse = |reason| CollectError::Backend { backend: "frame", reason };
        let (test, observer) =
            test.zip(observer).ok_or_else(|| refuse("there can be no trial".into()))?;
        let before = self.frame;
        let found = self.measure_frame(test, observer, nft);
        if found.is_err() {
            self.set_frame(before, false)?;
        }
        found
    }

    fn measure_frame(
        &mut self,
        test: &SelfTest,
        observer: &Observer,
        nft: &NftOffsets,
    ) -> Result<(), CollectError> {
        let refuse = |reason| CollectError::Backend { backend: "frame", reason };
        test.add_other_callers()?;
        let trials = test.trials();
        self.set_frame(self.frame, true)?;
        let straight = self.see(test)?;
        let second = observer.attach()?;
        let looped = self.see(test)?;
        test.remove_other_callers();
        let layout = FrameLayout::find(&[straight, looped], &trials, nft).map_err(refuse)?;
        self.set_frame(layout, false)?;
        self.try_out(test)?;
        drop(second);
        self.try_out(test)
    }

    fn set_frame(&mut self, layout: FrameLayout, show: bool) -> Result<(), CollectError> {
        self.frame = layout;
        object::set_value(&self.object, ".data.frame", &layout.bytes(show))
    }

    /// Finds `nft_do_chain`'s frame anew: other programs on the tracepoint have
    /// come or gone. `scratch`: the namespace that this was started with.
    pub fn find_frame_again(
        &mut self,
        scratch: &Scratch,
        setup: &Setup,
        btf: &Btf,
    ) -> Result<(), CollectError> {
        let test = SelfTest::prepare(scratch)?;
        let observer = Observer::load(btf)?;
        let found = self.find_frame(Some(&test), Some(&observer), &setup.nft);
        test.remove();
        found
    }

    /// The stacks of the trial's packets.
    fn see(&mut self, test: &SelfTest) -> Result<Vec<Seen>, CollectError> {
        self.send(test)?;
        Ok(self.seen.take())
    }

    /// Sends the trial's packets and returns what was recorded of them.
    fn send(&mut self, test: &SelfTest) -> Result<Vec<DropRecord>, CollectError> {
        test.send()?;
        self.trial_records(test.trials().len())
    }

    /// What was recorded of a trial's packets, once there are so many.
    pub(super) fn trial_records(&mut self, wanted: usize) -> Result<Vec<DropRecord>, CollectError> {
        let mut records: Vec<DropRecord> = Vec::new();
        let mut others = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while records.len() < wanted && Instant::now() < deadline {
            let (ours, rest): (Vec<_>, Vec<_>) = self
                .drain(Duration::from_millis(20))?
                .into_iter()
                .partition(|r| r.netns == self.scratch_netns);
            records.extend(ours);
            others.extend(rest);
        }
        self.queue.borrow_mut().splice(0..0, others);
        Ok(records)
    }

    pub(super) fn try_out(&mut self, test: &SelfTest) -> Result<(), CollectError> {
        let backend = self.backend.as_str();
        let records = self.send(test)?;
        self.preemptible = records.iter().any(|r| r.preemptible);
        self.sites = records.iter().filter(|r| r.nft.is_some()).map(|r| r.location).collect();
        let verdict = match self.backend {
            // it names no rules; only how it runs was to be seen
            Backend::Tracepoint => Ok(()),
            _ => test.judge(&records),
        };
        verdict.map_err(|why| CollectError::Backend {
            backend,
            reason: format!("the self-test failed: {why}"),
        })
    }
}
