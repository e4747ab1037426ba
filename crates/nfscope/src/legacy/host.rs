//! The collectors that rules of x_tables are told by.

use std::sync::Arc;

use nfscope_collect::CollectError;
use nfscope_collect::drop::DropCollector;
use nfscope_collect::legacy::{BridgeSetup, Changes, EdgesSetup, LegacySetup};
use nfscope_collect::nft::Scratch;
use nfscope_collect::resets::ResetCollector;
use nfscope_collect::trace::TraceCollector;
use nfscope_kernel::btf::Btf;
use nfscope_kernel::locate::ipt::Tables;

use super::refuse;

/// A collector that can tell rules of x_tables.
pub trait Host {
    /// The families that it can tell.
    const TABLES: &[Tables];
    /// Where probes are tried; nothing where they need no trial.
    type Trial;

    /// Attaches to a family's table function. `btf`: the kernel's types.
    fn attach(
        &mut self,
        setup: &LegacySetup,
        trial: &Self::Trial,
        changes: &Changes,
        btf: Arc<Btf>,
    ) -> Result<(), CollectError>;

    /// The same to the function's entry and return, which tell its table alone;
    /// none where that is of no use.
    fn attach_edges(
        &mut self,
        setup: &EdgesSetup,
        trial: &Self::Trial,
        changes: &Changes,
    ) -> Option<Result<(), CollectError>>;

    /// Lets go of a family.
    fn detach(&mut self, tables: Tables);

    /// Attaches to ebtables' function; none where that is of no use. `Some` inside: why
    /// its table alone is told.
    fn attach_bridge(
        &mut self,
        _: &BridgeSetup,
        _: &Changes,
    ) -> Option<Result<Option<String>, CollectError>> {
        None
    }

    /// Lets go of it.
    fn detach_bridge(&mut self) {}
}

impl Host for DropCollector {
    const TABLES: &[Tables] = &Tables::ALL;
    type Trial = Scratch;

    fn attach(
        &mut self,
        setup: &LegacySetup,
        scratch: &Scratch,
        changes: &Changes,
        _: Arc<Btf>,
    ) -> Result<(), CollectError> {
        self.attach_legacy(setup, scratch, changes)
    }

    fn attach_edges(
        &mut self,
        setup: &EdgesSetup,
        scratch: &Scratch,
        changes: &Changes,
    ) -> Option<Result<(), CollectError>> {
        Some(self.attach_legacy_edges(setup, scratch, changes))
    }

    fn detach(&mut self, tables: Tables) {
        self.detach_legacy(tables);
    }

    fn attach_bridge(
        &mut self,
        setup: &BridgeSetup,
        changes: &Changes,
    ) -> Option<Result<Option<String>, CollectError>> {
        Some(self.attach_bridge_tables(setup, changes))
    }

    fn detach_bridge(&mut self) {
        self.detach_bridge_tables();
    }
}

impl Host for TraceCollector {
    const TABLES: &[Tables] = &[Tables::Ipv4, Tables::Ipv6];
    type Trial = Scratch;

    fn attach(
        &mut self,
        setup: &LegacySetup,
        scratch: &Scratch,
        changes: &Changes,
        btf: Arc<Btf>,
    ) -> Result<(), CollectError> {
        // connections' types are those of a module
        let module = if nfscope_ruleset::nf_tables_loaded() { "nf_tables" } else { "nf_conntrack" };
        let btf = Btf::module(module, btf).map_err(|e| refuse(e.to_string()))?;
        self.attach_legacy(setup, scratch, changes, &btf)
    }

    fn attach_edges(
        &mut self,
        _: &EdgesSetup,
        _: &Scratch,
        _: &Changes,
    ) -> Option<Result<(), CollectError>> {
        None
    }

    fn detach(&mut self, tables: Tables) {
        self.detach_legacy(tables);
    }
}

impl Host for ResetCollector {
    const TABLES: &[Tables] = &[Tables::Ipv4, Tables::Ipv6];
    type Trial = ();

    fn attach(
        &mut self,
        setup: &LegacySetup,
        (): &(),
        changes: &Changes,
        _: Arc<Btf>,
    ) -> Result<(), CollectError> {
        self.attach_legacy(setup, changes)
    }

    fn attach_edges(
        &mut self,
        _: &EdgesSetup,
        (): &(),
        _: &Changes,
    ) -> Option<Result<(), CollectError>> {
        None
    }

    fn detach(&mut self, tables: Tables) {
        self.detach_legacy(tables);
    }
}
