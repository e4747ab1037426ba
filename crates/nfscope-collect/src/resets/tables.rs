//! Probes in the functions of x_tables' tables: which rule rejects a packet.

use std::os::fd::AsFd;

use libbpf_rs::{Link, Object};
use nfscope_kernel::locate::ipt::Tables;

use super::{Losses, ResetCollector};
use crate::legacy::{Changes, LegacySetup};
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("reject_tables");
const PROGRAM: &str = "at_table_reject";
/// Maps that belong to the programs that see the answers.
const SHARED: [&str; 2] = ["rejects", "table_rules"];

/// One family's probe.
pub(super) struct TableRejects {
    link: Link,
    object: Object,
    tables: Tables,
}

impl TableRejects {
    fn attach(
        setup: &LegacySetup,
        resets: &Object,
        changes: &Changes,
    ) -> Result<Self, CollectError> {
        let mut open = object::open(OBJECT, None)?;
        object::set_rodata(&mut open, &setup.config())?;
        let maps = SHARED.map(|name| object::map(resets, name));
        let maps = maps.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut shared = vec![("changes", changes.map().as_fd())];
        shared.extend(SHARED.iter().zip(&maps).map(|(name, map)| (*name, map.as_fd())));
        object::share(&mut open, &shared)?;
        let object = object::load(open, &[PROGRAM])?;
        let offset = u64::from(setup.points.matched.probe);
        let link = object::with_program(&object, PROGRAM, |p| {
            let address = setup.address.and_then(|start| start.checked_add(offset));
            let by_address = address.and_then(|at| raw::attach_kprobe_at(p, at).ok());
            let by_name = || raw::attach_kprobe(p, setup.tables.function(), offset);
            by_address.map_or_else(by_name, Ok)
        })?;
        Ok(Self { link, object, tables: setup.tables })
    }

    pub(super) fn losses(&self) -> Losses {
        let skipped: u64 = self.object.progs().map(|p| raw::recursion_misses(&p)).sum();
        Losses { ring: 0, nested: skipped + raw::probe_misses(&self.link) }
    }
}

impl ResetCollector {
    /// Attaches to a family's table function. Nothing is tried before: whether a rule that is
    /// told rejects with a reset is seen in its table.
    pub fn attach_legacy(
        &mut self,
        setup: &LegacySetup,
        changes: &Changes,
    ) -> Result<(), CollectError> {
        let probes = TableRejects::attach(setup, &self.object, changes)?;
        self.tables.push(probes);
        Ok(())
    }

    /// Lets go of a family: its module is gone.
    pub fn detach_legacy(&mut self, tables: Tables) {
        for gone in self.tables.extract_if(.., |probes| probes.tables == tables) {
            self.lost_before.add(gone.losses());
        }
    }
}
