//! The collector's part in rules of x_tables: their notes are taken as
//! nftables' are.

use std::os::fd::AsFd;

use nfscope_kernel::locate::ipt::Tables;

use super::DropCollector;
use crate::legacy::{BridgeSetup, Changes, EdgesSetup, LegacyProbes, LegacySetup, SelfTest, Told};
use crate::nft::Scratch;
use crate::{CollectError, object};

impl DropCollector {
    /// Attaches the probes to a family's table function of x_tables, and tries
    /// them on packets whose fate is known. `scratch`: the namespace that this
    /// was started with.
    pub fn attach_legacy(
        &mut self,
        setup: &LegacySetup,
        scratch: &Scratch,
        changes: &Changes,
    ) -> Result<(), CollectError> {
        let notes = object::map(&self.object, "notes")?;
        let probes = LegacyProbes::attach(setup, notes.as_fd(), changes)?;
        self.try_legacy(probes, scratch, Told::Rules)
    }

    /// The same at the function's entry and return, which tell the table alone.
    pub fn attach_legacy_edges(
        &mut self,
        setup: &EdgesSetup,
        scratch: &Scratch,
        changes: &Changes,
    ) -> Result<(), CollectError> {
        let notes = object::map(&self.object, "notes")?;
        let probes = LegacyProbes::attach_edges(setup, notes.as_fd(), changes)?;
        self.try_legacy(probes, scratch, Told::Tables)
    }

    /// Attaches to ebtables' function, whose notes prove themselves: to the places that
    /// tell rules, else to its entry and return. `Some`: why rules are not told.
    pub fn attach_bridge_tables(
        &mut self,
        setup: &BridgeSetup,
        changes: &Changes,
    ) -> Result<Option<String>, CollectError> {
        let notes = object::map(&self.object, "notes")?;
        let rules = match &setup.located {
            Ok(located) => LegacyProbes::attach_bridge(setup, located, notes.as_fd(), changes)
                .map_err(|e| e.to_string()),
            Err(why) => Err(why.clone()),
        };
        let (probes, why) = match rules {
            Ok(probes) => (probes, None),
            Err(why) => {
                (LegacyProbes::attach_bridge_edges(setup, notes.as_fd(), changes)?, Some(why))
            }
        };
        self.take_legacy_notes(true)?;
        self.legacy.push(probes);
        Ok(why)
    }

    /// Lets go of it: its module is gone.
    pub fn detach_bridge_tables(&mut self) {
        self.legacy.retain(|probes| probes.tables().is_some());
    }

    fn try_legacy(
        &mut self,
        probes: LegacyProbes,
        scratch: &Scratch,
        told: Told,
    ) -> Result<(), CollectError> {
        self.take_legacy_notes(true)?;
        let Some(tables) = probes.tables() else { return Ok(()) };
        let tried = SelfTest::send(tables, scratch).and_then(|test| {
            let records = self.trial_records(test.packets())?;
            test.judge(&records, told)
        });
        match tried {
            Ok(()) => self.legacy.push(probes),
            Err(_) => self.take_legacy_notes(!self.legacy.is_empty())?,
        }
        tried
    }

    /// Lets go of a family's probes: its module is gone.
    pub fn detach_legacy(&mut self, tables: Tables) {
        self.legacy.retain(|probes| probes.tables() != Some(tables));
    }

    /// Whether the tracepoint's program looks for notes of x_tables' rules.
    fn take_legacy_notes(&self, on: bool) -> Result<(), CollectError> {
        object::set_value(&self.object, ".data.running", &u32::from(on).to_ne_bytes())
    }
}
